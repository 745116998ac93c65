// The facets of the reference model; one .cc for each, named as in every engine.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "stored/engine/audit.h"
#include "stored/engine/change.h"
#include "stored/engine/engine.h"
#include "stored/engine/key.h"
#include "stored/engine/memory/memory_engine.h"
#include "stored/engine/sending.h"
#include "stored/engine/srs.h"
#include "stored/engine/submission.h"
#include "stored/engine/webhook.h"
#include "stored/rules/destination.h"
#include "stored/rules/directory.h"
#include "stored/rules/lease.h"
#include "stored/rules/lock.h"
#include "stored/rules/mailbox.h"
#include "stored/rules/new_message.h"
#include "stored/rules/queue.h"
#include "stored/rules/receipt.h"
#include "stored/rules/trash.h"

namespace mailstead::engine {

struct KeptBody {
  std::string content;
  std::string trace;
};

struct KeptMessage {
  rules::Entry entry;
  std::shared_ptr<const KeptBody> body;
};

// A message in the trash.
struct KeptDeleted {
  KeptMessage message;
  rules::Deletion deletion;
};

// An account with its mailbox.
struct KeptAccount {
  Account account;
  rules::Mailbox mailbox;
  std::optional<rules::Lock> lock;
  std::map<MessageId, KeptMessage> messages;
  std::map<MessageId, KeptDeleted> trash;
  // What each of the deleting commits removed, the newest at the back; absent of one that brought messages back.
  std::deque<std::optional<std::vector<MessageId>>> removals;
};

// A message in the queue. Its body is that of the mailboxes' copies.
struct KeptQueued {
  rules::QueueEntry entry;
  std::shared_ptr<const KeptBody> body;
  std::map<int32_t, rules::QueueRecipient> recipients;
  // What the mailboxes keep of it for which it waits, by the recipient.
  std::map<int32_t, rules::Entry> copies;
};

// An attempt in flight.
struct KeptAttempt {
  std::string lease_id;
  int64_t lease_number = 0;
  QueueId message;
  std::string destination;
  // Under which it began.
  std::string site;
  std::vector<int32_t> recipients;
};

// The queue for other hosts.
struct KeptQueue {
  std::map<QueueId, KeptQueued> messages;
  std::map<std::string, rules::Destination> destinations;
  std::map<std::string, rules::Site> sites;
  std::map<QueueGrant, KeptAttempt> attempts;
  int64_t next_message = 1;
  int64_t next_grant = 1;
};

// A submission, and what has become of what it has in the queue.
struct KeptSubmission {
  Submission submission;
  std::map<int32_t, SubmissionOutcome> outcomes;
  // InfiniteFuture: it has something in the queue.
  absl::Time end_time = absl::InfiniteFuture();
};

struct ReceiptAt {
  rules::KeptReceipt receipt;
  absl::Time time;
};

// The change feed.
struct KeptFeed {
  // Of the first of `changes`.
  int64_t first = 1;
  // Deletions are whole, however large; summaries and present addresses are not here.
  std::deque<FeedChange> changes;
  // By accounts that are gone: the address, and the position of the change that says so.
  std::map<AccountId, std::pair<std::string, int64_t>> gone;
  std::map<std::string, FeedConsumer> consumers;

