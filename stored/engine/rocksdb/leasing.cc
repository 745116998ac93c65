// Leases of front-ends.
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::store {

absl::Status RocksDbEngine::LoadLeases() {
  const Database::Use use(*database_);
  return Scan(use, nullptr, Family::kLease, "", "",
              [&](absl::string_view lease_id, absl::string_view value) -> absl::StatusOr<bool> {
                LeaseRecord lease;
                RETURN_IF_ERROR(Decode(value, lease));
                leases_.Add(lease_id, lease);
                return true;
              });
}

absl::Status RocksDbEngine::RenewLease(absl::string_view lease_id, absl::string_view holder,
                                       absl::Duration ttl) {
  // Whole microseconds, as they are kept: else a lease read back after a restart would look changed each
  // time.
  ttl = absl::Microseconds(absl::ToInt64Microseconds(ttl));
  if (leases_.Prolong(lease_id, holder, ttl)) return absl::OkStatus();
  LeaseRecord lease{std::string(holder), ttl, 0};
  RETURN_IF_ERROR(writer_->Run(
      [&](Batch& batch) -> absl::Status {
        // With another ttl or holder it is still the same lease, and its locks stay.
        ASSIGN_OR_RETURN(const auto before, FindRecord<LeaseRecord>(batch, Family::kLease, lease_id));
        lease.number = before.has_value() ? before->number : database_->NextId();
        batch.Put(Family::kLease, lease_id, Encode(lease));
        return absl::OkStatus();
      },
      /*sync=*/false));
  leases_.Add(lease_id, lease);
  return absl::OkStatus();
}

absl::Status RocksDbEngine::EndLease(absl::string_view lease_id) {
  uint64_t number = 0;
  RETURN_IF_ERROR(writer_->Run([&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const auto lease, FindRecord<LeaseRecord>(batch, Family::kLease, lease_id));
    if (!lease.has_value()) return absl::OkStatus();
    number = lease->number;
    batch.Delete(Family::kLease, lease_id);
    return absl::OkStatus();
  }));
  // Its locks name its number; without it in the table they are void.
  leases_.Remove(lease_id, number);
  return absl::OkStatus();
}

absl::Status RocksDbEngine::ForgetLeases() {
  for (const auto& [lease_id, number] : leases_.ForgottenLeases()) {
    const std::string& id = lease_id;
    const uint64_t forgotten = number;
    bool removed = false;
    RETURN_IF_ERROR(writer_->Run(
        [&](Batch& batch) -> absl::Status {
          ASSIGN_OR_RETURN(const auto lease, FindRecord<LeaseRecord>(batch, Family::kLease, id));
          // It may have been prolonged since it was found.
          if (leases_.StateOf(id, forgotten) == LeaseTable::State::kLive) return absl::OkStatus();
          if (lease.has_value() && lease->number == forgotten) batch.Delete(Family::kLease, id);
          removed = true;
          return absl::OkStatus();
        },
        /*sync=*/false));
    if (removed) leases_.Remove(id, forgotten);
  }
  return absl::OkStatus();
}

}  // namespace mailstead::store
