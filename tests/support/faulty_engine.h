// An engine that fails or waits where a test says so: before, after or during a verb of the engine behind it.
//
//   std::unique_ptr<engine::Engine> memory = engine::OpenMemoryEngine();
//   FaultyEngine engine(*memory);
//   engine.Fail("Messages.Append", FaultyEngine::When::kAfter, absl::UnavailableError("lost"), /*nth=*/2);
//   engine.Hold("Maildrops.Commit", FaultyEngine::When::kBefore);
//
// Verbs are named by facet and verb, as in engine.h: "Directory.LookUp", "Messages.Open", "Maildrops.Commit",
// "Leases.Renew", "Queue.Lease", "Routes.Set", "Srs.KeepSender", "Upkeep.Status"; and "BodyWriter.Append", "MessageReader.Read".
// Thread-safe.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "stored/engine/audit.h"
#include "stored/engine/engine.h"
#include "stored/engine/key.h"
#include "stored/engine/sending.h"
#include "stored/engine/srs.h"
#include "stored/engine/submission.h"

namespace mailstead {

// Which calls of which verbs go wrong.
class EngineFaults {
 public:
  // kBefore: the verb does not happen. kAfter: it has happened, and only its answer is lost or late.
  enum class When { kBefore, kAfter };

  // The nth call of `verb` from now on gives `error`; 1 is the next one.
  void Fail(const std::string& verb, When when, absl::Status error, int nth = 1) {
    absl::MutexLock lock(&mutex_);
    plans_[verb].push_back({nth, when, std::move(error), false});
  }
  // The nth call of `verb` from now on waits until Release.
  void Hold(const std::string& verb, When when, int nth = 1) {
    absl::MutexLock lock(&mutex_);
    plans_[verb].push_back({nth, when, absl::OkStatus(), true});
  }
  // While it is not OK every verb gives it, and does not happen.
  void FailAll(absl::Status error) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(error);
  }

  // What Upkeep.Health says from now on, unless it is OK.
  void SetHealth(absl::Status health) {
    absl::MutexLock lock(&mutex_);
    health_ = std::move(health);
  }
  absl::Status health() const {
    absl::MutexLock lock(&mutex_);
    return health_;
  }

  // How often the verb was called.
  int calls(const std::string& verb) const {
    absl::MutexLock lock(&mutex_);
    const auto it = calls_.find(verb);
    return it == calls_.end() ? 0 : it->second;
  }
  int held_count(const std::string& verb) const {
    absl::MutexLock lock(&mutex_);
    const auto it = held_.find(verb);
    return it == held_.end() ? 0 : static_cast<int>(it->second.size());
  }
  // Waits until a call of the verb is held.
  void AwaitHeld(const std::string& verb) const {
    const auto is_held = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const auto it = held_.find(verb);
      return it != held_.end() && !it->second.empty();
    };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_held));
  }
  // Lets the calls of the verb that are held go on, on this thread.
  void Release(const std::string& verb) {
    std::deque<Arrival<bool>*> held;
    {
      absl::MutexLock lock(&mutex_);
      held.swap(held_[verb]);
    }
    for (Arrival<bool>* each : held) each->Set(true);
  }

  // The verb `verb`, which `task` does, with what is planned for this call of it. `failed` makes its answer of an error.
  template <typename T, typename Failed>
  Task<T> Run(std::string verb, Task<T> task, Failed failed) {
    const Plan plan = Take(verb);
    if (plan.when == When::kBefore) {
      if (plan.hold) co_await HoldHere(verb);
      if (!plan.error.ok()) co_return failed(plan.error);
    }
    T answer = co_await std::move(task);
    if (plan.when == When::kAfter) {
      if (plan.hold) co_await HoldHere(verb);
      if (!plan.error.ok()) co_return failed(plan.error);
    }
    co_return answer;
  }
  template <typename T>
  Task<T> Run(std::string verb, Task<T> task) {
    return Run(std::move(verb), std::move(task), [](const absl::Status& error) { return T(error); });
  }

 private:
  struct Plan {
    int nth = 0;
    When when = When::kBefore;
    absl::Status error;
    bool hold = false;
  };

  Plan Take(const std::string& verb) {
    absl::MutexLock lock(&mutex_);
    ++calls_[verb];
    Plan taken;
    std::list<Plan>& plans = plans_[verb];
    for (auto it = plans.begin(); it != plans.end();) {
      if (--it->nth > 0) {
        ++it;
        continue;
      }
      taken = *it;
      it = plans.erase(it);
    }
    if (!failure_.ok()) return {0, When::kBefore, failure_, false};
    return taken;
  }

  Task<bool> HoldHere(std::string verb) {
    Arrival<bool> released;
    {
      absl::MutexLock lock(&mutex_);
      held_[verb].push_back(&released);
    }
    co_return co_await released;
  }

  mutable absl::Mutex mutex_;
  std::map<std::string, std::list<Plan>> plans_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::deque<Arrival<bool>*>> held_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

