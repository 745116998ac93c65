// What every engine must do, as tests: stored/engine/engine.h is the contract, and this suite holds for each
// engine.
//
// An engine joins by an EngineUnderTest and one INSTANTIATE_ENGINE_CONFORMANCE line (rocksdb_conformance.cc,
// memory_conformance.cc).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "stored/engine/audit.h"
#include "stored/engine/change.h"
#include "stored/engine/engine.h"
#include "stored/engine/key.h"
#include "stored/engine/sending.h"
#include "stored/engine/srs.h"
#include "stored/engine/submission.h"
#include "stored/engine/webhook.h"
#include "stored/rules/queue.h"
#include "tests/support/block_on.h"
#include "tests/support/sync_engine.h"

namespace mailstead::engine {

// Moves only when told, and may be told while the engine's threads read it.
class TestClock : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixNanos(nanos_.load()); }
  void Advance(absl::Duration by) { nanos_.fetch_add(absl::ToInt64Nanoseconds(by)); }

 private:
  std::atomic<int64_t> nanos_{1'700'000'000'000'000'000};
};

// An engine on an empty store of its own, which is removed at the end. All its time is the clock's.
class EngineUnderTest {
 public:
  virtual ~EngineUnderTest() = default;
  virtual Engine& engine() = 0;
  // Where it lets coroutines go on that have waited.
  ThreadExecutor& executor() { return executor_; }
  // Closed in order, and opened again on the same store.
  virtual void Restart() = 0;

  TestClock& clock() { return clock_; }
  // What the queue's dice show.
  void SetDice(double dice) { dice_.store(dice); }
  // How the queue is worked off from the next Restart on.
  void SetQueuePolicy(rules::QueuePolicy policy) { queue_policy_ = std::move(policy); }

 protected:
  TestClock clock_;
  std::atomic<double> dice_{0.5};
  rules::QueuePolicy queue_policy_;
  ThreadExecutor executor_;
};

struct EngineKind {
  std::string name;
  // It uses disk space, and its memory does not grow with what it keeps.
  bool keeps_on_disk = true;
  std::function<std::unique_ptr<EngineUnderTest>()> make;
};

std::string Sha256(absl::string_view bytes);
// The same for the same seed; does not compress.
std::string RandomText(size_t size, uint32_t seed);

class EngineConformance : public testing::TestWithParam<EngineKind> {
 protected:
  EngineConformance();

  SyncEngine engine() { return SyncEngine(under_test_->engine()); }
  Engine& facets() { return under_test_->engine(); }
  TestClock& clock() { return under_test_->clock(); }
  void Restart() { under_test_->Restart(); }

  // Domain "example.test" is there. Makes an account with an empty mailbox.
  AccountId NewMailbox(absl::string_view address, int64_t quota_bytes = 0, int64_t quota_messages = 0);

  // One recipient for each mailbox, "box" and its number. The fingerprint is that of the delivery id.
  NewMessage NewDelivery(absl::string_view delivery_id, const std::vector<AccountId>& accounts);
  absl::StatusOr<Receipt> Append(NewMessage message, std::string content);
  // In pieces, through a BodyWriter.
  absl::StatusOr<Receipt> AppendStaged(NewMessage message, absl::string_view content, size_t piece_bytes);
  // A message of its own delivery id.
  void Put(AccountId account, std::string content);

  // By a session of its own, which its token stands for in Commit and Release.
  absl::StatusOr<OpenedMaildrop> Open(AccountId account, absl::string_view lease_id,
                                      absl::Duration min_interval = absl::ZeroDuration());
  absl::StatusOr<OpenedMaildrop> OpenAs(absl::string_view session_id, AccountId account,
                                        absl::string_view lease_id, std::string known_version = "",
                                        size_t page_limit = 1'000'000);
  absl::Status Commit(AccountId account, LockToken token, std::vector<MessageId> deletions);
  absl::Status Release(AccountId account, LockToken token);

  // Prefix, trace and content, read in pieces.
  absl::StatusOr<std::string> Fetch(AccountId account, MessageId message);
  static absl::StatusOr<std::string> ReadAll(MessageReader& reader, size_t piece_bytes);
  static absl::StatusOr<std::string> Read(MessageReader& reader, int64_t offset, size_t max_bytes) {
    return BlockOn(reader.Read(offset, max_bytes));
  }
  std::vector<MessageSummary> List(AccountId account);
  std::vector<MessageId> Ids(AccountId account);

