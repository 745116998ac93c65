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

absl::StatusOr<std::vector<DkimExpectation>> DkimKeysOf(Client& store, const std::string& domain,
                                                        absl::Time now) {
  v1::ListDkimKeysRequest request;
  request.set_domain(domain);
  ASSIGN_OR_RETURN(const v1::ListDkimKeysResponse response, store.Call(store::kListDkimKeys, request));
  std::vector<DkimExpectation> keys;
  for (const v1::DkimKey& key : response.keys()) {
    const bool retired = key.state() == v1::DkimKey::STATE_RETIRED;
    if (retired && absl::FromUnixSeconds(key.record_end_time().seconds()) <= now) continue;
    keys.push_back({.name = key.record().name(),
                    .value = key.record().value(),
                    .active = key.state() == v1::DkimKey::STATE_ACTIVE,
                    .retired = retired});
  }
  return keys;
}

}  // namespace mailstead::ctl