// The engine behind must outlive it.
class FaultyEngine final : public engine::Engine, public EngineFaults {
 public:
  explicit FaultyEngine(engine::Engine& behind)
      : directory_(*this, behind),
        messages_(*this, behind),
        maildrops_(*this, behind),
        leases_(*this, behind),
        queue_(*this, behind),
        routes_(*this, behind),
        tls_reports_(*this, behind),
        sts_(*this, behind),
        dkim_(*this, behind),
        srs_(*this, behind),
        sending_(*this, behind),
        submissions_(*this, behind),
        webhooks_(behind.webhooks()),
        keys_(behind.keys()),
        audit_(behind.audit()),
        upkeep_(*this, behind),
        changes_(behind.changes()),
        backups_(behind.backups()) {}

  engine::DirectoryEngine& directory() override { return directory_; }
  engine::MessageEngine& messages() override { return messages_; }
  engine::MaildropEngine& maildrops() override { return maildrops_; }
  engine::LeaseEngine& leases() override { return leases_; }
  engine::QueueEngine& queue() override { return queue_; }
  engine::RouteEngine& routes() override { return routes_; }
  engine::TlsReportEngine& tls_reports() override { return tls_reports_; }
  engine::StsEngine& sts() override { return sts_; }
  engine::DkimEngine& dkim() override { return dkim_; }
  engine::SrsEngine& srs() override { return srs_; }
  engine::SendingEngine& sending() override { return sending_; }
  engine::SubmissionEngine& submissions() override { return submissions_; }
  engine::ChangeEngine& changes() override { return changes_; }
  engine::WebhookEngine& webhooks() override { return webhooks_; }
  engine::KeyEngine& keys() override { return keys_; }
  engine::AuditEngine& audit() override { return audit_; }
  engine::UpkeepEngine& upkeep() override { return upkeep_; }
  engine::BackupEngine& backups() override { return backups_; }

 private:
  template <typename T>
  using Result = Task<absl::StatusOr<T>>;

  class Directory final : public engine::DirectoryEngine {
   public:
    Directory(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.directory()) {}
    Result<std::vector<engine::Place>> LookUp(std::vector<std::string> addresses) override {
      return faults_.Run("Directory.LookUp", behind_.LookUp(std::move(addresses)));
    }
    Result<engine::Account> FindAccount(AccountId id) override {
      return faults_.Run("Directory.FindAccount", behind_.FindAccount(id));
    }
    Result<std::vector<engine::Domain>> ListDomains(std::string after, size_t limit) override {
      return faults_.Run("Directory.ListDomains", behind_.ListDomains(std::move(after), limit));
    }
    Result<std::vector<engine::Account>> ListAccounts(std::string domain, std::string after,
                                                      size_t limit) override {
      return faults_.Run("Directory.ListAccounts",
                         behind_.ListAccounts(std::move(domain), std::move(after), limit));
    }
    Result<std::vector<engine::Alias>> ListAliases(std::string domain, std::string after,
                                                   size_t limit) override {
      return faults_.Run("Directory.ListAliases",
                         behind_.ListAliases(std::move(domain), std::move(after), limit));
    }
    Task<std::vector<absl::StatusOr<engine::DirectoryEntry>>> Create(
        std::vector<engine::DirectoryEntry> entries) override {
      const size_t count = entries.size();
      const auto failed = [count](const absl::Status& error) {
        return std::vector<absl::StatusOr<engine::DirectoryEntry>>(count, error);
      };
      return faults_.Run("Directory.Create", behind_.Create(std::move(entries)), failed);
    }
    Result<engine::DirectoryEntry> Update(engine::DirectoryChange change) override {
      return faults_.Run("Directory.Update", behind_.Update(std::move(change)));
    }
    Task<absl::Status> Delete(engine::DirectoryKey key, int64_t expected_version) override {
      return faults_.Run("Directory.Delete", behind_.Delete(std::move(key), expected_version));
    }
    Result<absl::Duration> LeastRetention() override {
      return faults_.Run("Directory.LeastRetention", behind_.LeastRetention());
    }
    int64_t Version() const override { return behind_.Version(); }