  std::unique_ptr<EngineUnderTest> under_test_;

 private:
  std::atomic<int> next_delivery_{1};
  std::atomic<int> next_session_{1};
  // Of tokens.
  absl::Mutex sessions_mutex_;
  std::map<LockToken, std::string> sessions_ ABSL_GUARDED_BY(sessions_mutex_);
};

MATCHER_P(HasCode, code, "") {
  const absl::Status status = arg;
  *result_listener << status;
  return status.code() == code;
}
std::string ReasonOfStatus(const absl::Status& status);
MATCHER_P2(HasReason, code, reason, "") {
  const absl::Status status = arg;
  *result_listener << status << " reason " << ReasonOfStatus(status);
  return status.code() == code && ReasonOfStatus(status) == reason;
}
#define ASSERT_OK(expression) ASSERT_TRUE((expression).ok())
#define EXPECT_OK(expression) EXPECT_THAT((expression), HasCode(absl::StatusCode::kOk))

class DirectoryConformance : public EngineConformance {};
class DeliveryConformance : public EngineConformance {};
class MaildropConformance : public EngineConformance {};
class ReadingConformance : public EngineConformance {};
class UpkeepConformance : public EngineConformance {};
class RouteConformance : public EngineConformance {
 protected:
  absl::StatusOr<Route> SetIf(int64_t expected_version, Route route) {
    return BlockOn(facets().routes().Set(std::move(route), expected_version));
  }
  absl::Status Set(Route route) { return SetIf(0, std::move(route)).status(); }
  absl::Status Delete(RouteKey key, int64_t expected_version = 0) {
    return BlockOn(facets().routes().Delete(std::move(key), expected_version));
  }
  // All of them.
  std::vector<Route> Routes() {
    const auto routes = BlockOn(facets().routes().List());
    EXPECT_OK(routes.status());
    return routes.ok() ? *routes : std::vector<Route>();
  }
  std::vector<RouteKey> Keys() {
    std::vector<RouteKey> keys;
    for (const Route& route : Routes()) keys.push_back(route.key);
    return keys;
  }
};

class TrashConformance : public EngineConformance {
 protected:
  // Of example.test.
  void SetWindow(absl::Duration window) {
    DomainChange change;
    change.name = "example.test";
    change.undelete_window = window;
    change.time = clock().Now();
    ASSERT_OK(engine().UpdateDomain(change).status());
  }
  // All of a mailbox that is in the trash.
  std::vector<MessageSummary> Trash(AccountId account) {
    MessageSearch search;
    search.in_trash = true;
    search.limit = search.look_limit = 1'000'000;
    const auto found = engine().Search(account, search);
    EXPECT_OK(found.status());
    return found.ok() ? found->messages : std::vector<MessageSummary>();
  }
  // Until nothing is left to do.
  void EmptyTrash() {
    for (bool more = true; more;) {
      const auto emptied = engine().EmptyTrash();
      EXPECT_OK(emptied.status());
      more = emptied.ok() && emptied->more;
    }
  }
};

class RetentionConformance : public TrashConformance {
 protected:
  // Of example.test.
  void SetOfDomain(absl::Duration retention) {
    DomainChange change;
    change.name = "example.test";
    change.retention = retention;
    change.time = clock().Now();
    ASSERT_OK(engine().UpdateDomain(change).status());
  }
  // Absent: the domain's.
  void SetOfAccount(AccountId account, std::optional<absl::Duration> retention) {
    AccountChange change;
    change.id = account;
    change.retention = retention;
    change.time = clock().Now();
    ASSERT_OK(engine().UpdateAccount(change).status());
  }
  // A message with a retention of its own.
  void PutFor(AccountId account, absl::Duration retention);
  std::vector<int64_t> Numbers(AccountId account) {
    std::vector<int64_t> numbers;
    for (const MessageId id : Ids(account)) numbers.push_back(id.value);
    return numbers;
  }
  // Until nothing is left to do. How many were deleted.
  int64_t Expire() {
    int64_t count = 0;
    for (bool more = true; more;) {
      const auto step = engine().Expire();
      EXPECT_OK(step.status());
      count += step.ok() ? step->count : 0;
      more = step.ok() && step->more;
    }
    return count;
  }

 private:
  int next_delivery_ = 1;
};

