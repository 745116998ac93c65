#include "stored/rules/route.h"

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

namespace mailstead::rules {

std::string RouteName(const engine::RouteKey& key) {
  return key.sender_domain.empty() ? key.destination
                                   : absl::StrCat(key.destination, " for mail from ", key.sender_domain);
}

absl::Status CheckRoomForRoute(size_t count) {
  if (count < engine::kMaxRoutes) return absl::OkStatus();
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("there are ", count, " routes already")),
                    kReasonTooManyRoutes);
}

absl::Status NoRoute(const engine::RouteKey& key) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no route ", RouteName(key))),
                    kReasonRouteNotFound);
}

}  // namespace mailstead::rules
