#include "common/rpc/errors.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace mailstead::rpc {
namespace {

constexpr char kErrorDomain[] = "mailstead.store";
// How many violations were left out, of an error with more than fit.
constexpr char kLeftOutKey[] = "violations_left_out";

// gRPC's clients in C and Java take 8 KiB of trailers. The rest is for the names of ours and for what a proxy adds.
constexpr size_t kMaxTrailerBytes = 7'000;
constexpr size_t kMaxTextBytes = 512;
// An Any with the URL of its type, around BadRequest; and the entry of kLeftOutKey.
constexpr size_t kFrameBytes = 128;

std::string Shortened(absl::string_view text) {
  constexpr absl::string_view kMore = "...";
  if (text.size() <= kMaxTextBytes) return std::string(text);
  return absl::StrCat(CutText(text, kMaxTextBytes - kMore.size()), kMore);
}

// As grpc-message carries it: percent-encoded.
size_t BytesOnTheWire(absl::string_view text) {
  size_t bytes = 0;
  for (const char c : text) bytes += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  return bytes;
}

// How large the details may be, which go in base64.
size_t RoomForDetails(absl::string_view text) { return (kMaxTrailerBytes - BytesOnTheWire(text)) / 4 * 3; }

// As many of them, in their order, as fit beside `taken` bytes; how many do not.
size_t AddViolations(const absl::Status& status, size_t taken, size_t room,
                     google::rpc::BadRequest& bad_request) {
  const std::vector<FieldViolation> violations = ViolationsOf(status);
  for (size_t i = 0; i < violations.size(); ++i) {
    google::rpc::BadRequest::FieldViolation violation;
    violation.set_field(violations[i].field);
    violation.set_description(Shortened(violations[i].description));
    violation.set_reason(violations[i].reason);
    // The tag, and at most two bytes of length.
    taken += violation.ByteSizeLong() + 3;
    if (taken > room) return violations.size() - i + ViolationsLeftOut(status);
    *bad_request.add_field_violations() = std::move(violation);
  }
  return ViolationsLeftOut(status);
}

void Fill(absl::Duration delay, google::rpc::RetryInfo& retry) {
  const int64_t ms = absl::ToInt64Milliseconds(delay);
  retry.mutable_retry_delay()->set_seconds(ms / 1000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
}

std::vector<FieldViolation> Violations(const google::rpc::BadRequest& bad_request) {
  std::vector<FieldViolation> violations;
  for (const auto& violation : bad_request.field_violations()) {
    violations.push_back({violation.field(), violation.description(), violation.reason()});
  }
  return violations;
}

absl::Status WithErrorInfo(absl::Status status, const google::rpc::ErrorInfo& info) {
  status = WithReason(std::move(status), info.reason());
  for (const auto& [key, value] : info.metadata()) status = WithMetadata(std::move(status), key, value);
  return status;
}

}  // namespace

void ToProto(const absl::Status& error, google::rpc::Status& proto) {
  if (error.ok()) return;
  const absl::Status status = WithUsualRetryDelay(WithAnyReason(error));
  const std::string message = Shortened({status.message().data(), status.message().size()});
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonOf(status));
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : MetadataOf(status)) (*info.mutable_metadata())[key] = value;
  google::rpc::RetryInfo retry;
  const std::optional<absl::Duration> delay = RetryDelayOf(status);
  if (delay.has_value()) Fill(*delay, retry);
  google::rpc::BadRequest bad_request;
  const size_t taken = proto.ByteSizeLong() + info.ByteSizeLong() + retry.ByteSizeLong() + 3 * kFrameBytes;
  const size_t left_out = AddViolations(status, taken, RoomForDetails(message), bad_request);
  if (left_out > 0) (*info.mutable_metadata())[kLeftOutKey] = absl::StrCat(left_out);
  proto.add_details()->PackFrom(info);
  if (delay.has_value()) proto.add_details()->PackFrom(retry);
  if (!bad_request.field_violations().empty()) proto.add_details()->PackFrom(bad_request);
}

absl::Status FromProto(const google::rpc::Status& proto) {
  if (proto.code() == 0) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(proto.code()), proto.message());
  for (const auto& detail : proto.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    google::rpc::BadRequest bad_request;
    if (detail.UnpackTo(&info)) {
      if (info.domain() == kErrorDomain) result = WithErrorInfo(std::move(result), info);
    } else if (detail.UnpackTo(&retry)) {
      result = WithRetryDelay(std::move(result), absl::Seconds(retry.retry_delay().seconds()) +
                                                     absl::Nanoseconds(retry.retry_delay().nanos()));
    } else if (detail.UnpackTo(&bad_request)) {
      result = WithViolations(std::move(result), Violations(bad_request));
    }
  }
  return result;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  ToProto(status, details);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  // The code and the message are gRPC's own; an error without details has no others.
  if (!details.ParseFromString(status.error_details())) details.Clear();
  details.set_code(status.error_code());
  details.set_message(status.error_message());
  return FromProto(details);
}

absl::Status FromPeer(const grpc::Status& status) {
  absl::Status error = FromGrpc(status);
  if (!absl::IsCancelled(error) || !ReasonOf(error).empty()) return error;
  return absl::UnavailableError("the store has cut the call off");
}

}  // namespace mailstead::rpc
