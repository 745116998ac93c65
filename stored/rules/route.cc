#include "stored/rules/route.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/rules/directory.h"

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

absl::StatusOr<engine::Route> Replaced(const engine::Route* present, int64_t expected, engine::Route route) {
  if (present == nullptr) {
    if (expected != 0) return NoRoute(route.key);
    return route;
  }
  RETURN_IF_ERROR(CheckVersion(expected, present->version()));
  // Two changes within a microsecond, or a clock that was set back.
  route.update_time = std::max(route.update_time, present->update_time + absl::Microseconds(1));
  return route;
}

}  // namespace mailstead::rules
