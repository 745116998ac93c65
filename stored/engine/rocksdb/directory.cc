// Domains, accounts and aliases.
#include "stored/rules/directory.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/change.h"

namespace mailstead::engine {
namespace {

// So many addresses are looked up at once on the caller's thread, when they are in memory.
constexpr size_t kFewAddresses = 32;

absl::StatusOr<rules::Mailbox> MailboxOf(const Source& source, AccountId account) {
  ASSIGN_OR_RETURN(auto mailbox, FindRecord<rules::Mailbox>(source, Family::kMailbox, MailboxKey(account)));
  if (mailbox.has_value()) return *std::move(mailbox);
  return absl::DataLossError(absl::StrCat("the mailbox of account ", account.value, " is missing"));
}

// False: the account, whose record was found under `key`, has been deleted since.
absl::StatusOr<bool> AddUsage(const Source& source, const std::string& key, Account& account) {
  const absl::StatusOr<rules::Mailbox> mailbox = MailboxOf(source, account.id);
  if (absl::IsDataLoss(mailbox.status())) {
    ASSIGN_OR_RETURN(const auto now, FindRecord<Account>(source, Family::kDirectory, key));
    if (!now.has_value() || now->id != account.id) return false;
  }
  RETURN_IF_ERROR(mailbox.status());
  account.usage = {mailbox->message_count, mailbox->message_bytes};
  return true;
}

absl::StatusOr<Place> Find(const Source& source, const std::string& address) {
  Place place;
  const rules::AddressParts parts = rules::Split(address);
  ASSIGN_OR_RETURN(place.domain, FindRecord<Domain>(source, Family::kDirectory, NameKey(parts.domain)));
  const std::string key = AddressKey(kAccountKind, address);
  ASSIGN_OR_RETURN(place.account, FindRecord<Account>(source, Family::kDirectory, key));
  if (place.account.has_value()) {
    ASSIGN_OR_RETURN(const bool still_there, AddUsage(source, key, *place.account));
    if (still_there) return place;
    place.account.reset();
  }
  ASSIGN_OR_RETURN(place.alias,
                   FindRecord<Alias>(source, Family::kDirectory, AddressKey(kAliasKind, address)));
  return place;
}

// Absent: there is no account with this id. Its key is that of its address.
struct KeyedAccount {
  std::string key;
  Account account;
};
absl::StatusOr<std::optional<KeyedAccount>> FindById(const Source& source, AccountId id) {
  KeyedAccount found;
  ASSIGN_OR_RETURN(const bool exists, source.Find(Family::kDirectory, AccountIdKey(id), found.key));
  if (!exists) return std::optional<KeyedAccount>();
  ASSIGN_OR_RETURN(auto account, FindRecord<Account>(source, Family::kDirectory, found.key));
  if (!account.has_value() || account->id != id) {
    // A rename between the two reads, or damage: the writer alone sees no rename.
    return absl::DataLossError(absl::StrCat("account ", id.value, " is not under its address"));
  }
  found.account = *std::move(account);
  return std::optional<KeyedAccount>(std::move(found));
}

// NotFound: its domain is not there. AlreadyExists: an account or alias has it.
absl::Status CheckIsFree(const Source& source, const std::string& address) {
  const std::string domain = rules::Split(address).domain;
  ASSIGN_OR_RETURN(const auto found, FindRecord<Domain>(source, Family::kDirectory, NameKey(domain)));
  if (!found.has_value()) return rules::NoDomain(domain);
  for (const char kind : {kAccountKind, kAliasKind}) {
    std::string bytes;
    ASSIGN_OR_RETURN(const bool taken, source.Find(Family::kDirectory, AddressKey(kind, address), bytes));
    if (taken) return rules::Exists(absl::StrCat(kind == kAccountKind ? "account " : "alias ", address));
  }
  return absl::OkStatus();
}

// A restored account has the id that it had.
absl::StatusOr<AccountId> ChooseId(Batch& batch, AccountId given) {
  if (given.value == 0) return AccountId{batch.counters().next_account};
  std::string bytes;
  ASSIGN_OR_RETURN(const bool taken, batch.Find(Family::kDirectory, AccountIdKey(given), bytes));
  if (taken) return rules::Exists(absl::StrCat("account ", given.value));
  ASSIGN_OR_RETURN(const bool doomed, batch.Find(Family::kMeta, DoomedKey(given), bytes));
  if (!doomed) return given;
  return absl::UnavailableError(
      absl::StrCat("the messages of the former account ", given.value, " are still being removed"));
}

void PutAccount(Batch& batch, const std::string& key, const Account& account, const rules::Mailbox& mailbox) {
  batch.Put(Family::kDirectory, key, Encode(account));
  batch.Put(Family::kMailbox, MailboxKey(account.id), Encode(mailbox));
}

void NoteAccount(Batch& batch, const RocksDbShared& shared, ChangeKind kind, const Account& account,
                 std::string old_address = "") {
  batch.Note({.kind = kind,
              .account = account.id,
              .time = shared.clock().Now(),
              .address = account.address,
              .old_address = std::move(old_address)});
}

// Each checks all before it writes, so one that is refused leaves nothing of itself.
class CreateChange final : public Change {
 public:
  CreateChange(RocksDbShared& shared, std::vector<DirectoryEntry> entries)
      : shared_(shared), entries_(std::move(entries)) {}

