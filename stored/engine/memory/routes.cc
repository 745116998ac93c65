// Ways for mail to other hosts.
#include "absl/strings/str_cat.h"
#include "stored/engine/memory/engine_impl.h"
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

Task<absl::Status> MemoryRoutes::Set(Route route) {
  absl::Status result;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (!state.routes.contains(route.key)) result = rules::CheckRoomForRoute(state.routes.size());
    if (result.ok()) {
      RouteKey key = route.key;
      state.routes.insert_or_assign(std::move(key), std::move(route));
    }
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::Status> MemoryRoutes::Delete(RouteKey key) {
  absl::Status result;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (state.routes.erase(key) == 0) result = rules::NoRoute(key);
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return result;
}

}  // namespace mailstead::engine
