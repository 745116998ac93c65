#include "stored/rules/sight.h"

#include <algorithm>

#include "stored/rules/directory.h"

namespace mailstead::rules {

bool Sight::SeesDomain(absl::string_view domain) const {
  return all || std::binary_search(domains.begin(), domains.end(), domain,
                                   [](absl::string_view a, absl::string_view b) { return a < b; });
}

bool Sight::SeesAccount(const engine::Account& account) const {
  return all || std::binary_search(accounts.begin(), accounts.end(), account.id) ||
         (!domains.empty() && SeesDomain(Split(account.address).domain));
}

const Sight& WholeSight() {
  static const Sight* const whole = new Sight{.all = true};
  return *whole;
}

}  // namespace mailstead::rules