  int64_t last() const { return first + static_cast<int64_t>(changes.size()) - 1; }
};

struct KeptHook {
  KeptWebhook kept;
  std::map<std::pair<AccountId, ChangeCursor>, WebhookEvent> waiting;
  std::map<ChangeCursor, WebhookEvent> dead;
};

struct MemoryStore::State {
  mutable absl::Mutex mutex;
  const std::string incarnation;
  std::map<std::string, Domain> domains ABSL_GUARDED_BY(mutex);
  std::map<AccountId, KeptAccount> accounts ABSL_GUARDED_BY(mutex);
  std::map<rules::AddressParts, AccountId> account_ids ABSL_GUARDED_BY(mutex);
  std::map<rules::AddressParts, Alias> aliases ABSL_GUARDED_BY(mutex);
  std::map<RouteKey, Route> routes ABSL_GUARDED_BY(mutex);
  std::map<TlsReportKey, TlsReport> tls_reports ABSL_GUARDED_BY(mutex);
  // By domain.
  std::map<std::string, StsPolicy> sts_policies ABSL_GUARDED_BY(mutex);
  // By their domain; never empty.
  std::map<std::string, std::vector<DkimKey>> dkim_keys ABSL_GUARDED_BY(mutex);
  std::map<AccountId, Sending> sending ABSL_GUARDED_BY(mutex);
  std::map<int64_t, SrsSecret> srs_secrets ABSL_GUARDED_BY(mutex);
  // By day and name.
  std::map<std::pair<int64_t, std::string>, std::string> srs_senders ABSL_GUARDED_BY(mutex);
  // By id.
  std::map<std::string, KeptSubmission> submissions ABSL_GUARDED_BY(mutex);
  // By id.
  std::map<std::string, KeptHook> webhooks ABSL_GUARDED_BY(mutex);
  std::map<std::string, Key> keys ABSL_GUARDED_BY(mutex);
  std::map<std::string, KeyUse> key_uses ABSL_GUARDED_BY(mutex);
  // By number; with the number of the newest there ever was.
  std::map<AuditKind, std::map<int64_t, AuditEntry>> audit ABSL_GUARDED_BY(mutex);
  std::map<AuditKind, int64_t> newest_audit ABSL_GUARDED_BY(mutex);
  // By scope and delivery id.
  std::map<std::pair<std::string, std::string>, ReceiptAt> receipts ABSL_GUARDED_BY(mutex);
  std::map<std::string, rules::Lease> leases ABSL_GUARDED_BY(mutex);
  KeptQueue queue ABSL_GUARDED_BY(mutex);
  KeptFeed feed ABSL_GUARDED_BY(mutex);
  int64_t queue_version ABSL_GUARDED_BY(mutex) = 1;
  int64_t next_account ABSL_GUARDED_BY(mutex) = 1;
  // Of mailboxes, leases and lock tokens.
  int64_t next_number ABSL_GUARDED_BY(mutex) = 1;
  int64_t directory_version ABSL_GUARDED_BY(mutex) = 1;
  int64_t staged_body_count ABSL_GUARDED_BY(mutex) = 0;
  int64_t staged_bytes ABSL_GUARDED_BY(mutex) = 0;

