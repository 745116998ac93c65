// The verbs of Engine on RocksDB. One .cc for each group of them: directory, delivery, leasing, maildrop,
// reading, verify, upkeep.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/worker_pool.h"
#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/health.h"
#include "stored/engine/rocksdb/leases.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "stored/engine/rocksdb/writer.h"

namespace mailstead::store {

class RocksDbEngine final : public Engine {
 public:
  static absl::StatusOr<std::unique_ptr<RocksDbEngine>> Open(RocksDbOptions options);
  ~RocksDbEngine() override;

  // directory.cc
  absl::Status CreateDomain(const Domain& domain) override;
  absl::StatusOr<Domain> GetDomain(absl::string_view name) override;
  absl::StatusOr<std::vector<Domain>> ListDomains(absl::string_view after, size_t limit) override;
  absl::Status UpdateDomain(const Domain& domain) override;
  absl::Status DeleteDomain(absl::string_view name) override;
  // accounts.cc
  std::vector<absl::StatusOr<Account>> CreateAccounts(const std::vector<Account>& accounts) override;
  absl::StatusOr<Account> GetAccount(absl::string_view address) override;
  absl::StatusOr<Account> GetAccountByMailbox(MailboxId mailbox) override;
  absl::StatusOr<std::vector<Account>> ListAccounts(absl::string_view domain, absl::string_view after,
                                                    size_t limit) override;
  absl::StatusOr<Account> UpdateAccount(const AccountChange& change) override;
  absl::Status DeleteAccount(absl::string_view address) override;
  // directory.cc
  absl::Status CreateAlias(const Alias& alias) override;
  absl::StatusOr<Alias> GetAlias(absl::string_view address) override;
  absl::StatusOr<std::vector<Alias>> ListAliases(absl::string_view domain, absl::string_view after,
                                                 size_t limit) override;
  absl::Status UpdateAlias(const Alias& alias) override;
  absl::Status DeleteAlias(absl::string_view address) override;
  uint64_t DirectoryVersion() const override { return database_->directory_version(); }

  // delivery.cc
  absl::StatusOr<std::unique_ptr<BodyWriter>> NewBody() override;
  void AppendDelivery(Delivery delivery, std::unique_ptr<BodyWriter> body, std::string sha256,
                      Done<Receipt> done) override;
  void AppendDelivery(Delivery delivery, std::string content, std::string sha256,
                      Done<Receipt> done) override;

  // leasing.cc
  absl::Status RenewLease(absl::string_view lease_id, absl::string_view holder, absl::Duration ttl) override;
  absl::Status EndLease(absl::string_view lease_id) override;
  // maildrop.cc
  void OpenMaildrop(MailboxId mailbox, absl::string_view lease_id, absl::Duration min_interval,
                    Done<Maildrop> done) override;
  void CommitMaildrop(MailboxId mailbox, LeaseToken token, std::vector<MessageId> deletions,
                      DoneStatus done) override;
  void ReleaseMaildrop(MailboxId mailbox, LeaseToken token, DoneStatus done) override;
  absl::StatusOr<uint64_t> DeleteMessages(MailboxId mailbox, const std::vector<MessageId>& messages) override;

  // reading.cc
  absl::StatusOr<MailboxUsage> GetUsage(MailboxId mailbox) override;
  absl::StatusOr<std::vector<MessageSummary>> ListMessages(MailboxId mailbox, MessageId after,
                                                           size_t limit) override;
  absl::StatusOr<std::unique_ptr<MessageReader>> OpenMessage(MailboxId mailbox, MessageId message) override;
  absl::StatusOr<EngineStatus> Status() override;
  // verify.cc
  absl::StatusOr<uint64_t> Verify(
      MailboxId mailbox, absl::FunctionRef<void(MailboxId, MessageId, const absl::Status&)> damaged) override;

  // upkeep.cc
  absl::Status Health() override;
  absl::Status Sweep(absl::Duration receipt_age) override;

 private:
  friend class OpenChange;

  explicit RocksDbEngine(RocksDbOptions options);

  // leasing.cc
  absl::Status LoadLeases();
  absl::Status ForgetLeases();

  // maildrop.cc: the listing goes on after the lock has been written.
  void ListMaildrop(MailboxId mailbox, LeaseToken token, uint64_t message_count, Done<Maildrop> done);

  // upkeep.cc
  void Maintain();
  void RecoverIfNeeded();
  absl::Status ReclaimDoomedMailboxes();
  absl::Status ReclaimMailbox(MailboxId mailbox);
  absl::Status SweepReceipts(absl::Duration receipt_age);
  absl::Status ReclaimBodySpace();
  bool stopping();

  const RocksDbOptions options_;
  const SteadyClock steady_clock_;
  const Clock& clock_;
  const Clock& lease_clock_;
  const std::unique_ptr<rocksdb::Env> env_;
  class Health health_;
  LeaseTable leases_;

  // In this order: what is below uses what is above.
  std::unique_ptr<Database> database_;
  std::unique_ptr<WorkerPool> listers_;
  std::unique_ptr<Writer> writer_;

  absl::Mutex upkeep_mutex_;
  bool stopping_ ABSL_GUARDED_BY(upkeep_mutex_) = false;
  bool has_doomed_ ABSL_GUARDED_BY(upkeep_mutex_) = true;  // after a start: look
  // One Sweep at a time.
  absl::Mutex sweep_mutex_;
  bool failure_logged_ = false;  // the upkeep thread's
  std::thread upkeep_thread_;
};

// What lies between two keys of a family, in order: calls `visit` until it gives false. `snapshot` may be
// null.
absl::Status Scan(
    const Database::Use& use, const rocksdb::Snapshot* snapshot, Family family, absl::string_view first,
    absl::string_view end,
    absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)> visit);

// Whether a front-end that lives holds the maildrop.
absl::StatusOr<bool> IsLocked(const Source& source, const LeaseTable& leases, MailboxId mailbox);

// Deletes what exists of `messages` and counts it off `record`, which the caller writes. How many there were.
absl::StatusOr<uint64_t> DeleteEntries(Batch& batch, MailboxId mailbox, MailboxRecord& record,
                                       const std::vector<MessageId>& messages);

}  // namespace mailstead::store
