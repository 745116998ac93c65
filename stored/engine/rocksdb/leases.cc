// Leases of front-ends: a heartbeat is a change of a table in memory; only what must outlive a restart is written.
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/times.h"

namespace mailstead::engine {

absl::Status RocksDbLeases::Load() {
  const Database::Use use(shared_.database());
  RETURN_IF_ERROR(use.status());
  return Scan(use, Family::kLease, "", "",
              [&](absl::string_view lease_id, absl::string_view value) -> absl::StatusOr<bool> {
                rules::Lease lease;
                RETURN_IF_ERROR(Decode(value, lease));
                shared_.leases().Add(lease_id, lease);
                return true;
              });
}

Task<absl::Status> RocksDbLeases::Renew(std::string lease_id, std::string holder, absl::Duration ttl) {
  // As it is kept: else a lease read back after a restart would look changed each time.
  ttl = rules::Kept(ttl);
  if (shared_.leases().Prolong(lease_id, holder, ttl)) co_return absl::OkStatus();
  rules::Lease lease;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const auto before, FindRecord<rules::Lease>(batch, Family::kLease, lease_id));
    lease = rules::Renewed(before.has_value() ? &*before : nullptr, holder, ttl, shared_.database().NextId());
    batch.Put(Family::kLease, lease_id, Encode(lease));
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/false));
  shared_.leases().Add(lease_id, lease);
  co_return absl::OkStatus();
}

Task<absl::Status> RocksDbLeases::End(std::string lease_id) {
  int64_t number = 0;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const auto lease, FindRecord<rules::Lease>(batch, Family::kLease, lease_id));
    if (!lease.has_value()) return absl::OkStatus();
    number = lease->number;
    batch.Delete(Family::kLease, lease_id);
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  // Its locks name its number; without it in the table they are void.
  shared_.leases().Remove(lease_id, number);
  co_return absl::OkStatus();
}

absl::Status RocksDbLeases::Forget() {
  LeaseTable& leases = shared_.leases();
  for (const auto& [lease_id, number] : leases.ForgottenLeases()) {
    const std::string& id = lease_id;
    const int64_t forgotten = number;
    RETURN_IF_ERROR(shared_.writer().Run(
        [&](Batch& batch) -> absl::Status {
          ASSIGN_OR_RETURN(const auto lease, FindRecord<rules::Lease>(batch, Family::kLease, id));
          // It may have been prolonged since it was found. It leaves the table first, and a heartbeat that comes now makes
          // a new lease, behind this change; should this fail, the same one.
          if (!leases.Forget(id, forgotten)) return absl::OkStatus();
          if (lease.has_value() && lease->number == forgotten) batch.Delete(Family::kLease, id);
          return absl::OkStatus();
        },
        /*sync=*/false));
  }
  return absl::OkStatus();
}

}  // namespace mailstead::engine
