#include "mailctl/dns_check/expectation.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "mailctl/client.h"

namespace mailstead::ctl {

absl::StatusOr<std::vector<std::string>> RelayHosts(Client& store) {
  ASSIGN_OR_RETURN(const v1::GetStatusResponse status, store.Call(store::kGetStatus, v1::GetStatusRequest()));
  std::set<std::string> names;
  for (const v1::Lease& lease : status.leases()) {
    // "relay mx.example.test 4711".
    const std::vector<std::string> words = absl::StrSplit(lease.holder(), ' ');
    if (words.size() < 2 || words[0] != "relay") continue;
    const absl::StatusOr<std::string> name = NormalizeDomain(words[1]);
    if (name.ok() && absl::StrContains(*name, '.')) names.insert(*name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::vector<DkimExpectation>> DkimKeysOf(Client&, const std::string&) {
  // The store has no keys: they are asked for here as soon as it has.
  return std::vector<DkimExpectation>();
}

}  // namespace mailstead::ctl
