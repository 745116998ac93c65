// The verbs of an engine for tests that read from top to bottom: each waits for its outcome. Not on the thread that the
// engine's executor needs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/engine.h"
#include "tests/support/block_on.h"

namespace mailstead::engine {

class SyncEngine {
 public:
  explicit SyncEngine(Engine& engine) : engine_(engine) {}

  // Directory.
  absl::StatusOr<DirectoryEntry> Create(DirectoryEntry entry) {
    return BlockOn(engine_.directory().Create({std::move(entry)}))[0];
  }
  absl::Status CreateDomain(Domain domain) { return Create(std::move(domain)).status(); }
  absl::Status CreateAlias(Alias alias) { return Create(std::move(alias)).status(); }
  std::vector<absl::StatusOr<Account>> CreateAccounts(const std::vector<Account>& accounts) {
    std::vector<absl::StatusOr<Account>> results;
    for (auto& result : BlockOn(engine_.directory().Create({accounts.begin(), accounts.end()}))) {
      results.push_back(As<Account>(std::move(result)));
    }
    return results;
  }
  absl::StatusOr<Place> LookUp(const std::string& address) {
    ASSIGN_OR_RETURN(std::vector<Place> places, BlockOn(engine_.directory().LookUp({address})));
    return std::move(places[0]);
  }
  absl::StatusOr<Domain> GetDomain(const std::string& name) {
    ASSIGN_OR_RETURN(Place place, LookUp("@" + name));
    if (!place.domain.has_value()) return absl::NotFoundError(name);
    return *std::move(place.domain);
  }
  absl::StatusOr<Account> GetAccount(const std::string& address) {
    ASSIGN_OR_RETURN(Place place, LookUp(address));
    if (!place.account.has_value()) return absl::NotFoundError(address);
    return *std::move(place.account);
  }
  absl::StatusOr<Alias> GetAlias(const std::string& address) {
    ASSIGN_OR_RETURN(Place place, LookUp(address));
    if (!place.alias.has_value()) return absl::NotFoundError(address);
    return *std::move(place.alias);
  }
  absl::StatusOr<Account> FindAccount(AccountId id) { return BlockOn(engine_.directory().FindAccount(id)); }
  absl::StatusOr<std::vector<Domain>> ListDomains(std::string after, size_t limit) {
    return BlockOn(engine_.directory().ListDomains(std::move(after), limit));
  }
  absl::StatusOr<std::vector<Account>> ListAccounts(std::string domain, std::string after, size_t limit) {
    return BlockOn(engine_.directory().ListAccounts(std::move(domain), std::move(after), limit));
  }
  absl::StatusOr<std::vector<Alias>> ListAliases(std::string domain, std::string after, size_t limit) {
    return BlockOn(engine_.directory().ListAliases(std::move(domain), std::move(after), limit));
  }
  absl::StatusOr<Domain> UpdateDomain(DomainChange change) { return Update<Domain>(std::move(change)); }
  absl::StatusOr<Account> UpdateAccount(AccountChange change) { return Update<Account>(std::move(change)); }
  absl::StatusOr<Alias> UpdateAlias(AliasChange change) { return Update<Alias>(std::move(change)); }
  absl::Status Delete(DirectoryKey key, int64_t expected_version = 0) {
    return BlockOn(engine_.directory().Delete(std::move(key), expected_version));
  }
  absl::Status DeleteDomain(const std::string& name) { return Delete(DomainKey{name}); }
  absl::Status DeleteAlias(const std::string& address) { return Delete(AliasKey{address}); }
  absl::Status DeleteAccount(const std::string& address) {
    ASSIGN_OR_RETURN(const Account account, GetAccount(address));
    return Delete(AccountKey{account.id});
  }
  absl::StatusOr<absl::Duration> LeastRetention() { return BlockOn(engine_.directory().LeastRetention()); }
  int64_t DirectoryVersion() { return engine_.directory().Version(); }

