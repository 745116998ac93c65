// The facets of Engine on RocksDB; one .cc for each, named as in every engine, and beside them message_reader, verify.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "stored/engine/audit.h"
#include "stored/engine/change.h"
#include "stored/engine/engine.h"
#include "stored/engine/key.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/expiry.h"
#include "stored/engine/rocksdb/health.h"
#include "stored/engine/rocksdb/known_addresses.h"
#include "stored/engine/rocksdb/lease_table.h"
#include "stored/engine/rocksdb/readers.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/engine/sending.h"
#include "stored/engine/srs.h"
#include "stored/engine/submission.h"
#include "stored/engine/webhook.h"
#include "stored/rules/lock.h"

namespace mailstead::engine {

// What the facets share.
class RocksDbShared {
 public:
  explicit RocksDbShared(RocksDbOptions options);
  // Blocks. Once.
  absl::Status Open();
  // Nothing is written any more. The readers end what they have.
  void Close();

  // Of a store that an earlier program has written, once, before anything is asked of it. Blocks.
  absl::Status MarkUnfinishedMessages();

  const RocksDbOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }
  Health& health() { return health_; }
  LeaseTable& leases() { return leases_; }
  Database& database() { return *database_; }
  Writer& writer() { return *writer_; }
  Readers& readers() { return *readers_; }
  // For what takes long.
  Readers& background() { return *background_; }
  // For backups: a thread of their own, which nothing else waits for.
  Readers& backup_thread() { return *backup_thread_; }
  // The machine's files, or a test's. The database has them by way of LogFileSystem, which takes every log to be its own.
  rocksdb::Env& files() const { return *options_.env; }
  // Versions of listings begin with it: another one for each opening, as what was written since may be lost when a backup
  // is put in the folder's place.
  const std::string& listing_counter() const { return listing_counter_; }

  // Something is deleted and to be taken away: wakes the thread that does it.
  void NoteReclaim();
  // Waits for NoteReclaim, unless there was one since the last time, as there is at the start. False: StopLongWork.
  bool AwaitReclaim();
  // What takes long ends after its present step, and is not begun any more.
  void StopLongWork();
  bool long_work_stopped();
  // Between two steps of long work, so that they take a small part of the machine. False: StopLongWork.
  bool Rest(absl::Duration time);

  // Until nothing of the mailbox is deleted that has not been taken away. Unavailable: it takes too long.
  Task<absl::Status> AwaitReclaimed(AccountId account);

  // What `read` finds, on a reader's thread: a function of (const Database::Use&) that gives an absl::StatusOr.
  template <typename Read>
  Task<std::invoke_result_t<Read&, const Database::Use&>> OnDisk(Read read) {
    using Result = std::invoke_result_t<Read&, const Database::Use&>;
    if (!co_await readers().Enter()) co_return Result(Readers::TooMany());
    std::optional<Result> result;
    {
      const Database::Use use(database());
      absl::Status status = use.status();
      if (status.ok()) {
        result.emplace(read(use));
      } else {
        result.emplace(std::move(status));
      }
    }
    co_await readers().Leave();
    co_return *std::move(result);
  }

  // The same for a few records that are likely in memory: at once, without a change of threads, when they are. `read` may
  // be called twice, and answers from what it was given only.
  template <typename Read>
  Task<std::invoke_result_t<Read&, const Database::Use&>> InMemoryFirst(Read read) {
    {
      const Database::Use use(database(), Database::Tier::kMemory);
      if (use.status().ok()) {
        auto result = read(use);
        if (!use.missed()) co_return result;
      }
    }
    co_return co_await OnDisk(std::move(read));
  }

 private:
  const RocksDbOptions options_;
  const SteadyClock steady_clock_;
  const Clock& clock_;
  const Clock& lease_clock_;
  const std::unique_ptr<rocksdb::Env> env_;
  class Health health_;
  LeaseTable leases_;
  const std::string listing_counter_;
  absl::Mutex reclaim_mutex_;
  bool has_work_ ABSL_GUARDED_BY(reclaim_mutex_) = true;
  bool long_work_stopped_ ABSL_GUARDED_BY(reclaim_mutex_) = false;

