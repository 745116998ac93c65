#include "common/dns/answer.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/dns/limits.h"

namespace mailstead::dns {
namespace {

// What Record keeps outside of itself.
struct OutsideBytes {
  size_t operator()(const Ipv4Bytes&) const { return 0; }
  size_t operator()(const Ipv6Bytes&) const { return 0; }
  size_t operator()(const Alias& alias) const { return alias.target.capacity(); }
  size_t operator()(const Pointer& pointer) const { return pointer.name.capacity(); }
  size_t operator()(const Mx& mx) const { return mx.exchange.capacity(); }
  size_t operator()(const Txt& txt) const { return txt.text.capacity(); }
  size_t operator()(const Tlsa& tlsa) const { return tlsa.data.capacity(); }
  size_t operator()(const Soa& soa) const { return soa.primary.capacity() + soa.mailbox.capacity(); }
};

Failure FailureOf(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted ? Failure::kTooLarge : Failure::kGarbled;
}

Failure FailureOf(const Response& response) {
  if (response.truncated) return Failure::kTooLarge;
  switch (response.rcode) {
    case kNoError:
    case kNxDomain:
      return response.recursion_available ? Failure::kNone : Failure::kNoRecursion;
    case kServFail:
      return Failure::kServFail;
    case kRefused:
      return Failure::kRefused;
    default:
      return Failure::kErrorCode;
  }
}

absl::Duration PositiveTtl(const Response& response) {
  return std::clamp(absl::Seconds(response.ttl_seconds.value_or(0)), kMinTtl, kMaxTtl);
}

// What is absent is so for as long as its zone says, and as the aliases lead there. RFC 2308 section 5: without a SOA
// it is not to be kept, which is the least that we do.
absl::Duration NegativeTtl(const Response& response) {
  const uint32_t denial = response.negative_ttl_seconds.value_or(0);
  return std::clamp(absl::Seconds(std::min(denial, response.ttl_seconds.value_or(denial))), kMinTtl,
                    kMaxNegativeTtl);
}

}  // namespace

absl::string_view OutcomeText(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswer:
      return "answer";
    case Outcome::kNoData:
      return "no_data";
    case Outcome::kNoName:
      return "no_name";
    case Outcome::kFailed:
      return "failed";
  }
  return "?";
}

absl::string_view FailureText(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return "none";
    case Failure::kTimeout:
      return "timeout";
    case Failure::kUnreachable:
      return "unreachable";
    case Failure::kServFail:
      return "servfail";
    case Failure::kRefused:
      return "refused";
    case Failure::kErrorCode:
      return "error_code";
    case Failure::kGarbled:
      return "garbled";
    case Failure::kTooLarge:
      return "too_large";
    case Failure::kNoRecursion:
      return "no_recursion";
    case Failure::kNoEdns:
      return "no_edns";
    case Failure::kBusy:
      return "busy";
    case Failure::kStopped:
      return "stopped";
  }
  return "?";
}

size_t Answer::memory_bytes() const {
  size_t bytes = sizeof(Answer) + canonical_name.capacity() + records.capacity() * sizeof(Record);
  for (const Record& record : records) bytes += std::visit(OutsideBytes(), record);
  return bytes;
}

Answer Failed(Failure failure) {
  Answer answer;
  answer.failure = failure;
  answer.ttl = kFailureTtl;
  return answer;
}

Answer MakeAnswer(const absl::StatusOr<Response>& response, bool trusted) {
  const Failure failure = response.ok() ? FailureOf(*response) : FailureOf(response.status());
  if (failure != Failure::kNone) return Failed(failure);
  Answer answer;
  answer.secure = trusted && response->authentic_data && response->has_edns;
  answer.canonical_name = response->canonical_name;
  if (response->records.empty()) {
    answer.outcome = response->rcode == kNxDomain ? Outcome::kNoName : Outcome::kNoData;
    answer.ttl = NegativeTtl(*response);
    return answer;
  }
  answer.outcome = Outcome::kAnswer;
  answer.records = response->records;
  answer.ttl = PositiveTtl(*response);
  return answer;
}

}  // namespace mailstead::dns