   private:
    EngineFaults& faults_;
    engine::DirectoryEngine& behind_;
  };

  class Body final : public engine::BodyWriter {
   public:
    Body(EngineFaults& faults, std::unique_ptr<engine::BodyWriter> behind)
        : faults_(faults), behind_(std::move(behind)) {}
    Task<absl::Status> Append(std::string bytes) override {
      return faults_.Run("BodyWriter.Append", behind_->Append(std::move(bytes)));
    }
    int64_t size_bytes() const override { return behind_->size_bytes(); }
    std::unique_ptr<engine::BodyWriter> Take() { return std::move(behind_); }

   private:
    EngineFaults& faults_;
    std::unique_ptr<engine::BodyWriter> behind_;
  };

  class Reader final : public engine::MessageReader {
   public:
    Reader(EngineFaults& faults, std::unique_ptr<engine::MessageReader> behind)
        : faults_(faults), behind_(std::move(behind)) {}
    int64_t size_bytes() const override { return behind_->size_bytes(); }
    const std::string& delivery_id() const override { return behind_->delivery_id(); }
    Result<std::string> Read(int64_t offset, size_t max_bytes) override {
      return faults_.Run("MessageReader.Read", behind_->Read(offset, max_bytes));
    }

   private:
    EngineFaults& faults_;
    const std::unique_ptr<engine::MessageReader> behind_;
  };

  class Messages final : public engine::MessageEngine {
   public:
    Messages(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.messages()) {}
    Result<std::unique_ptr<engine::BodyWriter>> NewBody() override {
      auto body = co_await faults_.Run("Messages.NewBody", behind_.NewBody());
      if (!body.ok()) co_return body;
      co_return std::unique_ptr<engine::BodyWriter>(std::make_unique<Body>(faults_, *std::move(body)));
    }
    Result<engine::Receipt> Append(engine::NewMessage message, engine::Content content,
                                   std::vector<engine::NewNotice> notices) override {
      if (content.staged != nullptr) content.staged = static_cast<Body&>(*content.staged).Take();
      return faults_.Run("Messages.Append",
                         behind_.Append(std::move(message), std::move(content), std::move(notices)));
    }
    Result<engine::Settlement> Settle(std::string scope, std::string delivery_id) override {
      return faults_.Run("Messages.Settle", behind_.Settle(std::move(scope), std::move(delivery_id)));
    }
    Result<std::vector<engine::MessageSummary>> List(AccountId account, MessageId after,
                                                     size_t limit) override {
      return faults_.Run("Messages.List", behind_.List(account, after, limit));
    }
    Result<engine::MessageSummary> Find(AccountId account, MessageId message) override {
      return faults_.Run("Messages.Find", behind_.Find(account, message));
    }
    Result<engine::FoundMessages> Search(AccountId account, engine::MessageSearch search) override {
      return faults_.Run("Messages.Search", behind_.Search(account, std::move(search)));
    }
    Result<std::unique_ptr<engine::MessageReader>> Open(AccountId account, MessageId message) override {
      auto reader = co_await faults_.Run("Messages.Open", behind_.Open(account, message));
      if (!reader.ok()) co_return reader;
      co_return std::unique_ptr<engine::MessageReader>(std::make_unique<Reader>(faults_, *std::move(reader)));
    }
    Result<engine::DeletedMessages> Delete(AccountId account, std::vector<MessageId> messages) override {
      return faults_.Run("Messages.Delete", behind_.Delete(account, std::move(messages)));
    }
    Result<engine::RestoredMessages> Restore(AccountId account, std::vector<MessageId> messages) override {
      return faults_.Run("Messages.Restore", behind_.Restore(account, std::move(messages)));
    }
    Result<engine::UpkeepStep> Expire() override { return faults_.Run("Messages.Expire", behind_.Expire()); }
    Result<engine::UpkeepStep> EmptyTrash() override {
      return faults_.Run("Messages.EmptyTrash", behind_.EmptyTrash());
    }

   private:
    EngineFaults& faults_;
    engine::MessageEngine& behind_;
  };

