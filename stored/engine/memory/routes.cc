// Ways for mail to other hosts.
#include <map>
#include <utility>

#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/directory.h"
#include "stored/rules/route.h"

namespace mailstead::engine {

Task<absl::StatusOr<std::vector<Route>>> MemoryRoutes::List() {
  std::vector<Route> routes;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (const auto& [key, route] : state.routes) routes.push_back(route);
  }
  co_await shared_.End();
  co_return routes;
}

namespace {

absl::StatusOr<Route> SetIn(std::map<RouteKey, Route>& routes, Route route, int64_t expected_version) {
  const auto present = routes.find(route.key);
  const bool replaces = present != routes.end();
  if (!replaces) RETURN_IF_ERROR(rules::CheckRoomForRoute(routes.size()));
  ASSIGN_OR_RETURN(
      route, rules::Replaced(replaces ? &present->second : nullptr, expected_version, std::move(route)));
  routes.insert_or_assign(route.key, route);
  return route;
}

absl::Status DeleteFrom(std::map<RouteKey, Route>& routes, const RouteKey& key, int64_t expected_version) {
  const auto present = routes.find(key);
  if (present == routes.end()) return rules::NoRoute(key);
  RETURN_IF_ERROR(rules::CheckVersion(expected_version, present->second.version()));
  routes.erase(present);
  return absl::OkStatus();
}

}  // namespace

Task<absl::StatusOr<Route>> MemoryRoutes::Set(Route route, int64_t expected_version) {
  absl::StatusOr<Route> result;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    result = SetIn(state.routes, std::move(route), expected_version);
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::Status> MemoryRoutes::Delete(RouteKey key, int64_t expected_version) {
  absl::Status result;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    result = DeleteFrom(state.routes, key, expected_version);
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return result;
}

}  // namespace mailstead::engine