  absl::Status Apply(Batch& batch) override {
    const auto create = [&](auto& entry) { return Create(batch, std::move(entry)); };
    for (DirectoryEntry& entry : entries_) results_.push_back(std::visit(create, entry));
    return absl::OkStatus();
  }
  size_t record_count() const override { return 9 * entries_.size(); }
  size_t size_bytes() const override { return entries_.size() * sizeof(DirectoryEntry); }

  std::vector<absl::StatusOr<DirectoryEntry>> TakeResults() { return std::move(results_); }

 private:
  absl::StatusOr<DirectoryEntry> Create(Batch& batch, Domain domain) {
    const std::string key = NameKey(domain.name);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Domain>(batch, Family::kDirectory, key));
    if (existing.has_value()) return rules::Exists(absl::StrCat("domain ", domain.name));
    domain = rules::Created(std::move(domain));
    batch.Put(Family::kDirectory, key, Encode(domain));
    MoveRetention(batch, nullptr, &domain);
    ++batch.counters().domain_count;
    return domain;
  }
  absl::StatusOr<DirectoryEntry> Create(Batch& batch, Account account) {
    RETURN_IF_ERROR(CheckIsFree(batch, account.address));
    ASSIGN_OR_RETURN(account.id, ChooseId(batch, account.id));
    account = rules::Created(std::move(account));
    batch.counters().next_account = std::max(batch.counters().next_account, account.id.value + 1);
    ++batch.counters().account_count;
    rules::Mailbox mailbox;
    mailbox.number = shared_.database().NextId();
    rules::CopyQuota(account, mailbox);
    const std::string key = AddressKey(kAccountKind, account.address);
    PutAccount(batch, key, account, mailbox);
    batch.Put(Family::kDirectory, AccountIdKey(account.id), key);
    MoveRetention(batch, nullptr, &account);
    NoteAccount(batch, shared_, ChangeKind::kAccountCreated, account);
    return account;
  }
  absl::StatusOr<DirectoryEntry> Create(Batch& batch, Alias alias) {
    RETURN_IF_ERROR(CheckIsFree(batch, alias.address));
    alias = rules::Created(std::move(alias));
    batch.Put(Family::kDirectory, AddressKey(kAliasKind, alias.address), Encode(alias));
    ++batch.counters().alias_count;
    return alias;
  }

  RocksDbShared& shared_;
  std::vector<DirectoryEntry> entries_;
  std::vector<absl::StatusOr<DirectoryEntry>> results_;
};

absl::StatusOr<DirectoryEntry> UpdateOne(Batch& batch, const RocksDbShared&, const DomainChange& change) {
  const std::string key = NameKey(change.name);
  ASSIGN_OR_RETURN(const auto domain, FindRecord<Domain>(batch, Family::kDirectory, key));
  if (!domain.has_value()) return rules::NoDomain(change.name);
  RETURN_IF_ERROR(rules::CheckVersion(change.expected_version, domain->version));
  const Domain changed = rules::Changed(*domain, change);
  batch.Put(Family::kDirectory, key, Encode(changed));
  MoveRetention(batch, &*domain, &changed);
  return changed;
}

absl::StatusOr<DirectoryEntry> UpdateOne(Batch& batch, const RocksDbShared& shared,
                                         const AccountChange& change) {
  ASSIGN_OR_RETURN(const auto found, FindById(batch, change.id));
  if (!found.has_value()) return rules::NoAccount(absl::StrCat(change.id.value));
  RETURN_IF_ERROR(rules::CheckVersion(change.expected_version, found->account.version));
  ASSIGN_OR_RETURN(rules::Mailbox mailbox, MailboxOf(batch, change.id));
  Account changed = rules::Changed(found->account, change);
  const std::string key = AddressKey(kAccountKind, changed.address);
  if (key != found->key) {
    RETURN_IF_ERROR(CheckIsFree(batch, changed.address));
    batch.Delete(Family::kDirectory, found->key);
    batch.Put(Family::kDirectory, AccountIdKey(change.id), key);
  }
  rules::CopyQuota(changed, mailbox);
  PutAccount(batch, key, changed, mailbox);
  MoveRetention(batch, &found->account, &changed);
  for (const ChangeKind kind : rules::KindsOfUpdate(found->account, changed)) {
    NoteAccount(batch, shared, kind, changed,
                kind == ChangeKind::kAccountRenamed ? found->account.address : "");
  }
  changed.usage = {mailbox.message_count, mailbox.message_bytes};
  return changed;
}

absl::StatusOr<DirectoryEntry> UpdateOne(Batch& batch, const RocksDbShared&, const AliasChange& change) {
  const std::string key = AddressKey(kAliasKind, change.address);
  ASSIGN_OR_RETURN(const auto alias, FindRecord<Alias>(batch, Family::kDirectory, key));
  if (!alias.has_value()) return rules::NoAlias(change.address);
  RETURN_IF_ERROR(rules::CheckVersion(change.expected_version, alias->version));
  const Alias changed = rules::Changed(*alias, change);
  batch.Put(Family::kDirectory, key, Encode(changed));
  return changed;
}

class DeleteChange final : public Change {
 public:
  DeleteChange(RocksDbShared& shared, DirectoryKey key, int64_t expected_version)
      : shared_(shared), key_(std::move(key)), expected_version_(expected_version) {}