  class Maildrops final : public engine::MaildropEngine {
   public:
    Maildrops(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.maildrops()) {}
    Result<engine::OpenedMaildrop> Open(engine::OpenRequest request) override {
      return faults_.Run("Maildrops.Open", behind_.Open(std::move(request)));
    }
    Result<std::vector<engine::MaildropEntry>> List(AccountId account, std::string session_id,
                                                    MessageId after, MessageId last, size_t limit) override {
      return faults_.Run("Maildrops.List", behind_.List(account, std::move(session_id), after, last, limit));
    }
    Result<engine::CommittedMaildrop> Commit(engine::CommitRequest request) override {
      return faults_.Run("Maildrops.Commit", behind_.Commit(std::move(request)));
    }
    Task<absl::Status> Release(AccountId account, std::string session_id) override {
      return faults_.Run("Maildrops.Release", behind_.Release(account, std::move(session_id)));
    }
    Result<engine::LockInfo> FindLock(AccountId account) override {
      return faults_.Run("Maildrops.FindLock", behind_.FindLock(account));
    }
    Result<std::vector<engine::LockInfo>> ListLocks(AccountId after, size_t limit) override {
      return faults_.Run("Maildrops.ListLocks", behind_.ListLocks(after, limit));
    }
    Result<engine::LockInfo> End(AccountId account, std::string session_id) override {
      return faults_.Run("Maildrops.End", behind_.End(account, std::move(session_id)));
    }

   private:
    EngineFaults& faults_;
    engine::MaildropEngine& behind_;
  };

  class Leases final : public engine::LeaseEngine {
   public:
    Leases(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.leases()) {}
    Task<absl::Status> Renew(std::string lease_id, std::string holder, absl::Duration ttl) override {
      return faults_.Run("Leases.Renew", behind_.Renew(std::move(lease_id), std::move(holder), ttl));
    }
    Task<absl::Status> End(std::string lease_id) override {
      return faults_.Run("Leases.End", behind_.End(std::move(lease_id)));
    }
    bool IsLive(absl::string_view lease_id) const override { return behind_.IsLive(lease_id); }
    std::string HolderOf(absl::string_view lease_id) const override { return behind_.HolderOf(lease_id); }

   private:
    EngineFaults& faults_;
    engine::LeaseEngine& behind_;
  };

  class Queue final : public engine::QueueEngine {
   public:
    Queue(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.queue()) {}
    Result<std::vector<engine::QueueAttempt>> Lease(engine::QueueLeaseRequest request) override {
      return faults_.Run("Queue.Lease", behind_.Lease(std::move(request)));
    }
    Result<engine::QueueChange> Report(engine::QueueReport report,
                                       std::vector<engine::NewNotice> notices) override {
      return faults_.Run("Queue.Report", behind_.Report(std::move(report), std::move(notices)));
    }
    Result<engine::QueueChange> Decide(engine::QueueDecision decision,
                                       std::vector<engine::NewNotice> notices) override {
      return faults_.Run("Queue.Decide", behind_.Decide(std::move(decision), std::move(notices)));
    }
    Result<size_t> TakeBack(size_t limit) override {
      return faults_.Run("Queue.TakeBack", behind_.TakeBack(limit));
    }
    Result<std::vector<engine::DeliveredHere>> DeliverHere(size_t limit) override {
      return faults_.Run("Queue.DeliverHere", behind_.DeliverHere(limit));
    }
    Result<std::vector<engine::QueuedMessage>> Due(size_t limit, size_t recipient_limit) override {
      return faults_.Run("Queue.Due", behind_.Due(limit, recipient_limit));
    }
    Result<engine::QueuedMessage> Find(QueueId message, int32_t first, size_t recipient_limit) override {
      return faults_.Run("Queue.Find", behind_.Find(message, first, recipient_limit));
    }
    Result<std::vector<engine::QueuedMessage>> List(QueueId after, size_t limit,
                                                    size_t recipient_limit) override {
      return faults_.Run("Queue.List", behind_.List(after, limit, recipient_limit));
    }
    Result<std::vector<engine::QueueDestination>> ListDestinations(std::string after, size_t limit) override {
      return faults_.Run("Queue.ListDestinations", behind_.ListDestinations(std::move(after), limit));
    }
    Result<std::unique_ptr<engine::MessageReader>> Open(QueueId message) override {
      auto reader = co_await faults_.Run("Queue.Open", behind_.Open(message));
      if (!reader.ok()) co_return reader;
      co_return std::unique_ptr<engine::MessageReader>(std::make_unique<Reader>(faults_, *std::move(reader)));
    }
    Result<engine::QueueStatus> Status() override { return faults_.Run("Queue.Status", behind_.Status()); }
    int64_t Version() const override { return behind_.Version(); }

