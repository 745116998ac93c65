#include "mailctl/exit_code.h"

#include <string>

#include "common/base/reason.h"

namespace mailstead::ctl {
namespace {

constexpr absl::string_view kReasonUsage = "USAGE";
constexpr absl::string_view kReasonReaderGone = "READER_GONE";

}  // namespace

absl::Status UsageError(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), kReasonUsage);
}

bool IsUsageError(const absl::Status& status) { return ReasonOf(status) == kReasonUsage; }

absl::Status ReaderGoneError() {
  return WithReason(absl::CancelledError("nobody reads standard output"), kReasonReaderGone);
}

bool IsReaderGone(const absl::Status& status) { return ReasonOf(status) == kReasonReaderGone; }

ExitCode ExitCodeOf(const absl::Status& status) {
  if (IsUsageError(status)) return ExitCode::kUsage;
  if (IsReaderGone(status)) return ExitCode::kReaderGone;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kAlreadyExists:
      return ExitCode::kAlreadyExists;
    case absl::StatusCode::kResourceExhausted: {
      // A message over the size limit or over a mailbox's whole quota stays over it, and routes and keys do not go by themselves; a full
      // disk or mailbox may have room later.
      const std::string reason = ReasonOf(status);
      const bool permanent = reason == kReasonTooLarge || reason == kReasonQuotaTooSmall ||
                             reason == kReasonTooManyMailboxes || reason == kReasonTooManyRoutes ||
                             reason == kReasonTooManyDkimKeys || reason == kReasonTooManyKeys ||
                             reason == kReasonTooManyWebhooks;
      return permanent ? ExitCode::kRefused : ExitCode::kTemporary;
    }
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return ExitCode::kTemporary;
    default:
      return ExitCode::kRefused;
  }
}

}  // namespace mailstead::ctl
