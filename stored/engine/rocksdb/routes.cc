// Ways for mail to other hosts.
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/route.h"

namespace mailstead::engine {
namespace {

class SetChange final : public Change {
 public:
  explicit SetChange(const Route& route) : route_(route) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = KeyOfRoute(route_.key);
    std::string bytes;
    ASSIGN_OR_RETURN(const bool replaces, batch.Find(Family::kDirectory, key, bytes));
    if (!replaces) {
      ASSIGN_OR_RETURN(const size_t count,
                       batch.CountPrefix(Family::kDirectory, absl::string_view(&kRouteKind, 1), kMaxRoutes));
      RETURN_IF_ERROR(rules::CheckRoomForRoute(count));
    }
    batch.Put(Family::kDirectory, key, Encode(route_));
    return absl::OkStatus();
  }
  // A new one counts those that are there.
  size_t record_count() const override { return kMaxRoutes; }

 private:
  const Route& route_;
};

}  // namespace

Task<absl::StatusOr<std::vector<Route>>> RocksDbRoutes::List() {
  const auto read = [](const Database::Use& use) -> absl::StatusOr<std::vector<Route>> {
    const std::string prefix(1, kRouteKind);
    std::vector<Route> routes;
    RETURN_IF_ERROR(Scan(use, Family::kDirectory, prefix, PrefixEnd(prefix),
                         [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                           RETURN_IF_ERROR(Decode(value, routes.emplace_back()));
                           return true;
                         }));
    return routes;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::Status> RocksDbRoutes::Set(Route route) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  SetChange change(route);
  co_return co_await shared_.writer().Commit(change);
}

Task<absl::Status> RocksDbRoutes::Delete(RouteKey key) {
  const auto apply = [&key](Batch& batch) -> absl::Status {
    const std::string kept = KeyOfRoute(key);
    std::string bytes;
    ASSIGN_OR_RETURN(const bool there, batch.Find(Family::kDirectory, kept, bytes));
    if (!there) return rules::NoRoute(key);
    batch.Delete(Family::kDirectory, kept);
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

}  // namespace mailstead::engine
