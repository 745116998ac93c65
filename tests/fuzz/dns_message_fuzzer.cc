#include <iterator>
#include <string>
#include <variant>

#include "absl/strings/ascii.h"
#include "common/base/check.h"
#include "common/dns/answer.h"
#include "common/dns/limits.h"
#include "common/dns/message.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

constexpr dns::Type kTypes[] = {dns::Type::kA,  dns::Type::kCname, dns::Type::kSoa,  dns::Type::kPtr,
                                dns::Type::kMx, dns::Type::kTxt,   dns::Type::kAaaa, dns::Type::kTlsa};

// A name is safe text, and what it stands for can be asked for again.
void CheckName(const std::string& name) {
  for (const char c : name) CHECK(c > ' ' && c < 0x7f && !absl::ascii_isupper(static_cast<unsigned char>(c)));
  const absl::StatusOr<std::string> query = dns::EncodeQuery(1, {name, dns::Type::kA});
  CHECK(query.ok());
  if (dns::IsHostName(name)) CHECK(name.find('\\') == std::string::npos);
}

// That the record is of the type that was asked for, and its names are names.
struct RecordCheck {
  void operator()(const dns::Ipv4Bytes&) const { CHECK(type == dns::Type::kA); }
  void operator()(const dns::Ipv6Bytes&) const { CHECK(type == dns::Type::kAaaa); }
  void operator()(const dns::Txt&) const { CHECK(type == dns::Type::kTxt); }
  void operator()(const dns::Tlsa&) const { CHECK(type == dns::Type::kTlsa); }
  void operator()(const dns::Alias& alias) const {
    CHECK(type == dns::Type::kCname);
    CheckName(alias.target);
  }
  void operator()(const dns::Pointer& pointer) const {
    CHECK(type == dns::Type::kPtr);
    CheckName(pointer.name);
  }
  void operator()(const dns::Mx& mx) const {
    CHECK(type == dns::Type::kMx);
    CheckName(mx.exchange);
  }
  void operator()(const dns::Soa& soa) const {
    CHECK(type == dns::Type::kSoa);
    CheckName(soa.primary);
    CheckName(soa.mailbox);
  }
  dns::Type type;
};

void CheckAnswer(const absl::StatusOr<dns::Response>& response) {
  const dns::Answer untrusted = dns::MakeAnswer(response, /*trusted=*/false);
  CHECK(!untrusted.secure);
  const dns::Answer answer = dns::MakeAnswer(response, /*trusted=*/true);
  CHECK(answer.outcome == untrusted.outcome);
  CHECK((answer.outcome == dns::Outcome::kFailed) == (answer.failure != dns::Failure::kNone));
  CHECK((answer.outcome == dns::Outcome::kAnswer) == !answer.records.empty());
  CHECK(answer.ttl >= dns::kMinTtl && answer.ttl <= dns::kMaxTtl);
  if (answer.secure)
    CHECK(response.ok() && response->authentic_data && answer.outcome != dns::Outcome::kFailed);
}

}  // namespace

// The last byte chooses the type that is asked for; the name is always example.test.
void Run(absl::string_view input) {
  const dns::Type type = kTypes[TakeChoice(input) % std::size(kTypes)];
  const absl::StatusOr<dns::Response> response = dns::ParseResponse(input, {"example.test", type});
  CheckAnswer(response);
  CHECK(dns::ParseResponse(input, {"EXAMPLE.test", type}).ok() == response.ok());
  if (!response.ok()) return;

  CHECK(response->records.size() <= dns::kMaxRecords);
  CHECK(response->rcode == dns::kNoError || response->records.empty());
  for (const dns::Record& record : response->records) std::visit(RecordCheck{type}, record);
  CheckName(response->canonical_name);

  // Read to its last byte, unless it says that nothing of use follows.
  const bool whole = !response->truncated && (response->rcode == dns::kNoError ||
                                              response->rcode == dns::kNxDomain || response->has_edns);
  if (whole) {
    CHECK(!dns::ParseResponse(input.substr(0, input.size() - 1), {"example.test", type}).ok());
    CHECK(!dns::ParseResponse(std::string(input) + '\0', {"example.test", type}).ok());
  }
}

}  // namespace mailstead::fuzz
