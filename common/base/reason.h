// A machine-readable reason and field on an absl::Status; over gRPC google.rpc.ErrorInfo and BadRequest.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead {

// The reasons of the store API. Stable: clients compare them.
inline constexpr absl::string_view kReasonMaildropInUse = "MAILDROP_IN_USE";
inline constexpr absl::string_view kReasonLoginDelay = "LOGIN_DELAY";
inline constexpr absl::string_view kReasonFenced = "FENCED";
inline constexpr absl::string_view kReasonNoLease = "NO_LEASE";
inline constexpr absl::string_view kReasonOverQuota = "OVER_QUOTA";
inline constexpr absl::string_view kReasonDiskFull = "DISK_FULL";
inline constexpr absl::string_view kReasonTooLarge = "TOO_LARGE";

absl::Status WithReason(absl::Status status, absl::string_view reason);
// Empty when there is none.
std::string ReasonOf(const absl::Status& status);

// InvalidArgument that names the request field: "envelope.delivery_id: must have 16 to 64 characters".
absl::Status FieldError(absl::string_view field, absl::string_view description);
absl::Status WithField(absl::Status status, absl::string_view field);
// Empty when there is none.
std::string FieldOf(const absl::Status& status);

}  // namespace mailstead
