#include "mailctl/commands/postmaster.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/client.h"

namespace mailstead::ctl {
namespace {

using Step = v1::ResolutionStep;

// Addresses that are named; a long list is for `mailctl resolve`.
constexpr size_t kShownAddresses = 3;

// The end of the way: accounts that get the mail, now or when they have room again, and other hosts.
bool IsEnd(const Step& step) {
  return step.kind() == Step::KIND_ACCOUNT || step.kind() == Step::KIND_OVER_QUOTA ||
         step.kind() == Step::KIND_REMOTE;
}

bool TakesNothing(const Step& step) {
  return step.kind() == Step::KIND_UNKNOWN || step.kind() == Step::KIND_DISABLED;
}

}  // namespace

std::string PostmasterOf(absl::string_view domain) { return absl::StrCat("postmaster@", domain); }

absl::StatusOr<Postmaster> FindPostmaster(Client& store, absl::string_view domain) {
  v1::ResolveAddressRequest request;
  request.set_address(domain.empty() ? "postmaster" : PostmasterOf(domain));
  ASSIGN_OR_RETURN(const v1::ResolveAddressResponse response, store.Call(store::kResolveAddress, request));
  std::vector<std::string> addresses;
  for (const Step& step : response.steps()) {
    if (!IsEnd(step)) continue;
    addresses.push_back(step.kind() == Step::KIND_OVER_QUOTA ? absl::StrCat(step.address(), " (full)")
                                                             : step.address());
  }
  Postmaster postmaster;
  postmaster.by_default = response.steps().empty() || TakesNothing(response.steps(0)) || addresses.empty();
  if (addresses.size() > kShownAddresses) {
    const size_t further = addresses.size() - kShownAddresses;
    addresses.resize(kShownAddresses);
    addresses.push_back(absl::StrCat("and ", further, " more"));
  }
  postmaster.text = addresses.empty() ? "nobody" : absl::StrJoin(addresses, ", ");
  if (postmaster.by_default && !addresses.empty()) absl::StrAppend(&postmaster.text, ", by default");
  return postmaster;
}

}  // namespace mailstead::ctl
