#include "stored/api/convert/message_filter.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

absl::Status CheckText(absl::string_view field, absl::string_view text) {
  if (text.size() <= kMaxFilterTextBytes) return absl::OkStatus();
  return FieldError(absl::StrCat("filter.", field), "must have at most 998 bytes");
}

// As headers and logs have them: "<a@b>".
std::string WithoutBrackets(absl::string_view text) {
  absl::string_view inner = text;
  const bool has_both = absl::ConsumePrefix(&inner, "<") && absl::ConsumeSuffix(&inner, ">");
  if (!has_both) inner = text;
  return std::string(inner.data(), inner.size());
}

absl::StatusOr<absl::Time> TimeOf(absl::string_view field, const google::protobuf::Timestamp& proto) {
  if (proto.nanos() < 0 || proto.nanos() > 999'999'999 || proto.seconds() < -62'135'596'800 ||
      proto.seconds() > 253'402'300'799) {
    return FieldError(absl::StrCat("filter.", field), "must be a time of the years 1 to 9999");
  }
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace

absl::StatusOr<engine::MessageFilter> FromProto(const store::v1::MessageFilter& proto) {
  engine::MessageFilter filter;
  if (proto.after_message_id() < 0) return FieldError("filter.after_message_id", "must not be negative");
  if (proto.has_since_time()) {
    ASSIGN_OR_RETURN(filter.since, TimeOf("since_time", proto.since_time()));
  }
  if (proto.has_until_time()) {
    ASSIGN_OR_RETURN(filter.until, TimeOf("until_time", proto.until_time()));
  }
  if (proto.min_size_bytes() < 0) return FieldError("filter.min_size_bytes", "must not be negative");
  if (proto.max_size_bytes() < 0) return FieldError("filter.max_size_bytes", "must not be negative");
  filter.min_size_bytes = proto.min_size_bytes();
  if (proto.max_size_bytes() > 0) filter.max_size_bytes = proto.max_size_bytes();
  RETURN_IF_ERROR(CheckText("reverse_path", proto.reverse_path().value()));
  RETURN_IF_ERROR(CheckText("recipient", proto.recipient()));
  RETURN_IF_ERROR(CheckText("from_contains", proto.from_contains()));
  RETURN_IF_ERROR(CheckText("subject_contains", proto.subject_contains()));
  RETURN_IF_ERROR(CheckText("header_message_id", proto.header_message_id()));
  if (proto.has_reverse_path()) filter.reverse_path = WithoutBrackets(proto.reverse_path().value());
  filter.recipient = proto.recipient();
  filter.from = proto.from_contains();
  filter.subject = proto.subject_contains();
  filter.message_id = WithoutBrackets(proto.header_message_id());
  if (filter.message_id.empty() && !proto.header_message_id().empty()) {
    return FieldError("filter.header_message_id", "must not be empty");
  }
  if (proto.has_has_attachment()) filter.has_attachment = proto.has_attachment().value();
  return filter;
}

}  // namespace mailstead::stored
