// Accounts and their mailboxes.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/listing.h"

namespace mailstead::store {
namespace {

absl::Status NoAccount(absl::string_view address) {
  return absl::NotFoundError(absl::StrCat("no account ", address));
}

absl::StatusOr<Account> CreateAccount(Batch& batch, Account account) {
  RETURN_IF_ERROR(CheckAddressIsFree(batch, account.address));
  account.mailbox = MailboxId{batch.counters().next_mailbox++};
  ++batch.counters().account_count;
  const std::string key = AddressKey(kAccountKind, account.address);
  batch.Put(Family::kDirectory, key, Encode(account));
  batch.Put(Family::kDirectory, MailboxAddressKey(account.mailbox), key);
  MailboxRecord mailbox;
  mailbox.quota_bytes = account.quota_bytes;
  mailbox.quota_messages = account.quota_messages;
  batch.Put(Family::kMailbox, MailboxKey(account.mailbox), Encode(mailbox));
  return account;
}

absl::StatusOr<MailboxRecord> MailboxOf(const Source& source, const Account& account) {
  ASSIGN_OR_RETURN(auto mailbox,
                   FindRecord<MailboxRecord>(source, Family::kMailbox, MailboxKey(account.mailbox)));
  if (!mailbox.has_value()) {
    return absl::DataLossError(absl::StrCat("mailbox ", account.mailbox.value, " of an account is missing"));
  }
  return *std::move(mailbox);
}

}  // namespace

absl::Status CheckAddressIsFree(const Source& source, absl::string_view address) {
  const absl::string_view domain = address.substr(address.rfind('@') + 1);
  ASSIGN_OR_RETURN(const auto found, FindRecord<Domain>(source, Family::kDirectory, DomainKey(domain)));
  if (!found.has_value()) return absl::NotFoundError(absl::StrCat("no domain ", domain));
  for (const char kind : {kAccountKind, kAliasKind}) {
    std::string bytes;
    ASSIGN_OR_RETURN(const bool taken, source.Find(Family::kDirectory, AddressKey(kind, address), bytes));
    if (taken) {
      return absl::AlreadyExistsError(
          absl::StrCat(kind == kAccountKind ? "account " : "alias ", address, " exists"));
    }
  }
  return absl::OkStatus();
}

std::vector<absl::StatusOr<Account>> RocksDbEngine::CreateAccounts(const std::vector<Account>& accounts) {
  std::vector<absl::StatusOr<Account>> results;
  absl::Status committed = health_.CheckSpace();
  if (committed.ok()) {
    committed = writer_->Run([&](Batch& batch) {
      // Each checks all before it writes, so one that is refused leaves nothing of itself.
      for (const Account& account : accounts) results.push_back(CreateAccount(batch, account));
      return absl::OkStatus();
    });
  }
  if (!committed.ok()) results.assign(accounts.size(), committed);
  return results;
}

absl::StatusOr<Account> RocksDbEngine::GetAccount(absl::string_view address) {
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(auto account,
                   FindRecord<Account>(use, Family::kDirectory, AddressKey(kAccountKind, address)));
  if (!account.has_value()) return NoAccount(address);
  return *std::move(account);
}

absl::StatusOr<Account> RocksDbEngine::GetAccountByMailbox(MailboxId mailbox) {
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  std::string key;
  ASSIGN_OR_RETURN(const bool found, use.Find(Family::kDirectory, MailboxAddressKey(mailbox), key));
  if (found) {
    ASSIGN_OR_RETURN(auto account, FindRecord<Account>(use, Family::kDirectory, key));
    // Between the two look-ups the account may have been deleted, and another made with its address.
    if (account.has_value() && account->mailbox == mailbox) return *std::move(account);
  }
  return absl::NotFoundError(absl::StrCat("no mailbox ", mailbox.value));
}

absl::StatusOr<std::vector<Account>> RocksDbEngine::ListAccounts(absl::string_view domain,
                                                                 absl::string_view after, size_t limit) {
  return ListRecords<Account>(*database_, AddressPrefix(kAccountKind, domain),
                              after.empty() ? "" : AddressKey(kAccountKind, after), limit);
}

absl::StatusOr<Account> RocksDbEngine::UpdateAccount(const AccountChange& change) {
  Account changed;
  RETURN_IF_ERROR(writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = AddressKey(kAccountKind, change.address);
    ASSIGN_OR_RETURN(auto account, FindRecord<Account>(batch, Family::kDirectory, key));
    if (!account.has_value()) return NoAccount(change.address);
    if (change.disabled != nullptr) account->disabled = *change.disabled;
    if (change.quota_bytes != nullptr) account->quota_bytes = *change.quota_bytes;
    if (change.quota_messages != nullptr) account->quota_messages = *change.quota_messages;
    if (change.credential != nullptr) {
      const uint64_t version = account->credential.version + 1;
      account->credential = *change.credential;
      account->credential.version = version;
    }
    ASSIGN_OR_RETURN(MailboxRecord mailbox, MailboxOf(batch, *account));
    mailbox.quota_bytes = account->quota_bytes;
    mailbox.quota_messages = account->quota_messages;
    batch.Put(Family::kMailbox, MailboxKey(account->mailbox), Encode(mailbox));
    batch.Put(Family::kDirectory, key, Encode(*account));
    changed = *std::move(account);
    return absl::OkStatus();
  }));
  return changed;
}

// A mailbox may hold a million messages: its record goes now, in one small commit, and with it all of them
// for every verb; family meta keeps its number until upkeep has taken its entries away in many commits.
absl::Status RocksDbEngine::DeleteAccount(absl::string_view address) {
  RETURN_IF_ERROR(writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = AddressKey(kAccountKind, address);
    ASSIGN_OR_RETURN(const auto account, FindRecord<Account>(batch, Family::kDirectory, key));
    if (!account.has_value()) return NoAccount(address);
    const MailboxId mailbox = account->mailbox;
    ASSIGN_OR_RETURN(const bool locked, IsLocked(batch, leases_, mailbox));
    if (locked) return WithReason(absl::AbortedError("the maildrop is in use"), kReasonMaildropInUse);
    ASSIGN_OR_RETURN(const MailboxRecord record, MailboxOf(batch, *account));
    batch.Delete(Family::kDirectory, key);
    batch.Delete(Family::kDirectory, MailboxAddressKey(mailbox));
    batch.Delete(Family::kMailbox, MailboxKey(mailbox));
    batch.Delete(Family::kLock, MailboxKey(mailbox));
    batch.Put(Family::kMeta, DoomedKey(mailbox), "");
    --batch.counters().account_count;
    batch.counters().message_count -= record.message_count;
    batch.counters().message_bytes -= record.message_bytes;
    return absl::OkStatus();
  }));
  absl::MutexLock lock(&upkeep_mutex_);
  has_doomed_ = true;
  return absl::OkStatus();
}

}  // namespace mailstead::store