   private:
    EngineFaults& faults_;
    engine::QueueEngine& behind_;
  };

  class Routes final : public engine::RouteEngine {
   public:
    Routes(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.routes()) {}
    Result<std::vector<engine::Route>> List() override { return faults_.Run("Routes.List", behind_.List()); }
    Result<engine::Route> Set(engine::Route route, int64_t expected_version) override {
      return faults_.Run("Routes.Set", behind_.Set(std::move(route), expected_version));
    }
    Task<absl::Status> Delete(engine::RouteKey key, int64_t expected_version) override {
      return faults_.Run("Routes.Delete", behind_.Delete(std::move(key), expected_version));
    }

   private:
    EngineFaults& faults_;
    engine::RouteEngine& behind_;
  };

  class TlsReports final : public engine::TlsReportEngine {
   public:
    TlsReports(EngineFaults& faults, engine::Engine& behind)
        : faults_(faults), behind_(behind.tls_reports()) {}
    Task<absl::Status> Count(std::vector<engine::TlsReport> counts) override {
      return faults_.Run("TlsReports.Count", behind_.Count(std::move(counts)));
    }
    Result<std::vector<engine::TlsReport>> Lease(absl::Time now, size_t limit) override {
      return faults_.Run("TlsReports.Lease", behind_.Lease(now, limit));
    }
    Result<engine::TlsReport> Find(engine::TlsReportKey key, int64_t lease) override {
      return faults_.Run("TlsReports.Find", behind_.Find(std::move(key), lease));
    }
    Task<absl::Status> Finish(engine::TlsReportKey key, int64_t lease) override {
      return faults_.Run("TlsReports.Finish", behind_.Finish(std::move(key), lease));
    }

   private:
    EngineFaults& faults_;
    engine::TlsReportEngine& behind_;
  };

  class Sts final : public engine::StsEngine {
   public:
    Sts(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.sts()) {}
    Result<engine::StsPolicy> Find(std::string domain) override {
      return faults_.Run("Sts.Find", behind_.Find(std::move(domain)));
    }
    Result<engine::StsPolicy> Keep(engine::StsFetch fetch, int64_t limit) override {
      return faults_.Run("Sts.Keep", behind_.Keep(std::move(fetch), limit));
    }

   private:
    EngineFaults& faults_;
    engine::StsEngine& behind_;
  };

  class Dkim final : public engine::DkimEngine {
   public:
    Dkim(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.dkim()) {}
    Result<std::vector<engine::DkimKey>> Find(std::string domain) override {
      return faults_.Run("Dkim.Find", behind_.Find(std::move(domain)));
    }
    Result<std::vector<engine::DkimDomain>> List(std::string after, size_t limit,
                                                 bool only_pending) override {
      return faults_.Run("Dkim.List", behind_.List(std::move(after), limit, only_pending));
    }
    Task<absl::Status> Create(std::string domain, engine::DkimKey key) override {
      return faults_.Run("Dkim.Create", behind_.Create(std::move(domain), std::move(key)));
    }
    Task<absl::Status> Activate(std::string domain, std::string selector, int64_t expected_version,
                                absl::Time time) override {
      return faults_.Run("Dkim.Activate",
                         behind_.Activate(std::move(domain), std::move(selector), expected_version, time));
    }
    Task<absl::Status> Delete(std::string domain, std::string selector, int64_t expected_version,
                              bool even_active) override {
      return faults_.Run("Dkim.Delete", behind_.Delete(std::move(domain), std::move(selector),
                                                       expected_version, even_active));
    }

   private:
    EngineFaults& faults_;
    engine::DkimEngine& behind_;
  };

