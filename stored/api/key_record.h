// The key of a caller that has one.
#pragma once

#include <utility>

#include "common/rpc/server/method.h"
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

}  // namespace mailstead::stored