  absl::Status Apply(Batch& batch) override {
    return std::visit([&](const auto& key) { return Delete(batch, key); }, key_);
  }

 private:
  absl::Status Delete(Batch& batch, const DomainKey& domain) {
    const std::string key = NameKey(domain.name);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Domain>(batch, Family::kDirectory, key));
    if (!existing.has_value()) return rules::NoDomain(domain.name);
    RETURN_IF_ERROR(rules::CheckVersion(expected_version_, existing->version));
    for (const char kind : {kAccountKind, kAliasKind}) {
      ASSIGN_OR_RETURN(const bool used,
                       batch.FindPrefix(Family::kDirectory, AddressPrefix(kind, domain.name)));
      if (used) return rules::NotEmpty(domain.name, kind == kAccountKind ? "accounts" : "aliases");
    }
    batch.Delete(Family::kDirectory, key);
    for (const char kind : {kDkimKind, kPendingDkimKind}) {
      batch.Delete(Family::kDirectory, DkimDomainKey(kind, domain.name));
    }
    MoveRetention(batch, &*existing, nullptr);
    --batch.counters().domain_count;
    return absl::OkStatus();
  }

  // A mailbox may hold a million messages: its record goes now, in one small commit, and with it all of them for every
  // verb; family default keeps its number until upkeep has taken its entries away in many commits.
  absl::Status Delete(Batch& batch, const AccountKey& account) {
    const AccountId id = account.id;
    ASSIGN_OR_RETURN(const auto found, FindById(batch, id));
    if (!found.has_value()) return rules::NoAccount(absl::StrCat(id.value));
    RETURN_IF_ERROR(rules::CheckVersion(expected_version_, found->account.version));
    ASSIGN_OR_RETURN(const rules::LockState lock, FindLockState(batch, shared_.leases(), id));
    if (rules::IsHeld(lock)) return rules::InUse();
    ASSIGN_OR_RETURN(const rules::Mailbox mailbox, MailboxOf(batch, id));
    batch.Delete(Family::kDirectory, found->key);
    batch.Delete(Family::kDirectory, AccountIdKey(id));
    batch.Delete(Family::kMailbox, MailboxKey(id));
    batch.Delete(Family::kLock, MailboxKey(id));
    MoveRetention(batch, &found->account, nullptr);
    batch.Put(Family::kMeta, DoomedKey(id), "");
    --batch.counters().account_count;
    batch.counters().message_count -= mailbox.message_count;
    batch.counters().message_bytes -= mailbox.message_bytes;
    if (mailbox.message_count > 0) {
      batch.Note({.kind = ChangeKind::kEmptied, .account = id, .time = shared_.clock().Now()});
    }
    const GoneAccount gone{found->account.address, batch.next_position()};
    batch.Put(Family::kChange, GoneAccountKey(id), Encode(gone));
    NoteAccount(batch, shared_, ChangeKind::kAccountRemoved, found->account);
    return absl::OkStatus();
  }

  absl::Status Delete(Batch& batch, const AliasKey& alias) {
    const std::string key = AddressKey(kAliasKind, alias.address);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Alias>(batch, Family::kDirectory, key));
    if (!existing.has_value()) return rules::NoAlias(alias.address);
    RETURN_IF_ERROR(rules::CheckVersion(expected_version_, existing->version));
    batch.Delete(Family::kDirectory, key);
    --batch.counters().alias_count;
    return absl::OkStatus();
  }

  RocksDbShared& shared_;
  const DirectoryKey key_;
  const int64_t expected_version_;
};

