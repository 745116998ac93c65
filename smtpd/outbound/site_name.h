// What the store calls the hosts that take a destination's mail.
#pragma once

#include <string>
#include <vector>

namespace mailstead::smtp::outbound {

// The same for the same hosts, in whatever order and however often they are named: their names, sorted, with commas
// between them. At most store::kMaxSiteBytes, and without '@': of what is longer the first names, and a digest of all.
// SECURITY: no two sets of hosts have one name, or whoever chooses the names of a set could have another's held up with
// it.
std::string SiteName(std::vector<std::string> hosts);

}  // namespace mailstead::smtp::outbound