  // In this order: what is below uses what is above.
  std::unique_ptr<Database> database_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<Readers> background_;
  std::unique_ptr<Readers> backup_thread_;
  std::unique_ptr<Writer> writer_;
};

// What long work says after StopLongWork: Cancelled.
absl::Status Stopped();

// What lies between two keys of a family, in order: calls `visit` until it gives false. `end` empty: up to the last.
absl::Status Scan(
    const Database::Use& use, Family family, absl::string_view first, absl::string_view end,
    absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)> visit,
    ScanSize size = ScanSize::kUsual);

// The lock of a mailbox as it stands.
absl::StatusOr<rules::LockState> FindLockState(const Source& source, const LeaseTable& leases,
                                               AccountId account);

class RocksDbDirectory final : public DirectoryEngine {
 public:
  explicit RocksDbDirectory(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<Place>>> LookUp(std::vector<std::string> addresses) override;
  Task<absl::StatusOr<Account>> FindAccount(AccountId id) override;
  Task<absl::StatusOr<std::vector<Domain>>> ListDomains(std::string after, size_t limit) override;
  Task<absl::StatusOr<std::vector<Account>>> ListAccounts(std::string domain, std::string after,
                                                          size_t limit) override;
  Task<absl::StatusOr<std::vector<Alias>>> ListAliases(std::string domain, std::string after,
                                                       size_t limit) override;
  Task<std::vector<absl::StatusOr<DirectoryEntry>>> Create(std::vector<DirectoryEntry> entries) override;
  Task<absl::StatusOr<DirectoryEntry>> Update(DirectoryChange change) override;
  Task<absl::Status> Delete(DirectoryKey key, int64_t expected_version) override;
  Task<absl::StatusOr<absl::Duration>> LeastRetention() override;
  int64_t Version() const override { return shared_.database().directory_version(); }

 private:
  RocksDbShared& shared_;
};

class RocksDbMessages final : public MessageEngine {
 public:
  explicit RocksDbMessages(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::unique_ptr<BodyWriter>>> NewBody() override;
  Task<absl::StatusOr<Receipt>> Append(NewMessage message, Content content,
                                       std::vector<NewNotice> notices) override;
  Task<absl::StatusOr<Settlement>> Settle(std::string delivery_scope, std::string delivery_id) override;
  Task<absl::StatusOr<std::vector<MessageSummary>>> List(AccountId account, MessageId after,
                                                         size_t limit) override;
  Task<absl::StatusOr<MessageSummary>> Find(AccountId account, MessageId message) override;
  Task<absl::StatusOr<FoundMessages>> Search(AccountId account, MessageSearch search) override;
  Task<absl::StatusOr<std::unique_ptr<MessageReader>>> Open(AccountId account, MessageId message) override;
  Task<absl::StatusOr<DeletedMessages>> Delete(AccountId account, std::vector<MessageId> messages) override;
  Task<absl::StatusOr<RestoredMessages>> Restore(AccountId account, std::vector<MessageId> messages) override;
  Task<absl::StatusOr<UpkeepStep>> Expire() override;
  Task<absl::StatusOr<UpkeepStep>> EmptyTrash() override;

 private:
  RocksDbShared& shared_;
  absl::Mutex expiry_mutex_;
  // Where Expire goes on.
  ExpiryPlace expired_ ABSL_GUARDED_BY(expiry_mutex_);
  absl::Mutex trash_mutex_;
  // Where EmptyTrash goes on; empty: at the first domain.
  std::string emptied_ ABSL_GUARDED_BY(trash_mutex_);
};

class RocksDbMaildrops final : public MaildropEngine {
 public:
  explicit RocksDbMaildrops(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<OpenedMaildrop>> Open(OpenRequest request) override;
  Task<absl::StatusOr<std::vector<MaildropEntry>>> List(AccountId account, std::string session_id,
                                                        MessageId after, MessageId last,
                                                        size_t limit) override;
  Task<absl::StatusOr<CommittedMaildrop>> Commit(CommitRequest request) override;
  Task<absl::Status> Release(AccountId account, std::string session_id) override;
  Task<absl::StatusOr<LockInfo>> FindLock(AccountId account) override;
  Task<absl::StatusOr<std::vector<LockInfo>>> ListLocks(AccountId after, size_t limit) override;
  Task<absl::StatusOr<LockInfo>> End(AccountId account, std::string session_id) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbLeases final : public LeaseEngine {
 public:
  explicit RocksDbLeases(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::Status> Renew(std::string lease_id, std::string holder, absl::Duration ttl) override;
  Task<absl::Status> End(std::string lease_id) override;
  bool IsLive(absl::string_view lease_id) const override {
    return shared_.leases().LiveNumber(lease_id) != 0;
  }
  std::string HolderOf(absl::string_view lease_id) const override {
    return shared_.leases().HolderOf(lease_id);
  }

  // For upkeep; these block.
  absl::Status Load();
  absl::Status Forget();

 private:
  RocksDbShared& shared_;
};

class RocksDbQueue final : public QueueEngine {
 public:
  explicit RocksDbQueue(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<QueueAttempt>>> Lease(QueueLeaseRequest request) override;
  Task<absl::StatusOr<QueueChange>> Report(QueueReport report, std::vector<NewNotice> notices) override;
  Task<absl::StatusOr<QueueChange>> Decide(QueueDecision decision, std::vector<NewNotice> notices) override;
  Task<absl::StatusOr<size_t>> TakeBack(size_t limit) override;
  Task<absl::StatusOr<std::vector<DeliveredHere>>> DeliverHere(size_t limit) override;
  Task<absl::StatusOr<std::vector<QueuedMessage>>> Due(size_t limit, size_t recipient_limit) override;
  Task<absl::StatusOr<QueuedMessage>> Find(QueueId message, int32_t first, size_t recipient_limit) override;
  Task<absl::StatusOr<std::vector<QueuedMessage>>> List(QueueId after, size_t limit,
                                                        size_t recipient_limit) override;
  Task<absl::StatusOr<std::vector<QueueDestination>>> ListDestinations(std::string after,
                                                                       size_t limit) override;
  Task<absl::StatusOr<std::unique_ptr<MessageReader>>> Open(QueueId message) override;
  Task<absl::StatusOr<QueueStatus>> Status() override;
  int64_t Version() const override { return shared_.database().queue_version(); }

 private:
  RocksDbShared& shared_;
};

class RocksDbRoutes final : public RouteEngine {
 public:
  explicit RocksDbRoutes(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<Route>>> List() override;
  Task<absl::StatusOr<Route>> Set(Route route, int64_t expected_version) override;
  Task<absl::Status> Delete(RouteKey key, int64_t expected_version) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbTlsReports final : public TlsReportEngine {
 public:
  explicit RocksDbTlsReports(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::Status> Count(std::vector<TlsReport> counts) override;
  Task<absl::StatusOr<std::vector<TlsReport>>> Lease(absl::Time now, size_t limit) override;
  Task<absl::StatusOr<TlsReport>> Find(TlsReportKey key, int64_t lease) override;
  Task<absl::Status> Finish(TlsReportKey key, int64_t lease) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbWebhooks final : public WebhookEngine {
 public:
  explicit RocksDbWebhooks(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<KeptWebhook>>> List() override;
  Task<absl::StatusOr<KeptWebhook>> Find(std::string id) override;
  Task<absl::Status> Create(KeptWebhook webhook) override;
  Task<absl::StatusOr<KeptWebhook>> Update(WebhookUpdate update) override;
  Task<absl::StatusOr<KeptWebhook>> Reset(std::string id, int64_t expected_version, ChangeCursor cursor,
                                          std::string incarnation) override;
  Task<absl::StatusOr<bool>> Delete(std::string id, int64_t expected_version) override;
  Task<absl::StatusOr<KeptWebhook>> Claim(std::string id, std::string lease_id) override;
  Task<absl::StatusOr<WebhookReported>> Report(WebhookReport report, absl::Time now) override;
  Task<absl::StatusOr<std::vector<WebhookLane>>> ListLanes(std::string id, AccountId after,
                                                           size_t limit) override;
  Task<absl::StatusOr<std::vector<WebhookEvent>>> ListWaiting(std::string id, AccountId account,
                                                              size_t limit) override;
  Task<absl::StatusOr<std::vector<WebhookEvent>>> ListDead(std::string id, ChangeCursor after,
                                                           size_t limit) override;
  Task<absl::StatusOr<int64_t>> Revive(std::string id, std::vector<ChangeCursor> dead,
                                       absl::Time now) override;
  Task<absl::Status> Add(std::string id, WebhookEvent test) override;

 private:
  // Reads the webhook, and keeps what `change` makes of it and of the batch; false: nothing has changed.
  template <typename Change>
  Task<absl::StatusOr<KeptWebhook>> Move(std::string id, Change change);

  RocksDbShared& shared_;
};

class RocksDbSrs final : public SrsEngine {
 public:
  explicit RocksDbSrs(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<SrsSecret>>> ListSecrets() override;
  Task<absl::Status> SetSecrets(std::vector<SrsSecret> secrets, int64_t newest) override;
  Task<absl::Status> KeepSender(SrsSender sender) override;
  Task<absl::StatusOr<SrsSender>> FindSender(int64_t day, std::string name) override;
  Task<absl::StatusOr<size_t>> ForgetSenders(int64_t day, size_t limit) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbKeys final : public KeyEngine {
 public:
  explicit RocksDbKeys(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<Key>>> List(std::string after, size_t limit) override;
  Task<absl::StatusOr<std::vector<KeyUse>>> ListUses(std::string after, size_t limit) override;
  Task<absl::Status> Put(Key key) override;
  Task<absl::Status> Delete(std::string id) override;
  Task<absl::Status> NoteUses(std::vector<KeyUse> uses) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbAudit final : public AuditEngine {
 public:
  explicit RocksDbAudit(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::Status> Append(std::vector<AuditEntry> entries) override;
  Task<absl::StatusOr<std::vector<AuditEntry>>> List(AuditKind kind, int64_t before, size_t limit) override;
  Task<absl::StatusOr<size_t>> Forget(AuditKind kind, absl::Time time, int64_t count, size_t limit) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbSts final : public StsEngine {
 public:
  explicit RocksDbSts(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<StsPolicy>> Find(std::string domain) override;
  Task<absl::StatusOr<StsPolicy>> Keep(StsFetch fetch, int64_t limit) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbDkim final : public DkimEngine {
 public:
  explicit RocksDbDkim(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<DkimKey>>> Find(std::string domain) override;
  Task<absl::StatusOr<std::vector<DkimDomain>>> List(std::string after, size_t limit,
                                                     bool only_pending) override;
  Task<absl::Status> Create(std::string domain, DkimKey key) override;
  Task<absl::Status> Activate(std::string domain, std::string selector, int64_t expected_version,
                              absl::Time time) override;
  Task<absl::Status> Delete(std::string domain, std::string selector, int64_t expected_version,
                            bool even_active) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbSending final : public SendingEngine {
 public:
  explicit RocksDbSending(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<Sending>> Find(AccountId account) override;
  Task<absl::Status> SetSettings(AccountId account, SendingSettings settings) override;
  Task<absl::Status> KeepUse(AccountId account, SendingUse use) override;
  Task<absl::Status> KeepKnown(AccountId account, std::string known) override;
  Task<absl::Status> Forget(AccountId account) override;

 private:
  RocksDbShared& shared_;
};

class RocksDbChanges final : public ChangeEngine {
 public:
  explicit RocksDbChanges(RocksDbShared& shared) : shared_(shared) {}
  ChangeBounds Bounds() const override;
  Task<absl::StatusOr<ChangePage>> Read(ChangeQuestion question) override;
  Task<absl::StatusOr<bool>> Trim(absl::Duration age, int64_t max_count) override;
  void SetListener(ChangeListener* listener) override;
  Task<absl::Status> CreateConsumer(FeedConsumer consumer) override;
  Task<absl::StatusOr<FeedConsumer>> FindConsumer(std::string name) override;
  Task<absl::StatusOr<std::vector<FeedConsumer>>> ListConsumers(std::string after, size_t limit) override;
  Task<absl::Status> DeleteConsumer(std::string name) override;
  Task<absl::StatusOr<FeedConsumer>> ActivateConsumer(std::string name) override;
  Task<absl::Status> AckConsumer(std::string name, int64_t fence, ChangeCursor cursor,
                                 absl::Time now) override;
  Task<absl::StatusOr<FeedConsumer>> ResetConsumer(std::string name, ChangeCursor cursor,
                                                   std::string incarnation) override;

 private:
  template <typename Change>
  Task<absl::StatusOr<FeedConsumer>> Move(std::string name, Change change);

  RocksDbShared& shared_;
  KnownAddresses known_addresses_;
};

class RocksDbSubmissions final : public SubmissionEngine {
 public:
  explicit RocksDbSubmissions(RocksDbShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<Submission>> Find(std::string id) override;
  Task<absl::StatusOr<std::vector<Submission>>> List(AccountId account, SubmissionPlace after,
                                                     size_t limit) override;
  Task<absl::StatusOr<size_t>> NoteReport(SubmissionReport report) override;
  Task<absl::StatusOr<size_t>> Forget(absl::Time ended_before, size_t limit) override;

 private:
  RocksDbShared& shared_;
};

// A step of Verify, on a thread that may wait for the disk.
absl::StatusOr<VerifyStep> VerifyNow(Database& database, Readers& readers, AccountId account,
                                     VerifyCursor from);

class RocksDbUpkeep final : public UpkeepEngine {
 public:
  RocksDbUpkeep(RocksDbShared& shared, RocksDbLeases& leases) : shared_(shared), leases_(leases) {}
  ~RocksDbUpkeep() override { End(); }
  absl::Status Health() override { return shared_.health().Get(); }
  Task<absl::StatusOr<EngineStatus>> Status() override;
  std::string Incarnation() const override { return shared_.database().incarnation(); }
  Task<absl::StatusOr<VerifyStep>> Verify(AccountId account, VerifyCursor from) override;
  Task<absl::Status> Sweep(absl::Duration receipt_age) override;
  void Stop() override { shared_.StopLongWork(); }

  // Begins and ends what goes on by itself.
  void Begin();
  void End();

 private:
  // Threads of their own: what must never wait, and what takes long.
  void Maintain();
  void ReclaimAlways();
  void RecoverIfNeeded();
  absl::StatusOr<EngineStatus> Look(const Database::Use& use);
  // These block; Cancelled after Stop.
  absl::Status Reclaim();
  absl::Status ReclaimMailbox(AccountId account);
  absl::Status DropDeletions(AccountId account);
  absl::Status DropTrash(AccountId account);
  absl::Status ReclaimDeletion(AccountId account, int64_t deletion);
  absl::Status ReclaimBodies();
  absl::Status SweepNow(absl::Duration receipt_age);
  absl::Status SweepReceipts(char kind, absl::Time before, std::string& from);
  absl::Status ReclaimBodySpace();

  RocksDbShared& shared_;
  RocksDbLeases& leases_;
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  // One at a time.
  absl::Mutex sweep_mutex_;
  absl::Mutex reclaim_mutex_;
  // Where receipts that are not yet old begin, as of the last sweep; empty: at the first.
  absl::Time swept_before_ ABSL_GUARDED_BY(sweep_mutex_) = absl::InfinitePast();
  std::string swept_receipts_ ABSL_GUARDED_BY(sweep_mutex_);
  std::string swept_old_receipts_ ABSL_GUARDED_BY(sweep_mutex_);
  bool failure_logged_ = false;  // Maintain's, as is the next
  bool waiting_logged_ = false;
  std::thread maintenance_;
  std::thread reclaiming_;
};

}  // namespace mailstead::engine