class TlsReportConformance : public EngineConformance {
 protected:
  absl::Status Count(std::vector<TlsReport> counts) {
    return BlockOn(facets().tls_reports().Count(std::move(counts)));
  }
  std::vector<TlsReport> Lease(absl::Time now, size_t limit = 10) {
    const auto leased = BlockOn(facets().tls_reports().Lease(now, limit));
    EXPECT_OK(leased.status());
    return leased.ok() ? *leased : std::vector<TlsReport>();
  }
  absl::StatusOr<TlsReport> Find(TlsReportKey key, int64_t lease) {
    return BlockOn(facets().tls_reports().Find(std::move(key), lease));
  }
  absl::Status Finish(TlsReportKey key, int64_t lease) {
    return BlockOn(facets().tls_reports().Finish(std::move(key), lease));
  }
};

class StsConformance : public EngineConformance {
 protected:
  absl::StatusOr<StsPolicy> Find(std::string domain) {
    return BlockOn(facets().sts().Find(std::move(domain)));
  }
  absl::StatusOr<StsPolicy> Keep(StsFetch fetch, int64_t limit = 100) {
    return BlockOn(facets().sts().Keep(std::move(fetch), limit));
  }
};

class DkimConformance : public EngineConformance {
 protected:
  absl::Status Create(std::string domain, DkimKey key) {
    return BlockOn(facets().dkim().Create(std::move(domain), std::move(key)));
  }
  absl::Status Activate(std::string domain, std::string selector, absl::Time time,
                        int64_t expected_version = 0) {
    return BlockOn(facets().dkim().Activate(std::move(domain), std::move(selector), expected_version, time));
  }
  absl::Status Remove(std::string domain, std::string selector, bool even_active = false,
                      int64_t expected_version = 0) {
    return BlockOn(
        facets().dkim().Delete(std::move(domain), std::move(selector), expected_version, even_active));
  }
  std::vector<DkimKey> Keys(std::string domain) {
    const auto keys = BlockOn(facets().dkim().Find(std::move(domain)));
    EXPECT_OK(keys.status());
    return keys.ok() ? *keys : std::vector<DkimKey>();
  }
  // Names of domains that have keys.
  std::vector<std::string> Domains(std::string after = "", size_t limit = 1000, bool only_pending = false) {
    const auto page = BlockOn(facets().dkim().List(std::move(after), limit, only_pending));
    EXPECT_OK(page.status());
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const DkimDomain& domain : *page) {
      EXPECT_EQ(domain.keys, Keys(domain.name));
      names.push_back(domain.name);
    }
    return names;
  }
};

class SrsConformance : public EngineConformance {
 protected:
  SrsEngine& srs() { return facets().srs(); }
  std::vector<SrsSecret> Secrets() {
    const auto secrets = BlockOn(srs().ListSecrets());
    EXPECT_OK(secrets.status());
    return secrets.ok() ? *secrets : std::vector<SrsSecret>();
  }
  // By its day and name; empty: there is none.
  std::string Address(int64_t day, const std::string& name) {
    const auto sender = BlockOn(srs().FindSender(day, name));
    return sender.ok() ? sender->address : "";
  }
};

