#include "stored/engine/rocksdb/expiry.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/deletions.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/rules/retention.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kExpiry;
// Mailboxes that a step looks at: each is a seek.
constexpr size_t kMailboxesInStep = 200;

void MoveKey(Batch& batch, const std::string& before, const std::string& after) {
  if (before == after) return;
  if (!before.empty()) batch.Delete(kFamily, before);
  if (!after.empty()) batch.Put(kFamily, after, "");
}

std::string KeyOf(const Domain* domain) {
  if (domain == nullptr || domain->retention == absl::ZeroDuration()) return "";
  return DomainRetentionKey(domain->retention, domain->name);
}
std::string KeyOf(const Account* account) {
  if (account == nullptr) return "";
  const absl::Duration retention = account->retention.value_or(absl::ZeroDuration());
  return retention == absl::ZeroDuration() ? "" : AccountRetentionKey(retention, account->id);
}

// A step of FindExpired.
class Step {
 public:
  Step(const Database::Use& use, ExpiryPlace from, size_t limit, absl::Time now)
      : use_(use), from_(std::move(from)), limit_(limit), now_(now) {}

  absl::Status Run() {
    const auto visit = [this](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
      switch (key[0]) {
        case kAccountRetentionKind:
          return LookAtMailbox(AccountOfRetentionKey(key), RetentionOfKey(key), {std::string(key), ""});
        case kDomainRetentionKind:
          return LookAtDomain(key);
        default:
          return LookAtMessage(key);
      }
    };
    return Scan(use_, kFamily, from_.key, "", visit);
  }
  FoundExpired Take() { return std::move(found_); }

 private:
  // Each of these gives false where the step ends.

  // What is damaged stays, and does not keep others from their end.
  static bool PassOver(AccountId account, const absl::Status& damage) {
    obs::LogError("expiry_damaged", {{"account", account.value}, {"error", damage.ToString()}});
    return true;
  }

  bool EndAt(ExpiryPlace place) {
    found_.next = std::move(place);
    return false;
  }

  // `place`: its own.
  absl::StatusOr<bool> LookAtMailbox(AccountId account, absl::Duration retention, ExpiryPlace place) {
    if (mailbox_count_ == kMailboxesInStep || message_count_ == limit_) return EndAt(std::move(place));
    ++mailbox_count_;
    std::vector<MessageId> expired;
    const auto visit = [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
      MessageRecord record;
      RETURN_IF_ERROR(Decode(value, record));
      if (!rules::HasExpired(record.entry, retention, now_)) return false;
      if (message_count_ + expired.size() == limit_) {
        found_.next = std::move(place);
        return false;
      }
      expired.push_back(message);
      return true;
    };
    const absl::Status looked = ScanMessages(use_, account, MessageId{0}, 0, visit);
    if (absl::IsDataLoss(looked)) return PassOver(account, looked);
    RETURN_IF_ERROR(looked);
    RETURN_IF_ERROR(Add(account, retention, std::move(expired)));
    return found_.next.key.empty();
  }

  absl::StatusOr<bool> LookAtDomain(absl::string_view key) {
    const std::string prefix = AddressPrefix(kAccountKind, DomainOfRetentionKey(key));
    // Where the last step has ended, unless the domain's retention was changed since.
    const std::string first = key == from_.key ? std::max(prefix, from_.account) : prefix;
    bool goes_on = true;
    const auto visit = [&](absl::string_view address, absl::string_view value) -> absl::StatusOr<bool> {
      Account account;
      RETURN_IF_ERROR(Decode(value, account));
      // It is among the accounts, or keeps its mail for ever.
      if (account.retention.has_value()) {
        if (mailbox_count_ == kMailboxesInStep)
          return goes_on = EndAt({std::string(key), std::string(address)});
        ++mailbox_count_;
        return true;
      }
      ASSIGN_OR_RETURN(
          goes_on, LookAtMailbox(account.id, RetentionOfKey(key), {std::string(key), std::string(address)}));
      return goes_on;
    };
    RETURN_IF_ERROR(Scan(use_, Family::kDirectory, first, PrefixEnd(prefix), visit));
    return goes_on;
  }

  absl::StatusOr<bool> LookAtMessage(absl::string_view key) {
    if (TimeOfExpireKey(key) > now_) return false;
    if (message_count_ == limit_ || found_.passed.size() == limit_) return EndAt({std::string(key), ""});
    found_.passed.emplace_back(key);
    const AccountId account = AccountOfExpireKey(key);
    const MessageId message = MessageOfExpireKey(key);
    const auto found = FindRecord<MessageRecord>(use_, Family::kMessage, MessageKey(account, message));
    if (absl::IsDataLoss(found.status())) return PassOver(account, found.status());
    RETURN_IF_ERROR(found.status());
    const std::optional<MessageRecord>& record = *found;
    if (!record.has_value() || !rules::HasExpired(record->entry, absl::ZeroDuration(), now_)) return true;
    ASSIGN_OR_RETURN(const bool is_hidden, IsHidden(use_, account, message));
    if (is_hidden) return true;
    if (!found_.mailboxes.empty()) {
      ExpiredMessages& last = found_.mailboxes.back();
      if (last.account == account && last.retention == absl::ZeroDuration()) {
        last.messages.push_back(message);
        ++message_count_;
        return true;
      }
    }
    RETURN_IF_ERROR(Add(account, absl::ZeroDuration(), {message}));
    return true;
  }

