// The key of a caller that has one.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/server/method.h"
#include "stored/api/roles.h"
#include "stored/core/keys.h"

namespace mailstead::stored {

struct KeyRecord final : rpc::CallerRecord {
  explicit KeyRecord(Keys::Found found) : shown(std::move(found)) {}
  const Keys::Found shown;
};

// Null: it has none.
inline const Keys::Found* KeyOf(const rpc::Caller& caller) {
  const auto* const record = dynamic_cast<const KeyRecord*>(caller.record.get());
  return record == nullptr ? nullptr : &record->shown;
}

// Of what comes in by the caller; 0: it has none.
inline absl::Duration RetentionOf(const rpc::Caller& caller) {
  const Keys::Found* const key = KeyOf(caller);
  return key == nullptr ? absl::ZeroDuration() : key->key->key.retention;
}

// PermissionDenied with kReasonScopeMissing, and the scope's name as `scope`.
inline absl::Status ScopeMissing(Scope scope) {
  absl::string_view name;
  for (const ScopeName& each : kScopeNames) {
    if (each.scope == scope) name = each.name;
  }
  return WithMetadata(
      WithReason(absl::PermissionDeniedError(absl::StrCat("this key has not the scope ", name)),
                 kReasonScopeMissing),
      "scope", name);
}

}  // namespace mailstead::stored