class WebhookConformance : public EngineConformance {
 protected:
  WebhookEngine& webhooks() { return facets().webhooks(); }
  // Has this lease, which it makes, send a webhook. Gives the fence.
  int64_t Claimed(const std::string& id = "a", const std::string& lease = "lease-of-one-0000") {
    EXPECT_OK(BlockOn(facets().leases().Renew(lease, "webd", absl::Seconds(60))));
    const auto claimed = BlockOn(webhooks().Claim(id, lease));
    EXPECT_OK(claimed.status());
    if (!claimed.ok()) return 0;
    EXPECT_EQ(claimed->progress.lease_id, lease);
    return claimed->progress.fence;
  }
  // Of webhook "a".
  absl::StatusOr<WebhookReported> Report(int64_t fence, int64_t position,
                                         std::vector<WebhookOutcome> outcomes,
                                         absl::Time now = absl::FromUnixSeconds(1'700'000'000)) {
    WebhookReport report;
    report.id = "a";
    report.fence = fence;
    report.cursor.position = position;
    report.outcomes = std::move(outcomes);
    return BlockOn(webhooks().Report(std::move(report), now));
  }
  WebhookProgress Progress() {
    const auto kept = BlockOn(webhooks().Find("a"));
    EXPECT_OK(kept.status());
    return kept.ok() ? kept->progress : WebhookProgress();
  }
  std::vector<WebhookEvent> WaitingOf(AccountId account) {
    return BlockOn(webhooks().ListWaiting("a", account, 100)).value();
  }
  std::vector<WebhookEvent> Dead() { return BlockOn(webhooks().ListDead("a", ChangeCursor(), 2000)).value(); }
};

class KeyConformance : public EngineConformance {
 protected:
  KeyEngine& keys() { return facets().keys(); }
  std::vector<Key> Keys(std::string after = "", size_t limit = 1000) {
    const auto page = BlockOn(keys().List(std::move(after), limit));
    EXPECT_OK(page.status());
    return page.ok() ? *page : std::vector<Key>();
  }
  std::vector<KeyUse> Uses(std::string after = "", size_t limit = 1000) {
    const auto page = BlockOn(keys().ListUses(std::move(after), limit));
    EXPECT_OK(page.status());
    return page.ok() ? *page : std::vector<KeyUse>();
  }
};

class AuditConformance : public EngineConformance {
 protected:
  AuditEngine& audit() { return facets().audit(); }
  // One entry of this kind, at this second.
  void Append(AuditKind kind, int64_t second, const std::string& target = "") {
    AuditEntry entry;
    entry.kind = kind;
    entry.time = absl::FromUnixSeconds(second);
    entry.target = target;
    ASSERT_OK(BlockOn(audit().Append({entry})));
  }
  // Their numbers.
  std::vector<int64_t> Numbers(AuditKind kind, int64_t before = kNewestAudit, size_t limit = 1000) {
    const auto page = BlockOn(audit().List(kind, before, limit));
    EXPECT_OK(page.status());
    std::vector<int64_t> numbers;
    if (!page.ok()) return numbers;
    for (const AuditEntry& entry : *page) {
      EXPECT_EQ(entry.kind, kind);
      numbers.push_back(entry.number);
    }
    return numbers;
  }
};

class SendingConformance : public EngineConformance {
 protected:
  SendingEngine& sending() { return facets().sending(); }
  Sending Find(int64_t account) {
    const auto found = BlockOn(sending().Find(AccountId{account}));
    EXPECT_OK(found.status());
    return found.ok() ? *found : Sending();
  }
};

class ChangeConformance : public EngineConformance {
 protected:
  ChangeEngine& feed() { return facets().changes(); }
  ChangeBounds bounds() { return feed().Bounds(); }
  absl::StatusOr<ChangePage> Read(ChangeQuestion question) {
    return BlockOn(feed().Read(std::move(question)));
  }
  static ChangeQuestion Everything() { return ChangeQuestion(); }
  // Page by page.
  std::vector<FeedChange> All(ChangeQuestion question = ChangeQuestion(), size_t page_size = 100);
  // "deleted 1,3 by 2": the cause is a number.
  static std::string Text(const FeedChange& change);
  static std::vector<std::string> Texts(const std::vector<FeedChange>& changes);
  // Until nothing is left to do.
  void Trim(absl::Duration age, int64_t max_count);
  std::vector<std::string> Names(std::string after);
};

class QueueConformance : public EngineConformance {
 protected:
  // To recipients at the hosts that their addresses name, with a trace; `lane` is its sender's.
  NewMessage NewMail(absl::string_view delivery_id, const std::vector<std::string>& addresses,
                     std::string lane = "sender");
  static void AddRecipient(NewMessage& message, const std::string& address);
  // The id that it has in the queue.
  QueueId Put(NewMessage message);
  QueueId PutTo(const std::vector<std::string>& addresses, std::string lane = "sender");
  std::vector<QueueId> Ids();
  QueuedMessage Find(QueueId id);
  bool IsThere(QueueId id);
  QueuedRecipient FindRecipient(QueueId id, int32_t number);
  std::string Fetch(QueueId id);
  QueueStatus Status();

  // What is due, for a front-end whose heart beats.
  std::vector<QueueAttempt> Lease(size_t attempt_limit = 1000, size_t recipient_limit = 100,
                                  const std::string& lease_id = "worker");
  // At least one is due.
  QueueAttempt LeaseOne(const std::string& lease_id = "worker");
  QueueChange Report(const QueueReport& report, std::vector<NewNotice> notices = {});
  QueueChange Report(const QueueAttempt& attempt, QueueOutcome::Kind kind,
                     QueueReport::Sign sign = QueueReport::Sign::kAnswered);
  QueueChange Decide(QueueDecision::Kind kind, QueueId message, std::vector<int32_t> recipients = {});
  std::vector<QueuedMessage> Due();
  // To a mailbox of ours.
  NewNotice NewNoticeTo(AccountId account, absl::string_view delivery_id);
  // Hosts of this destination are not reached until it is away.
  void LetItBeAway(const std::string& destination);
  // One attempt was at these hosts.
  QueueChange ReportSite(const QueueAttempt& attempt, const std::string& site,
                         QueueOutcome::Kind kind = QueueOutcome::Kind::kDelivered,
                         QueueReport::Sign sign = QueueReport::Sign::kAnswered,
                         QueueReport::Tls tls = QueueReport::Tls::kNone);
  // An attempt at each of these destinations has found these hosts. Nothing else is due.
  void LearnSite(const std::string& site, const std::vector<std::string>& destinations);
  // These hosts, which take the mail of this destination among others, are away.
  void LetSiteBeAway(const std::string& site, const std::string& destination);
  QueueDestination FindDestination(const std::string& name);