  State();
  KeptAccount* Find(AccountId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

// What the facets share.
class MemoryShared {
 public:
  explicit MemoryShared(MemoryOptions options);

  MemoryStore::State& state() { return store_->state(); }
  const std::shared_ptr<MemoryStore>& store() const { return store_; }
  absl::Time Now() const { return clock_.Now(); }
  const std::string& listing_counter() const { return listing_counter_; }
  const rules::QueuePolicy& queue_policy() const { return queue_policy_; }
  double ThrowDice() const { return dice_(); }
  // Adds a change to the feed, and tells the listener. Under the state's mutex.
  void Note(FeedChange change);
  // Under the state's mutex.
  void SetListener(ChangeListener* listener) { listener_ = listener; }

  // The end of every verb: see MemoryOptions::executor.
  class Pause {
   public:
    explicit Pause(Executor* executor) : executor_(executor) {}
    bool await_ready() const noexcept { return executor_ == nullptr; }
    void await_suspend(std::coroutine_handle<> waiting) const { executor_->Resume({&waiting, 1}); }
    void await_resume() const noexcept {}

   private:
    Executor* executor_;
  };
  Pause End() const { return Pause(executor_); }

  // Leases, under the state's mutex. A lease that was forgotten is gone.
  rules::LockState StateOf(const KeptAccount& account);
  int64_t LiveNumber(const std::string& lease_id);
  rules::LeaseState StateOf(const std::string& lease_id, int64_t lease_number);
  void SetDeadline(const std::string& lease_id);
  void ForgetLeases();
  absl::Time LeaseNow() const { return lease_clock_.Now(); }
  absl::Time DeadlineOf(const std::string& lease_id);

 private:
  const std::shared_ptr<MemoryStore> store_;
  const Clock& clock_;
  const Clock& lease_clock_;
  Executor* const executor_;
  // Another one for each opening: versions of listings do not outlive it.
  const std::string listing_counter_;
  const rules::QueuePolicy queue_policy_;
  const std::function<double()> dice_;
  // Under the state's mutex, both.
  ChangeListener* listener_ = nullptr;
  std::map<std::string, absl::Time> deadlines_;
};

// Removes what is there of `messages`, in one commit of the mailbox. How many there were. Under the state's mutex.
int64_t RemoveMessages(MemoryShared& shared, KeptAccount& account, const std::vector<MessageId>& messages,
                       DeletionCause cause);

// A message into its mailboxes and the queue. Under the state's mutex.
absl::StatusOr<Receipt> Store(MemoryShared& shared, const NewMessage& message, std::string content);
// Into the queue alone. `entries`: of the copies that wait. Gives its id there.
QueueId Enqueue(MemoryShared& shared, const NewMessage& message, std::shared_ptr<const KeptBody> body,
                const std::vector<rules::Waiting>& waiting, std::vector<rules::Entry> entries);

std::unique_ptr<MessageReader> NewMemoryReader(MemoryShared& shared, const KeptMessage& message);

class MemoryDirectory final : public DirectoryEngine {
 public:
  explicit MemoryDirectory(MemoryShared& shared) : shared_(shared) {}
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
  int64_t Version() const override;

 private:
  MemoryShared& shared_;
};

class MemoryMessages final : public MessageEngine {
 public:
  explicit MemoryMessages(MemoryShared& shared) : shared_(shared) {}
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
  MemoryShared& shared_;
};

class MemoryMaildrops final : public MaildropEngine {
 public:
  explicit MemoryMaildrops(MemoryShared& shared) : shared_(shared) {}
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
  MemoryShared& shared_;
};

class MemoryLeases final : public LeaseEngine {
 public:
  explicit MemoryLeases(MemoryShared& shared) : shared_(shared) {}
  Task<absl::Status> Renew(std::string lease_id, std::string holder, absl::Duration ttl) override;
  Task<absl::Status> End(std::string lease_id) override;
  bool IsLive(absl::string_view lease_id) const override;
  std::string HolderOf(absl::string_view lease_id) const override;

 private:
  MemoryShared& shared_;
};

class MemoryQueue final : public QueueEngine {
 public:
  explicit MemoryQueue(MemoryShared& shared) : shared_(shared) {}
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
  int64_t Version() const override;

 private:
  MemoryShared& shared_;
};

class MemoryRoutes final : public RouteEngine {
 public:
  explicit MemoryRoutes(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<Route>>> List() override;
  Task<absl::StatusOr<Route>> Set(Route route, int64_t expected_version) override;
  Task<absl::Status> Delete(RouteKey key, int64_t expected_version) override;

 private:
  MemoryShared& shared_;
};

class MemoryTlsReports final : public TlsReportEngine {
 public:
  explicit MemoryTlsReports(MemoryShared& shared) : shared_(shared) {}
  Task<absl::Status> Count(std::vector<TlsReport> counts) override;
  Task<absl::StatusOr<std::vector<TlsReport>>> Lease(absl::Time now, size_t limit) override;
  Task<absl::StatusOr<TlsReport>> Find(TlsReportKey key, int64_t lease) override;
  Task<absl::Status> Finish(TlsReportKey key, int64_t lease) override;

 private:
  MemoryShared& shared_;
};

class MemorySrs final : public SrsEngine {
 public:
  explicit MemorySrs(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<SrsSecret>>> ListSecrets() override;
  Task<absl::Status> SetSecrets(std::vector<SrsSecret> secrets, int64_t newest) override;
  Task<absl::Status> KeepSender(SrsSender sender) override;
  Task<absl::StatusOr<SrsSender>> FindSender(int64_t day, std::string name) override;
  Task<absl::StatusOr<size_t>> ForgetSenders(int64_t day, size_t limit) override;

 private:
  MemoryShared& shared_;
};

class MemoryKeys final : public KeyEngine {
 public:
  explicit MemoryKeys(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<Key>>> List(std::string after, size_t limit) override;
  Task<absl::StatusOr<std::vector<KeyUse>>> ListUses(std::string after, size_t limit) override;
  Task<absl::Status> Put(Key key) override;
  Task<absl::Status> Delete(std::string id) override;
  Task<absl::Status> NoteUses(std::vector<KeyUse> uses) override;

 private:
  MemoryShared& shared_;
};

class MemoryAudit final : public AuditEngine {
 public:
  explicit MemoryAudit(MemoryShared& shared) : shared_(shared) {}
  Task<absl::Status> Append(std::vector<AuditEntry> entries) override;
  Task<absl::StatusOr<std::vector<AuditEntry>>> List(AuditKind kind, int64_t before, size_t limit) override;
  Task<absl::StatusOr<size_t>> Forget(AuditKind kind, absl::Time time, int64_t count, size_t limit) override;

 private:
  MemoryShared& shared_;
};

class MemorySts final : public StsEngine {
 public:
  explicit MemorySts(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<StsPolicy>> Find(std::string domain) override;
  Task<absl::StatusOr<StsPolicy>> Keep(StsFetch fetch, int64_t limit) override;

 private:
  MemoryShared& shared_;
};

class MemorySending final : public SendingEngine {
 public:
  explicit MemorySending(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<Sending>> Find(AccountId account) override;
  Task<absl::Status> SetSettings(AccountId account, SendingSettings settings) override;
  Task<absl::Status> KeepUse(AccountId account, SendingUse use) override;
  Task<absl::Status> KeepKnown(AccountId account, std::string known) override;
  Task<absl::Status> Forget(AccountId account) override;

 private:
  MemoryShared& shared_;
};

class MemoryChanges final : public ChangeEngine {
 public:
  explicit MemoryChanges(MemoryShared& shared) : shared_(shared) {}
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
  MemoryShared& shared_;
};

// Of a recipient that leaves the queue: kept where its message is a submission. Under the state's mutex.
void RecordOutcome(MemoryShared& shared, const rules::QueueEntry& entry, int32_t number,
                   SubmissionOutcome outcome);
// For the change feed. Under the state's mutex.
void NoteNews(MemoryShared& shared, AccountId account, SubmissionNews news);
// The message of a submission has left the queue.
void RecordEnd(MemoryShared& shared, const rules::QueueEntry& entry);
// Makes room for one more of its account. The errors of NewSubmission::most_kept.
absl::Status MakeRoom(MemoryShared& shared, const NewSubmission& submission);

class MemorySubmissions final : public SubmissionEngine {
 public:
  explicit MemorySubmissions(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<Submission>> Find(std::string id) override;
  Task<absl::StatusOr<std::vector<Submission>>> List(AccountId account, SubmissionPlace after,
                                                     size_t limit) override;
  Task<absl::StatusOr<size_t>> NoteReport(SubmissionReport report) override;
  Task<absl::StatusOr<size_t>> Forget(absl::Time ended_before, size_t limit) override;

 private:
  MemoryShared& shared_;
};

class MemoryDkim final : public DkimEngine {
 public:
  explicit MemoryDkim(MemoryShared& shared) : shared_(shared) {}
  Task<absl::StatusOr<std::vector<DkimKey>>> Find(std::string domain) override;
  Task<absl::StatusOr<std::vector<DkimDomain>>> List(std::string after, size_t limit,
                                                     bool only_pending) override;
  Task<absl::Status> Create(std::string domain, DkimKey key) override;
  Task<absl::Status> Activate(std::string domain, std::string selector, int64_t expected_version,
                              absl::Time time) override;
  Task<absl::Status> Delete(std::string domain, std::string selector, int64_t expected_version,
                            bool even_active) override;

 private:
  // `change` is told of the state, under its mutex, and of the domain's keys, which it changes or refuses to.
  template <typename Change>
  absl::Status Apply(const std::string& domain, Change change);

  MemoryShared& shared_;
};

class MemoryWebhooks final : public WebhookEngine {
 public:
  explicit MemoryWebhooks(MemoryShared& shared) : shared_(shared) {}
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
  // What `act` gives of the webhook, under the state's mutex.
  template <typename Act>
  auto With(const std::string& id, Act act) -> std::invoke_result_t<Act&, KeptHook&>;

  MemoryShared& shared_;
};

class MemoryUpkeep final : public UpkeepEngine {
 public:
  explicit MemoryUpkeep(MemoryShared& shared) : shared_(shared) {}
  absl::Status Health() override { return absl::OkStatus(); }
  Task<absl::StatusOr<EngineStatus>> Status() override;
  std::string Incarnation() const override { return shared_.state().incarnation; }
  Task<absl::StatusOr<VerifyStep>> Verify(AccountId account, VerifyCursor from) override;
  Task<absl::Status> Sweep(absl::Duration receipt_age) override;
  void Stop() override { stopped_.store(true); }

 private:
  MemoryShared& shared_;
  std::atomic<bool> stopped_{false};
};

// There is nothing that a copy would outlive.
class MemoryBackups final : public BackupEngine {
 public:
  Task<absl::StatusOr<std::unique_ptr<BackupWork>>> Create(NewBackup backup) override;
  Task<absl::StatusOr<std::unique_ptr<BackupWork>>> Verify(std::string name) override;
  Task<absl::StatusOr<std::vector<Backup>>> List(std::string after, size_t limit) override;
  Task<absl::Status> Delete(std::string name) override;
};

}  // namespace mailstead::engine
