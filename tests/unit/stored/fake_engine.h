// An engine in memory, for tests of core and service: what stored/engine/engine.h promises, but nothing
// lasts.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "stored/engine/engine.h"

namespace mailstead::store {

class FakeEngine final : public Engine {
 public:
  // While it is not OK every verb gives it.
  void FailWith(absl::Status status);
  // Bodies that were begun and neither appended nor dropped.
  int staged_body_count() const { return staged_bodies_; }
  // Bytes given to BodyWriters.
  uint64_t staged_bytes() const { return staged_bytes_; }
  // Messages stored, whatever the number of their mailboxes.
  size_t delivery_count();
  bool IsLocked(MailboxId mailbox);
  // Changes a byte of what is stored.
  void Damage(MailboxId mailbox, MessageId message);

  absl::Status CreateDomain(const Domain& domain) override;
  absl::StatusOr<Domain> GetDomain(absl::string_view name) override;
  absl::StatusOr<std::vector<Domain>> ListDomains(absl::string_view after, size_t limit) override;
  absl::Status UpdateDomain(const Domain& domain) override;
  absl::Status DeleteDomain(absl::string_view name) override;
  std::vector<absl::StatusOr<Account>> CreateAccounts(const std::vector<Account>& accounts) override;
  absl::StatusOr<Account> GetAccount(absl::string_view address) override;
  absl::StatusOr<Account> GetAccountByMailbox(MailboxId mailbox) override;
  absl::StatusOr<std::vector<Account>> ListAccounts(absl::string_view domain, absl::string_view after,
                                                    size_t limit) override;
  absl::StatusOr<Account> UpdateAccount(const AccountChange& change) override;
  absl::Status DeleteAccount(absl::string_view address) override;
  absl::Status CreateAlias(const Alias& alias) override;
  absl::StatusOr<Alias> GetAlias(absl::string_view address) override;
  absl::StatusOr<std::vector<Alias>> ListAliases(absl::string_view domain, absl::string_view after,
                                                 size_t limit) override;
  absl::Status UpdateAlias(const Alias& alias) override;
  absl::Status DeleteAlias(absl::string_view address) override;

  absl::StatusOr<std::unique_ptr<BodyWriter>> NewBody() override;
  void AppendDelivery(Delivery delivery, std::unique_ptr<BodyWriter> body, std::string sha256,
                      Done<Receipt> done) override;
  void AppendDelivery(Delivery delivery, std::string content, std::string sha256,
                      Done<Receipt> done) override;

  absl::Status RenewLease(absl::string_view lease_id, absl::string_view holder, absl::Duration ttl) override;
  absl::Status EndLease(absl::string_view lease_id) override;
  void OpenMaildrop(MailboxId mailbox, absl::string_view lease_id, absl::Duration min_interval,
                    Done<Maildrop> done) override;
  void CommitMaildrop(MailboxId mailbox, LeaseToken token, std::vector<MessageId> deletions,
                      DoneStatus done) override;
  void ReleaseMaildrop(MailboxId mailbox, LeaseToken token, DoneStatus done) override;

  absl::StatusOr<MailboxUsage> GetUsage(MailboxId mailbox) override;
  absl::StatusOr<std::vector<MessageSummary>> ListMessages(MailboxId mailbox, MessageId after,
                                                           size_t limit) override;
  absl::StatusOr<std::unique_ptr<MessageReader>> OpenMessage(MailboxId mailbox, MessageId message) override;
  absl::StatusOr<uint64_t> DeleteMessages(MailboxId mailbox, const std::vector<MessageId>& messages) override;

  uint64_t DirectoryVersion() const override { return directory_version_; }
  absl::Status Health() override;
  absl::StatusOr<EngineStatus> Status() override;
  absl::StatusOr<uint64_t> Verify(
      MailboxId mailbox, absl::FunctionRef<void(MailboxId, MessageId, const absl::Status&)> damaged) override;
  absl::Status Sweep(absl::Duration receipt_age) override;

  // From now on receipts of small messages are kept back...
  void HoldReceipts();
  // ...(false: so many were not there within 30 s)...
  bool AwaitReceipts(size_t count);
  // ...until this gives them out.
  void GiveReceipts();

 private:
  class Body;
  class Reader;
  struct Message {
    MessageSummary summary;
    std::string prefix;
    std::string content;
  };
  struct Mailbox {
    uint64_t next_message = 1;
    std::map<uint64_t, Message> messages;
    uint64_t locked_by = 0;
    uint64_t committed = 0;
  };
  // (domain, local part), as listings are sorted.
  using Key = std::pair<std::string, std::string>;

  static Key KeyOf(absl::string_view address);
  absl::Status CheckFree(const std::string& address);
  absl::StatusOr<Receipt> Append(const Delivery& delivery, const std::string& content,
                                 const std::string& sha256);
  absl::StatusOr<Maildrop> Open(MailboxId mailbox, absl::string_view lease_id);
  absl::Status Commit(MailboxId mailbox, LeaseToken token, const std::vector<MessageId>& deletions);
  MailboxUsage UsageOf(const Mailbox& mailbox) const;

  std::mutex mutex_;
  std::atomic<uint64_t> directory_version_ = 1;
  absl::Status failure_;
  std::atomic<int> staged_bodies_ = 0;
  std::atomic<uint64_t> staged_bytes_ = 0;
  std::map<std::string, Domain> domains_;
  std::map<Key, Account> accounts_;
  std::map<Key, Alias> aliases_;
  std::map<uint64_t, Mailbox> mailboxes_;
  std::map<std::string, Receipt> receipts_;
  std::set<std::string> leases_;
  absl::Mutex receipts_mutex_;
  bool holds_receipts_ ABSL_GUARDED_BY(receipts_mutex_) = false;
  std::vector<absl::AnyInvocable<void() &&>> held_receipts_ ABSL_GUARDED_BY(receipts_mutex_);
  uint64_t next_mailbox_ = 1;
  uint64_t next_token_ = 1;
};

}  // namespace mailstead::store