  // Messages.
  absl::StatusOr<std::unique_ptr<BodyWriter>> NewBody() { return BlockOn(engine_.messages().NewBody()); }
  absl::StatusOr<Receipt> Append(NewMessage message, Content content, std::vector<NewNotice> notices = {}) {
    return BlockOn(engine_.messages().Append(std::move(message), std::move(content), std::move(notices)));
  }
  absl::StatusOr<Settlement> Settle(std::string delivery_scope, std::string delivery_id) {
    return BlockOn(engine_.messages().Settle(std::move(delivery_scope), std::move(delivery_id)));
  }
  absl::StatusOr<std::vector<MessageSummary>> ListMessages(AccountId account, MessageId after, size_t limit) {
    return BlockOn(engine_.messages().List(account, after, limit));
  }
  absl::StatusOr<MessageSummary> FindMessage(AccountId account, MessageId message) {
    return BlockOn(engine_.messages().Find(account, message));
  }
  absl::StatusOr<FoundMessages> Search(AccountId account, MessageSearch search) {
    return BlockOn(engine_.messages().Search(account, std::move(search)));
  }
  absl::StatusOr<std::unique_ptr<MessageReader>> OpenMessage(AccountId account, MessageId message) {
    return BlockOn(engine_.messages().Open(account, message));
  }
  absl::StatusOr<DeletedMessages> DeleteAndTell(AccountId account, std::vector<MessageId> messages) {
    return BlockOn(engine_.messages().Delete(account, std::move(messages)));
  }
  // How many there were.
  absl::StatusOr<int64_t> DeleteMessages(AccountId account, std::vector<MessageId> messages) {
    ASSIGN_OR_RETURN(const DeletedMessages deleted, DeleteAndTell(account, std::move(messages)));
    return deleted.count;
  }
  absl::StatusOr<RestoredMessages> Restore(AccountId account, std::vector<MessageId> messages) {
    return BlockOn(engine_.messages().Restore(account, std::move(messages)));
  }
  absl::StatusOr<UpkeepStep> Expire() { return BlockOn(engine_.messages().Expire()); }
  absl::StatusOr<UpkeepStep> EmptyTrash() { return BlockOn(engine_.messages().EmptyTrash()); }
  absl::StatusOr<MailboxUsage> GetUsage(AccountId account) {
    ASSIGN_OR_RETURN(const Account found, FindAccount(account));
    return found.usage;
  }

  // Maildrops and leases.
  absl::StatusOr<OpenedMaildrop> OpenMaildrop(OpenRequest request) {
    return BlockOn(engine_.maildrops().Open(std::move(request)));
  }
  absl::StatusOr<std::vector<MaildropEntry>> ListMaildrop(AccountId account, std::string session_id,
                                                          MessageId after, MessageId last, size_t limit) {
    return BlockOn(engine_.maildrops().List(account, std::move(session_id), after, last, limit));
  }
  absl::StatusOr<CommittedMaildrop> CommitMaildrop(CommitRequest request) {
    return BlockOn(engine_.maildrops().Commit(std::move(request)));
  }
  absl::Status ReleaseMaildrop(AccountId account, std::string session_id) {
    return BlockOn(engine_.maildrops().Release(account, std::move(session_id)));
  }
  absl::StatusOr<LockInfo> FindLock(AccountId account) {
    return BlockOn(engine_.maildrops().FindLock(account));
  }
  absl::StatusOr<std::vector<LockInfo>> ListLocks(AccountId after, size_t limit) {
    return BlockOn(engine_.maildrops().ListLocks(after, limit));
  }
  absl::StatusOr<LockInfo> End(AccountId account, std::string session_id) {
    return BlockOn(engine_.maildrops().End(account, std::move(session_id)));
  }
  absl::Status RenewLease(std::string lease_id, std::string holder, absl::Duration ttl) {
    return BlockOn(engine_.leases().Renew(std::move(lease_id), std::move(holder), ttl));
  }
  absl::Status EndLease(std::string lease_id) { return BlockOn(engine_.leases().End(std::move(lease_id))); }
  bool IsLive(absl::string_view lease_id) { return engine_.leases().IsLive(lease_id); }
  std::string HolderOf(absl::string_view lease_id) { return engine_.leases().HolderOf(lease_id); }

