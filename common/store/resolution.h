// Where an address leads, as a plain value: for the sessions, which know no StoreApi. Pure.
#pragma once

#include <cstdint>

namespace mailstead::store {

struct Resolution {
  enum class Outcome {
    kAccount,
    kAlias,
    kRemote,
    kUnknown,
    kDisabled,
    kOverQuota,
    kQuotaTooSmall,
    kSrsForged,
    kSrsExpired
  };
  Outcome outcome = Outcome::kUnknown;
  // With kAccount and kAlias.
  int64_t mailbox_count = 0;
};

}  // namespace mailstead::store
