// What the store knows of what the DNS should say.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mailctl/dns_check/domain_check.h"

namespace mailstead::ctl {

class Client;

// Names by which relays of this store say EHLO: those that are connected now, in alphabetical order.
absl::StatusOr<std::vector<std::string>> RelayHosts(Client& store);

// The records of the domain's keys that mail is signed with, will be, or was so lately that it may be on its way.
absl::StatusOr<std::vector<DkimExpectation>> DkimKeysOf(Client& store, const std::string& domain, absl::Time now);

}  // namespace mailstead::ctl
