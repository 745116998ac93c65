// Ways for mail to other hosts.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/directory.h"
#include "stored/rules/route.h"

namespace mailstead::engine {
namespace {

absl::StatusOr<std::optional<Route>> FindRoute(Batch& batch, const std::string& key) {
  std::string bytes;
  ASSIGN_OR_RETURN(const bool there, batch.Find(Family::kDirectory, key, bytes));
  if (!there) return std::nullopt;
  Route route;
  RETURN_IF_ERROR(Decode(bytes, route));
  return route;
}

class SetChange final : public Change {
 public:
  SetChange(const Route& route, int64_t expected_version)
      : route_(route), expected_version_(expected_version) {}

  absl::Status Apply(Batch& batch) override {
    const std::string key = KeyOfRoute(route_.key);
    ASSIGN_OR_RETURN(const std::optional<Route> present, FindRoute(batch, key));
    if (!present.has_value()) {
      ASSIGN_OR_RETURN(const size_t count,
                       batch.CountPrefix(Family::kDirectory, absl::string_view(&kRouteKind, 1), kMaxRoutes));
      RETURN_IF_ERROR(rules::CheckRoomForRoute(count));
    }
    ASSIGN_OR_RETURN(kept_, rules::Replaced(present ? &*present : nullptr, expected_version_, route_));
    batch.Put(Family::kDirectory, key, Encode(kept_));
    return absl::OkStatus();
  }
  Route TakeKept() { return std::move(kept_); }
  // A new one counts those that are there.
  size_t record_count() const override { return kMaxRoutes; }

 private:
  const Route& route_;
  const int64_t expected_version_;
  Route kept_;
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

Task<absl::StatusOr<Route>> RocksDbRoutes::Set(Route route, int64_t expected_version) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  SetChange change(route, expected_version);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  co_return change.TakeKept();
}

Task<absl::Status> RocksDbRoutes::Delete(RouteKey key, int64_t expected_version) {
  const auto apply = [&key, expected_version](Batch& batch) -> absl::Status {
    const std::string kept = KeyOfRoute(key);
    ASSIGN_OR_RETURN(const std::optional<Route> present, FindRoute(batch, kept));
    if (!present.has_value()) return rules::NoRoute(key);
    RETURN_IF_ERROR(rules::CheckVersion(expected_version, present->version()));
    batch.Delete(Family::kDirectory, kept);
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

}  // namespace mailstead::engine