  int delivery_count_ = 0;
};

class SubmissionConformance : public QueueConformance {
 protected:
  // To recipients at the hosts that their addresses name, and to mailboxes; a submission of the account.
  NewMessage NewSubmitted(absl::string_view id, AccountId account, const std::vector<std::string>& addresses,
                          const std::vector<AccountId>& mailboxes = {});
  // As it is now; the test fails where there is none.
  Submission FindSubmission(const std::string& id);
  bool IsKept(const std::string& id) { return BlockOn(facets().submissions().Find(id)).ok(); }
  // One state a target, in their order: "queued relayed".
  std::string States(const std::string& id);
  // Ids.
  std::vector<std::string> ListSubmissions(AccountId account, SubmissionPlace after = {},
                                           size_t limit = 1000);
  size_t NoteReport(SubmissionReport report) {
    return BlockOn(facets().submissions().NoteReport(std::move(report))).value();
  }
  size_t Forget(absl::Time before, size_t limit = 1000) {
    return BlockOn(facets().submissions().Forget(before, limit)).value();
  }
};

#define INSTANTIATE_ENGINE_CONFORMANCE(name, kind)                                              \
  INSTANTIATE_TEST_SUITE_P(name, DirectoryConformance, testing::Values(kind), EngineKindName);  \
  INSTANTIATE_TEST_SUITE_P(name, DeliveryConformance, testing::Values(kind), EngineKindName);   \
  INSTANTIATE_TEST_SUITE_P(name, MaildropConformance, testing::Values(kind), EngineKindName);   \
  INSTANTIATE_TEST_SUITE_P(name, QueueConformance, testing::Values(kind), EngineKindName);      \
  INSTANTIATE_TEST_SUITE_P(name, SubmissionConformance, testing::Values(kind), EngineKindName); \
  INSTANTIATE_TEST_SUITE_P(name, ReadingConformance, testing::Values(kind), EngineKindName);    \
  INSTANTIATE_TEST_SUITE_P(name, RouteConformance, testing::Values(kind), EngineKindName);      \
  INSTANTIATE_TEST_SUITE_P(name, TlsReportConformance, testing::Values(kind), EngineKindName);  \
  INSTANTIATE_TEST_SUITE_P(name, StsConformance, testing::Values(kind), EngineKindName);        \
  INSTANTIATE_TEST_SUITE_P(name, DkimConformance, testing::Values(kind), EngineKindName);       \
  INSTANTIATE_TEST_SUITE_P(name, SrsConformance, testing::Values(kind), EngineKindName);        \
  INSTANTIATE_TEST_SUITE_P(name, WebhookConformance, testing::Values(kind), EngineKindName);    \
  INSTANTIATE_TEST_SUITE_P(name, KeyConformance, testing::Values(kind), EngineKindName);        \
  INSTANTIATE_TEST_SUITE_P(name, AuditConformance, testing::Values(kind), EngineKindName);      \
  INSTANTIATE_TEST_SUITE_P(name, SendingConformance, testing::Values(kind), EngineKindName);    \
  INSTANTIATE_TEST_SUITE_P(name, TrashConformance, testing::Values(kind), EngineKindName);      \
  INSTANTIATE_TEST_SUITE_P(name, RetentionConformance, testing::Values(kind), EngineKindName);  \
  INSTANTIATE_TEST_SUITE_P(name, ChangeConformance, testing::Values(kind), EngineKindName);     \
  INSTANTIATE_TEST_SUITE_P(name, UpkeepConformance, testing::Values(kind), EngineKindName)

inline std::string EngineKindName(const testing::TestParamInfo<EngineKind>& info) { return info.param.name; }

}  // namespace mailstead::engine
