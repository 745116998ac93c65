#include "common/base/reason.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace mailstead {
namespace {

constexpr absl::string_view kReasonUrl = "mailstead/reason";
constexpr absl::string_view kFieldUrl = "mailstead/field";

std::string Payload(const absl::Status& status, absl::string_view url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

absl::Status WithAnyReason(absl::Status status) {
  if (status.ok() || !ReasonOf(status).empty()) return status;
  if (!FieldOf(status).empty()) return WithReason(std::move(status), kReasonInvalidField);
  if (absl::IsResourceExhausted(status)) return WithReason(std::move(status), kReasonBusy);
  const std::string name = absl::StatusCodeToString(status.code());
  return WithReason(std::move(status), name);
}

std::string ReasonOf(const absl::Status& status) { return Payload(status, kReasonUrl); }

absl::Status FieldError(absl::string_view field, absl::string_view description) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(field, ": ", description)), field);
}

absl::Status WithField(absl::Status status, absl::string_view field) {
  status.SetPayload(kFieldUrl, absl::Cord(field));
  return status;
}

std::string FieldOf(const absl::Status& status) { return Payload(status, kFieldUrl); }

}  // namespace mailstead