  // The queue.
  absl::StatusOr<std::vector<QueueAttempt>> Lease(QueueLeaseRequest request) {
    return BlockOn(engine_.queue().Lease(std::move(request)));
  }
  absl::StatusOr<QueueChange> Report(QueueReport report, std::vector<NewNotice> notices = {}) {
    return BlockOn(engine_.queue().Report(std::move(report), std::move(notices)));
  }
  absl::StatusOr<QueueChange> Decide(QueueDecision decision, std::vector<NewNotice> notices = {}) {
    return BlockOn(engine_.queue().Decide(std::move(decision), std::move(notices)));
  }
  absl::StatusOr<size_t> TakeBack(size_t limit) { return BlockOn(engine_.queue().TakeBack(limit)); }
  absl::StatusOr<std::vector<DeliveredHere>> DeliverHere(size_t limit) {
    return BlockOn(engine_.queue().DeliverHere(limit));
  }
  absl::StatusOr<std::vector<QueuedMessage>> Due(size_t limit, size_t recipient_limit) {
    return BlockOn(engine_.queue().Due(limit, recipient_limit));
  }
  absl::StatusOr<QueuedMessage> FindQueued(QueueId message, int32_t first, size_t recipient_limit) {
    return BlockOn(engine_.queue().Find(message, first, recipient_limit));
  }
  absl::StatusOr<std::vector<QueuedMessage>> ListQueued(QueueId after, size_t limit, size_t recipient_limit) {
    return BlockOn(engine_.queue().List(after, limit, recipient_limit));
  }
  absl::StatusOr<std::vector<QueueDestination>> ListDestinations(std::string after, size_t limit) {
    return BlockOn(engine_.queue().ListDestinations(std::move(after), limit));
  }
  absl::StatusOr<std::unique_ptr<MessageReader>> OpenQueued(QueueId message) {
    return BlockOn(engine_.queue().Open(message));
  }
  absl::StatusOr<QueueStatus> GetQueueStatus() { return BlockOn(engine_.queue().Status()); }
  int64_t QueueVersion() { return engine_.queue().Version(); }

  // Upkeep.
  absl::Status Health() { return engine_.upkeep().Health(); }
  absl::StatusOr<EngineStatus> Status() { return BlockOn(engine_.upkeep().Status()); }
  absl::Status Sweep(absl::Duration receipt_age) { return BlockOn(engine_.upkeep().Sweep(receipt_age)); }
  // All steps of it: how many were checked.
  absl::StatusOr<int64_t> Verify(AccountId account,
                                 std::function<void(AccountId, MessageId, const absl::Status&)> damaged) {
    int64_t checked = 0;
    VerifyCursor from;
    for (;;) {
      ASSIGN_OR_RETURN(const VerifyStep step, BlockOn(engine_.upkeep().Verify(account, from)));
      checked += step.checked_count;
      for (const VerifyStep::Damage& damage : step.damaged)
        damaged(damage.account, damage.message, damage.error);
      if (!step.next.has_value()) return checked;
      from = *step.next;
    }
  }

  // Backups. All steps of the work: the backup.
  absl::StatusOr<Backup> Finish(absl::StatusOr<std::unique_ptr<BackupWork>> work) {
    RETURN_IF_ERROR(work.status());
    for (;;) {
      ASSIGN_OR_RETURN(BackupStep step, BlockOn((*work)->Step()));
      if (step.done.has_value()) return *std::move(step.done);
    }
  }
  absl::StatusOr<std::unique_ptr<BackupWork>> BeginBackup(std::string name) {
    return BlockOn(engine_.backups().Create({std::move(name), {}}));
  }
  absl::StatusOr<Backup> CreateBackup(std::string name) { return Finish(BeginBackup(std::move(name))); }
  absl::StatusOr<Backup> VerifyBackup(std::string name) {
    return Finish(BlockOn(engine_.backups().Verify(std::move(name))));
  }
  absl::StatusOr<std::vector<Backup>> ListBackups(std::string after = "", size_t limit = 1000) {
    return BlockOn(engine_.backups().List(std::move(after), limit));
  }
  absl::Status DeleteBackup(std::string name) { return BlockOn(engine_.backups().Delete(std::move(name))); }

 private:
  template <typename Entry>
  static absl::StatusOr<Entry> As(absl::StatusOr<DirectoryEntry> result) {
    RETURN_IF_ERROR(result.status());
    return std::get<Entry>(*std::move(result));
  }
  template <typename Entry>
  absl::StatusOr<Entry> Update(DirectoryChange change) {
    return As<Entry>(BlockOn(engine_.directory().Update(std::move(change))));
  }

  Engine& engine_;
};

}  // namespace mailstead::engine