  absl::Status Add(AccountId account, absl::Duration retention, std::vector<MessageId> messages) {
    if (messages.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const auto mailbox,
                     FindRecord<rules::Mailbox>(use_, Family::kMailbox, MailboxKey(account)));
    // Of a deleted account, whose messages are being taken away.
    if (!mailbox.has_value()) return absl::OkStatus();
    message_count_ += messages.size();
    found_.mailboxes.push_back({account, mailbox->number, retention, std::move(messages)});
    return absl::OkStatus();
  }

  const Database::Use& use_;
  const ExpiryPlace from_;
  const size_t limit_;
  const absl::Time now_;
  size_t mailbox_count_ = 0;
  size_t message_count_ = 0;
  FoundExpired found_;
};

// No session that holds the maildrop is an obstacle.
class ExpireChange final : public DeletingChange {
 public:
  ExpireChange(RocksDbShared& shared, ExpiredMessages expired)
      : DeletingChange(shared, expired.account, std::move(expired.messages), DeletionCause::kRetention),
        mailbox_number_(expired.mailbox_number),
        retention_(expired.retention) {}

 private:
  absl::StatusOr<bool> Decide(const Batch& batch, const rules::Mailbox* mailbox) override {
    // Since they were found the account may have gone, or another one may have its id.
    if (mailbox == nullptr || mailbox->number != mailbox_number_) return false;
    if (retention_ == absl::ZeroDuration()) return true;
    // And they may have got more time.
    ASSIGN_OR_RETURN(const absl::Duration now, FindMailboxRetention(batch, account()));
    return now != absl::ZeroDuration() && now <= retention_;
  }
  bool Finish(Batch&, rules::Mailbox&) override { return false; }

  const int64_t mailbox_number_;
  const absl::Duration retention_;
};

}  // namespace

void MoveRetention(Batch& batch, const Domain* before, const Domain* after) {
  MoveKey(batch, KeyOf(before), KeyOf(after));
}

void MoveRetention(Batch& batch, const Account* before, const Account* after) {
  MoveKey(batch, KeyOf(before), KeyOf(after));
}

void NoteRetention(Batch& batch, AccountId account, MessageId message, const rules::Entry& entry) {
  const absl::Time time = rules::ExpireTime(entry, absl::ZeroDuration());
  if (time != absl::InfiniteFuture()) batch.Put(kFamily, ExpireTimeKey(time, account, message), "");
}

absl::StatusOr<absl::Duration> FindLeastRetention(const Database::Use& use) {
  absl::Duration least;
  for (const char kind : {kAccountRetentionKind, kDomainRetentionKind}) {
    const std::string prefix(1, kind);
    const auto take = [&least](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
      least = rules::Shorter(least, RetentionOfKey(key));
      return false;
    };
    RETURN_IF_ERROR(Scan(use, kFamily, prefix, PrefixEnd(prefix), take));
  }
  return least;
}

absl::StatusOr<absl::Duration> FindMailboxRetention(const Source& source, AccountId account) {
  std::string key;
  ASSIGN_OR_RETURN(const bool exists, source.Find(Family::kDirectory, AccountIdKey(account), key));
  if (!exists) return absl::ZeroDuration();
  ASSIGN_OR_RETURN(const auto found, FindRecord<Account>(source, Family::kDirectory, key));
  ASSIGN_OR_RETURN(const auto domain,
                   FindRecord<Domain>(source, Family::kDirectory, NameKey(DomainOfAddressKey(key))));
  if (!found.has_value() || !domain.has_value()) return absl::ZeroDuration();
  return rules::MailboxRetention(*domain, *found);
}

absl::StatusOr<FoundExpired> FindExpired(const Database::Use& use, const ExpiryPlace& from, size_t limit,
                                         absl::Time now) {
  Step step(use, from, limit, now);
  RETURN_IF_ERROR(step.Run());
  return step.Take();
}

Task<absl::StatusOr<absl::Duration>> RocksDbDirectory::LeastRetention() {
  co_return co_await shared_.InMemoryFirst(FindLeastRetention);
}

Task<absl::StatusOr<UpkeepStep>> RocksDbMessages::Expire() {
  ExpiryPlace from;
  {
    absl::MutexLock lock(&expiry_mutex_);
    from = expired_;
  }
  const absl::Time now = shared_.clock().Now();
  // So few that none of a step's deletions leaves work behind.
  const size_t limit =
      std::min(shared_.options().max_deleted_at_once, shared_.options().max_reclaimed_at_once);
  const auto find = [&](const Database::Use& use) { return FindExpired(use, from, limit, now); };
  CO_ASSIGN_OR_RETURN(FoundExpired found, co_await shared_.OnDisk(find));
  UpkeepStep step;
  for (ExpiredMessages& expired : found.mailboxes) {
    ExpireChange change(shared_, std::move(expired));
    CO_RETURN_IF_ERROR(co_await change.Run());
    step.count += change.deleted_count();
  }
  if (!found.passed.empty()) {
    const auto drop = [&found](Batch& batch) {
      for (const std::string& key : found.passed) batch.Delete(kFamily, key);
      return absl::OkStatus();
    };
    // What a power cut takes back is dropped again.
    CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(drop, /*sync=*/false));
  }
  step.more = !found.next.key.empty();
  {
    absl::MutexLock lock(&expiry_mutex_);
    expired_ = std::move(found.next);
  }
  co_return step;
}

}  // namespace mailstead::engine
