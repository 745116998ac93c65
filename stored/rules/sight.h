// What a caller sees of the directory: everything, or some accounts and domains. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/store/ids.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

struct Sight {
  bool all = false;
  // Sorted, each once. An account is seen by its id, whatever its address is now.
  std::vector<AccountId> accounts;
  // As the engine compares them; sorted, each once.
  std::vector<std::string> domains;

  // `domain` as the engine compares it.
  bool SeesDomain(absl::string_view domain) const;
  bool SeesAccount(const engine::Account& account) const;
  bool operator==(const Sight&) const = default;
};

// That of who sees everything.
const Sight& WholeSight();

}  // namespace mailstead::rules