  class Srs final : public engine::SrsEngine {
   public:
    Srs(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.srs()) {}
    Result<std::vector<engine::SrsSecret>> ListSecrets() override {
      return faults_.Run("Srs.ListSecrets", behind_.ListSecrets());
    }
    Task<absl::Status> SetSecrets(std::vector<engine::SrsSecret> secrets, int64_t newest) override {
      return faults_.Run("Srs.SetSecrets", behind_.SetSecrets(std::move(secrets), newest));
    }
    Task<absl::Status> KeepSender(engine::SrsSender sender) override {
      return faults_.Run("Srs.KeepSender", behind_.KeepSender(std::move(sender)));
    }
    Result<engine::SrsSender> FindSender(int64_t day, std::string name) override {
      return faults_.Run("Srs.FindSender", behind_.FindSender(day, std::move(name)));
    }
    Result<size_t> ForgetSenders(int64_t day, size_t limit) override {
      return faults_.Run("Srs.ForgetSenders", behind_.ForgetSenders(day, limit));
    }

   private:
    EngineFaults& faults_;
    engine::SrsEngine& behind_;
  };

  class Submissions final : public engine::SubmissionEngine {
   public:
    Submissions(EngineFaults& faults, engine::Engine& behind)
        : faults_(faults), behind_(behind.submissions()) {}
    Result<engine::Submission> Find(std::string id) override {
      return faults_.Run("Submissions.Find", behind_.Find(std::move(id)));
    }
    Result<std::vector<engine::Submission>> List(AccountId account, engine::SubmissionPlace after,
                                                 size_t limit) override {
      return faults_.Run("Submissions.List", behind_.List(account, std::move(after), limit));
    }
    Result<size_t> NoteReport(engine::SubmissionReport report) override {
      return faults_.Run("Submissions.NoteReport", behind_.NoteReport(std::move(report)));
    }
    Result<size_t> Forget(absl::Time ended_before, size_t limit) override {
      return faults_.Run("Submissions.Forget", behind_.Forget(ended_before, limit));
    }

   private:
    EngineFaults& faults_;
    engine::SubmissionEngine& behind_;
  };
  class Sending final : public engine::SendingEngine {
   public:
    Sending(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.sending()) {}
    Result<engine::Sending> Find(AccountId account) override {
      return faults_.Run("Sending.Find", behind_.Find(account));
    }
    Task<absl::Status> SetSettings(AccountId account, engine::SendingSettings settings) override {
      return faults_.Run("Sending.SetSettings", behind_.SetSettings(account, settings));
    }
    Task<absl::Status> KeepUse(AccountId account, engine::SendingUse use) override {
      return faults_.Run("Sending.KeepUse", behind_.KeepUse(account, std::move(use)));
    }
    Task<absl::Status> KeepKnown(AccountId account, std::string known) override {
      return faults_.Run("Sending.KeepKnown", behind_.KeepKnown(account, std::move(known)));
    }
    Task<absl::Status> Forget(AccountId account) override {
      return faults_.Run("Sending.Forget", behind_.Forget(account));
    }

   private:
    EngineFaults& faults_;
    engine::SendingEngine& behind_;
  };

  class Upkeep final : public engine::UpkeepEngine {
   public:
    Upkeep(EngineFaults& faults, engine::Engine& behind) : faults_(faults), behind_(behind.upkeep()) {}
    absl::Status Health() override {
      absl::Status health = faults_.health();
      return health.ok() ? behind_.Health() : health;
    }
    Result<engine::EngineStatus> Status() override { return faults_.Run("Upkeep.Status", behind_.Status()); }
    std::string Incarnation() const override { return behind_.Incarnation(); }
    Result<engine::VerifyStep> Verify(AccountId account, engine::VerifyCursor from) override {
      return faults_.Run("Upkeep.Verify", behind_.Verify(account, from));
    }
    Task<absl::Status> Sweep(absl::Duration receipt_age) override {
      return faults_.Run("Upkeep.Sweep", behind_.Sweep(receipt_age));
    }
    void Stop() override { behind_.Stop(); }

   private:
    EngineFaults& faults_;
    engine::UpkeepEngine& behind_;
  };

  Directory directory_;
  Messages messages_;
  Maildrops maildrops_;
  Leases leases_;
  Queue queue_;
  Routes routes_;
  TlsReports tls_reports_;
  Sts sts_;
  Dkim dkim_;
  Srs srs_;
  Sending sending_;
  Submissions submissions_;
  engine::WebhookEngine& webhooks_;
  engine::KeyEngine& keys_;
  engine::AuditEngine& audit_;
  Upkeep upkeep_;
  engine::ChangeEngine& changes_;
  engine::BackupEngine& backups_;
};

}  // namespace mailstead
