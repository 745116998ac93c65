// Where an address leads, as a plain value: for the sessions, which know no StoreApi. Pure.
#pragma once

#include <vector>

#include "common/store/ids.h"

namespace mailstead::store {

struct Resolution {
  enum class Outcome { kAccount, kAlias, kRemote, kUnknown, kDisabled, kOverQuota };
  Outcome outcome = Outcome::kUnknown;
  // With kAccount and kAlias, each once.
  std::vector<AccountId> accounts;
};

}  // namespace mailstead::store
