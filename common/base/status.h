// absl::Status at every fallible boundary, without the noise.
//
// Each code has one meaning in Mailstead:
//  temporary: Unavailable (a peer or the store is away), DeadlineExceeded, Aborted (lost a race; try again),
//             ResourceExhausted (disk, quota or a limit is full)
//  permanent: NotFound, AlreadyExists, InvalidArgument, FailedPrecondition, PermissionDenied, Unauthenticated
//  alarm:     DataLoss (temporary to the peer, an alarm to the operator), Internal (our own bug)
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mailstead {

// True where a later try of the same call may succeed.
inline bool IsTemporary(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace mailstead

#define MAILSTEAD_CONCAT_(a, b) a##b
#define MAILSTEAD_CONCAT(a, b) MAILSTEAD_CONCAT_(a, b)

// Returns from the enclosing function (or co_returns, with the CO_ form) when `expr` is not OK.
#define RETURN_IF_ERROR(expr)                               \
  do {                                                      \
    absl::Status mailstead_status = (expr);                 \
    if (!mailstead_status.ok()) return mailstead_status;    \
  } while (false)
#define CO_RETURN_IF_ERROR(expr)                            \
  do {                                                      \
    absl::Status mailstead_status = (expr);                 \
    if (!mailstead_status.ok()) co_return mailstead_status; \
  } while (false)

// ASSIGN_OR_RETURN(auto value, Call()); declares or assigns the value, or returns the error.
#define ASSIGN_OR_RETURN(lhs, expr) \
  MAILSTEAD_ASSIGN_OR_RETURN_(MAILSTEAD_CONCAT(mailstead_statusor_, __LINE__), lhs, expr, return)
#define CO_ASSIGN_OR_RETURN(lhs, expr) \
  MAILSTEAD_ASSIGN_OR_RETURN_(MAILSTEAD_CONCAT(mailstead_statusor_, __LINE__), lhs, expr, co_return)
#define MAILSTEAD_ASSIGN_OR_RETURN_(tmp, lhs, expr, ret) \
  auto tmp = (expr);                                     \
  if (!tmp.ok()) ret std::move(tmp).status();            \
  lhs = *std::move(tmp)