// Records whose keys start with `prefix` and are greater than `after`, at most `limit`.
template <typename Record>
absl::StatusOr<std::vector<Record>> ListRecords(const Database::Use& use, const std::string& prefix,
                                                const std::string& after, size_t limit) {
  std::vector<Record> records;
  if (limit == 0) return records;
  const std::string first = after.empty() ? prefix : std::max(prefix, after + '\0');
  RETURN_IF_ERROR(Scan(use, Family::kDirectory, first, PrefixEnd(prefix),
                       [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                         RETURN_IF_ERROR(Decode(value, records.emplace_back()));
                         return records.size() < limit;
                       }));
  return records;
}

std::string After(char kind, const std::string& after) {
  return after.empty() ? "" : AddressKey(kind, after);
}

}  // namespace

Task<absl::StatusOr<std::vector<Place>>> RocksDbDirectory::LookUp(std::vector<std::string> addresses) {
  const auto read = [&addresses](const Database::Use& use) -> absl::StatusOr<std::vector<Place>> {
    std::vector<Place> places;
    places.reserve(addresses.size());
    for (const std::string& address : addresses) {
      ASSIGN_OR_RETURN(Place place, Find(use, address));
      places.push_back(std::move(place));
    }
    return places;
  };
  if (addresses.size() > kFewAddresses) co_return co_await shared_.OnDisk(read);
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<Account>> RocksDbDirectory::FindAccount(AccountId id) {
  const auto read = [id](const Database::Use& use) -> absl::StatusOr<Account> {
    absl::StatusOr<std::optional<KeyedAccount>> found = FindById(use, id);
    // A rename may have come in between its two reads.
    if (absl::IsDataLoss(found.status())) found = FindById(use, id);
    RETURN_IF_ERROR(found.status());
    if (!found->has_value()) return rules::NoAccount(absl::StrCat(id.value));
    ASSIGN_OR_RETURN(const bool still_there, AddUsage(use, (*found)->key, (*found)->account));
    if (!still_there) return rules::NoAccount(absl::StrCat(id.value));
    return std::move((*found)->account);
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<std::vector<Domain>>> RocksDbDirectory::ListDomains(std::string after, size_t limit) {
  const auto read = [&](const Database::Use& use) {
    return ListRecords<Domain>(use, std::string(1, kDomainKind), after.empty() ? "" : NameKey(after), limit);
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::vector<Account>>> RocksDbDirectory::ListAccounts(std::string domain,
                                                                          std::string after, size_t limit) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<Account>> {
    ASSIGN_OR_RETURN(
        std::vector<Account> accounts,
        ListRecords<Account>(use, AddressPrefix(kAccountKind, domain), After(kAccountKind, after), limit));
    std::vector<Account> there;
    there.reserve(accounts.size());
    for (Account& account : accounts) {
      // One that was deleted since the walk has no mailbox any more.
      ASSIGN_OR_RETURN(const auto mailbox,
                       FindRecord<rules::Mailbox>(use, Family::kMailbox, MailboxKey(account.id)));
      if (mailbox.has_value()) account.usage = {mailbox->message_count, mailbox->message_bytes};
      there.push_back(std::move(account));
    }
    return there;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::vector<Alias>>> RocksDbDirectory::ListAliases(std::string domain, std::string after,
                                                                       size_t limit) {
  const auto read = [&](const Database::Use& use) {
    return ListRecords<Alias>(use, AddressPrefix(kAliasKind, domain), After(kAliasKind, after), limit);
  };
  co_return co_await shared_.OnDisk(read);
}

Task<std::vector<absl::StatusOr<DirectoryEntry>>> RocksDbDirectory::Create(
    std::vector<DirectoryEntry> entries) {
  const size_t count = entries.size();
  absl::Status status = shared_.health().CheckSpace();
  CreateChange change(shared_, std::move(entries));
  if (status.ok()) {
    status = co_await shared_.writer().Commit(change);
  }
  if (!status.ok()) co_return std::vector<absl::StatusOr<DirectoryEntry>>(count, status);
  co_return change.TakeResults();
}

Task<absl::StatusOr<DirectoryEntry>> RocksDbDirectory::Update(DirectoryChange change) {
  absl::StatusOr<DirectoryEntry> updated;
  const auto apply = [&](Batch& batch) {
    updated = std::visit([&](const auto& one) { return UpdateOne(batch, shared_, one); }, change);
    return updated.status();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return updated;
}

Task<absl::Status> RocksDbDirectory::Delete(DirectoryKey key, int64_t expected_version) {
  const bool is_account = std::holds_alternative<AccountKey>(key);
  DeleteChange change(shared_, std::move(key), expected_version);
  absl::Status deleted = co_await shared_.writer().Commit(change);
  if (deleted.ok() && is_account) shared_.NoteReclaim();
  co_return deleted;
}

}  // namespace mailstead::engine
