#include "tests/unit/stored/fake_engine.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/digest.h"

namespace mailstead::store {
namespace {

template <typename Map>
auto ListFrom(const Map& map, const typename Map::key_type& after, bool from_start, size_t limit, auto keep) {
  std::vector<typename Map::mapped_type> items;
  for (auto entry = from_start ? map.begin() : map.upper_bound(after);
       entry != map.end() && items.size() < limit; ++entry) {
    if (keep(entry->first)) items.push_back(entry->second);
  }
  return items;
}

}  // namespace

#define LOCK_OR_FAIL()                                   \
  const std::lock_guard<std::mutex> engine_lock(mutex_); \
  if (!failure_.ok()) return failure_

class FakeEngine::Body final : public BodyWriter {
 public:
  explicit Body(FakeEngine& engine) : engine_(engine) { ++engine_.staged_bodies_; }
  ~Body() override { --engine_.staged_bodies_; }
  absl::Status Append(absl::string_view bytes) override {
    {
      const std::lock_guard<std::mutex> lock(engine_.mutex_);
      if (!engine_.failure_.ok()) return engine_.failure_;
    }
    engine_.staged_bytes_ += bytes.size();
    content_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  uint64_t size_bytes() const override { return content_.size(); }
  const std::string& content() const { return content_; }

 private:
  FakeEngine& engine_;
  std::string content_;
};

class FakeEngine::Reader final : public MessageReader {
 public:
  Reader(std::string delivery_id, std::string bytes)
      : delivery_id_(std::move(delivery_id)), bytes_(std::move(bytes)) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  const std::string& delivery_id() const override { return delivery_id_; }
  absl::StatusOr<std::string> Read(uint64_t offset, size_t max_bytes) override {
    return bytes_.substr(std::min<uint64_t>(offset, bytes_.size()), std::min<size_t>(max_bytes, 64 << 10));
  }

 private:
  const std::string delivery_id_;
  const std::string bytes_;
};

void FakeEngine::FailWith(absl::Status status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  failure_ = std::move(status);
}

size_t FakeEngine::delivery_count() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return receipts_.size();
}

bool FakeEngine::IsLocked(MailboxId mailbox) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return mailboxes_[mailbox.value].locked_by != 0;
}

void FakeEngine::Damage(MailboxId mailbox, MessageId message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  mailboxes_.at(mailbox.value).messages.at(message.value).content[0] ^= 1;
}

FakeEngine::Key FakeEngine::KeyOf(absl::string_view address) {
  const size_t at = address.rfind('@');
  if (at == absl::string_view::npos) return {};
  return {absl::AsciiStrToLower(address.substr(at + 1)), absl::AsciiStrToLower(address.substr(0, at))};
}

absl::Status FakeEngine::CheckFree(const std::string& address) {
  const Key key = KeyOf(address);
  if (domains_.count(key.first) == 0) return absl::NotFoundError(absl::StrCat("no domain ", key.first));
  if (accounts_.count(key) != 0 || aliases_.count(key) != 0) {
    return absl::AlreadyExistsError(absl::StrCat(address, " exists"));
  }
  return absl::OkStatus();
}

// --- Directory

absl::Status FakeEngine::CreateDomain(const Domain& domain) {
  LOCK_OR_FAIL();
  ++directory_version_;
  if (!domains_.emplace(domain.name, domain).second) return absl::AlreadyExistsError("domain exists");
  return absl::OkStatus();
}

absl::StatusOr<Domain> FakeEngine::GetDomain(absl::string_view name) {
  LOCK_OR_FAIL();
  const auto found = domains_.find(std::string(name));
  if (found == domains_.end()) return absl::NotFoundError("no domain");
  return found->second;
}

absl::StatusOr<std::vector<Domain>> FakeEngine::ListDomains(absl::string_view after, size_t limit) {
  LOCK_OR_FAIL();
  return ListFrom(domains_, std::string(after), after.empty(), limit, [](const auto&) { return true; });
}

absl::Status FakeEngine::UpdateDomain(const Domain& domain) {
  LOCK_OR_FAIL();
  ++directory_version_;
  const auto found = domains_.find(domain.name);
  if (found == domains_.end()) return absl::NotFoundError("no domain");
  found->second = domain;
  return absl::OkStatus();
}

absl::Status FakeEngine::DeleteDomain(absl::string_view name) {
  LOCK_OR_FAIL();
  ++directory_version_;
  const auto of_domain = [&](const auto& entry) { return entry.first.first == name; };
  if (std::any_of(accounts_.begin(), accounts_.end(), of_domain) ||
      std::any_of(aliases_.begin(), aliases_.end(), of_domain)) {
    return absl::FailedPreconditionError("domain is not empty");
  }
  return domains_.erase(std::string(name)) == 1 ? absl::OkStatus() : absl::NotFoundError("no domain");
}

std::vector<absl::StatusOr<Account>> FakeEngine::CreateAccounts(const std::vector<Account>& accounts) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++directory_version_;
  std::vector<absl::StatusOr<Account>> results;
  for (const Account& account : accounts) {
    absl::Status status = failure_.ok() ? CheckFree(account.address) : failure_;
    if (!status.ok()) {
      results.push_back(std::move(status));
      continue;
    }
    Account created = account;
    created.mailbox = MailboxId{next_mailbox_++};
    mailboxes_[created.mailbox.value];
    accounts_[KeyOf(account.address)] = created;
    results.push_back(created);
  }
  return results;
}

absl::StatusOr<Account> FakeEngine::GetAccount(absl::string_view address) {
  LOCK_OR_FAIL();
  const auto found = accounts_.find(KeyOf(address));
  if (found == accounts_.end()) return absl::NotFoundError("no account");
  return found->second;
}

absl::StatusOr<Account> FakeEngine::GetAccountByMailbox(MailboxId mailbox) {
  LOCK_OR_FAIL();
  for (const auto& [key, account] : accounts_) {
    if (account.mailbox == mailbox) return account;
  }
  return absl::NotFoundError("no mailbox");
}

absl::StatusOr<std::vector<Account>> FakeEngine::ListAccounts(absl::string_view domain,
                                                              absl::string_view after, size_t limit) {
  LOCK_OR_FAIL();
  return ListFrom(accounts_, KeyOf(after), after.empty(), limit,
                  [&](const Key& key) { return domain.empty() || key.first == domain; });
}

absl::StatusOr<Account> FakeEngine::UpdateAccount(const AccountChange& change) {
  LOCK_OR_FAIL();
  ++directory_version_;
  const auto found = accounts_.find(KeyOf(change.address));
  if (found == accounts_.end()) return absl::NotFoundError("no account");
  Account& account = found->second;
  if (change.disabled != nullptr) account.disabled = *change.disabled;
  if (change.quota_bytes != nullptr) account.quota_bytes = *change.quota_bytes;
  if (change.quota_messages != nullptr) account.quota_messages = *change.quota_messages;
  if (change.credential != nullptr) {
    const uint64_t version = account.credential.version + 1;
    account.credential = *change.credential;
    account.credential.version = version;
  }
  return account;
}

absl::Status FakeEngine::DeleteAccount(absl::string_view address) {
  LOCK_OR_FAIL();
  ++directory_version_;
  const auto found = accounts_.find(KeyOf(address));
  if (found == accounts_.end()) return absl::NotFoundError("no account");
  if (mailboxes_[found->second.mailbox.value].locked_by != 0) {
    return WithReason(absl::AbortedError("in use"), kReasonMaildropInUse);
  }
  mailboxes_.erase(found->second.mailbox.value);
  accounts_.erase(found);
  return absl::OkStatus();
}

absl::Status FakeEngine::CreateAlias(const Alias& alias) {
  LOCK_OR_FAIL();
  ++directory_version_;
  RETURN_IF_ERROR(CheckFree(alias.address));
  aliases_[KeyOf(alias.address)] = alias;
  return absl::OkStatus();
}

absl::StatusOr<Alias> FakeEngine::GetAlias(absl::string_view address) {
  LOCK_OR_FAIL();
  const auto found = aliases_.find(KeyOf(address));
  if (found == aliases_.end()) return absl::NotFoundError("no alias");
  return found->second;
}

absl::StatusOr<std::vector<Alias>> FakeEngine::ListAliases(absl::string_view domain, absl::string_view after,
                                                           size_t limit) {
  LOCK_OR_FAIL();
  return ListFrom(aliases_, KeyOf(after), after.empty(), limit,
                  [&](const Key& key) { return domain.empty() || key.first == domain; });
}

absl::Status FakeEngine::UpdateAlias(const Alias& alias) {
  LOCK_OR_FAIL();
  ++directory_version_;
  const auto found = aliases_.find(KeyOf(alias.address));
  if (found == aliases_.end()) return absl::NotFoundError("no alias");
  found->second = alias;
  return absl::OkStatus();
}

absl::Status FakeEngine::DeleteAlias(absl::string_view address) {
  LOCK_OR_FAIL();
  ++directory_version_;
  return aliases_.erase(KeyOf(address)) == 1 ? absl::OkStatus() : absl::NotFoundError("no alias");
}

// --- Delivery

absl::StatusOr<std::unique_ptr<BodyWriter>> FakeEngine::NewBody() {
  LOCK_OR_FAIL();
  return std::unique_ptr<BodyWriter>(new Body(*this));
}

MailboxUsage FakeEngine::UsageOf(const Mailbox& mailbox) const {
  MailboxUsage usage;
  for (const auto& [id, message] : mailbox.messages) {
    ++usage.message_count;
    usage.message_bytes += message.summary.size_bytes;
  }
  return usage;
}

absl::StatusOr<Receipt> FakeEngine::Append(const Delivery& delivery, const std::string& content,
                                           const std::string& sha256) {
  LOCK_OR_FAIL();
  if (const auto found = receipts_.find(delivery.delivery_id); found != receipts_.end()) {
    Receipt receipt = found->second;
    receipt.already_stored = true;
    return receipt;
  }
  for (const Recipient& recipient : delivery.recipients) {
    const auto mailbox = mailboxes_.find(recipient.mailbox.value);
    if (mailbox == mailboxes_.end()) return absl::NotFoundError("no mailbox");
    for (const auto& [key, account] : accounts_) {
      if (account.mailbox == recipient.mailbox && account.quota_bytes != 0 &&
          UsageOf(mailbox->second).message_bytes >= account.quota_bytes) {
        return WithReason(absl::ResourceExhaustedError("over quota"), kReasonOverQuota);
      }
    }
  }
  for (const Recipient& recipient : delivery.recipients) {
    Mailbox& mailbox = mailboxes_[recipient.mailbox.value];
    const uint64_t id = mailbox.next_message++;
    mailbox.messages[id] = {
        {MessageId{id}, absl::StrCat("u", id), delivery.prefix.size() + content.size(), delivery.deliver_time,
         delivery.delivery_id, delivery.reverse_path, recipient.address, sha256},
        delivery.prefix,
        content};
  }
  const Receipt receipt{delivery.delivery_id, false, sha256, delivery.deliver_time};
  receipts_[delivery.delivery_id] = receipt;
  return receipt;
}

void FakeEngine::AppendDelivery(Delivery delivery, std::unique_ptr<BodyWriter> body, std::string sha256,
                                Done<Receipt> done) {
  absl::StatusOr<Receipt> receipt = Append(delivery, static_cast<Body&>(*body).content(), sha256);
  body.reset();
  std::move(done)(std::move(receipt));
}

void FakeEngine::AppendDelivery(Delivery delivery, std::string content, std::string sha256,
                                Done<Receipt> done) {
  absl::StatusOr<Receipt> receipt = Append(delivery, content, sha256);
  {
    absl::MutexLock lock(&receipts_mutex_);
    if (holds_receipts_) {
      held_receipts_.push_back([done = std::move(done), receipt = std::move(receipt)]() mutable {
        std::move(done)(std::move(receipt));
      });
      return;
    }
  }
  std::move(done)(std::move(receipt));
}

void FakeEngine::HoldReceipts() {
  absl::MutexLock lock(&receipts_mutex_);
  holds_receipts_ = true;
}

bool FakeEngine::AwaitReceipts(size_t count) {
  absl::MutexLock lock(&receipts_mutex_);
  const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(receipts_mutex_) {
    return held_receipts_.size() >= count;
  };
  return receipts_mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
}

void FakeEngine::GiveReceipts() {
  std::vector<absl::AnyInvocable<void() &&>> held;
  {
    absl::MutexLock lock(&receipts_mutex_);
    holds_receipts_ = false;
    held.swap(held_receipts_);
  }
  for (auto& give : held) std::move(give)();
}

// --- Maildrops

absl::Status FakeEngine::RenewLease(absl::string_view lease_id, absl::string_view, absl::Duration) {
  LOCK_OR_FAIL();
  leases_.insert(std::string(lease_id));
  return absl::OkStatus();
}

absl::Status FakeEngine::EndLease(absl::string_view lease_id) {
  LOCK_OR_FAIL();
  leases_.erase(std::string(lease_id));
  return absl::OkStatus();
}

absl::StatusOr<Maildrop> FakeEngine::Open(MailboxId mailbox, absl::string_view lease_id) {
  LOCK_OR_FAIL();
  if (leases_.count(std::string(lease_id)) == 0) {
    return WithReason(absl::FailedPreconditionError("no lease"), kReasonNoLease);
  }
  const auto found = mailboxes_.find(mailbox.value);
  if (found == mailboxes_.end()) return absl::NotFoundError("no mailbox");
  if (found->second.locked_by != 0) return WithReason(absl::AbortedError("in use"), kReasonMaildropInUse);
  found->second.locked_by = next_token_++;
  Maildrop maildrop;
  maildrop.token = LeaseToken{found->second.locked_by};
  for (const auto& [id, message] : found->second.messages) maildrop.messages.push_back(message.summary);
  return maildrop;
}

void FakeEngine::OpenMaildrop(MailboxId mailbox, absl::string_view lease_id, absl::Duration,
                              Done<Maildrop> done) {
  std::move(done)(Open(mailbox, lease_id));
}

absl::Status FakeEngine::Commit(MailboxId mailbox, LeaseToken token,
                                const std::vector<MessageId>& deletions) {
  LOCK_OR_FAIL();
  Mailbox& box = mailboxes_[mailbox.value];
  if (box.committed == token.value) return absl::OkStatus();
  if (box.locked_by != token.value) return WithReason(absl::AbortedError("fenced"), kReasonFenced);
  for (const MessageId id : deletions) box.messages.erase(id.value);
  box.locked_by = 0;
  box.committed = token.value;
  return absl::OkStatus();
}

void FakeEngine::CommitMaildrop(MailboxId mailbox, LeaseToken token, std::vector<MessageId> deletions,
                                DoneStatus done) {
  std::move(done)(Commit(mailbox, token, deletions));
}

void FakeEngine::ReleaseMaildrop(MailboxId mailbox, LeaseToken token, DoneStatus done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Mailbox& box = mailboxes_[mailbox.value];
    if (box.locked_by == token.value) box.locked_by = 0;
  }
  std::move(done)(absl::OkStatus());
}

// --- Reading

absl::StatusOr<MailboxUsage> FakeEngine::GetUsage(MailboxId mailbox) {
  LOCK_OR_FAIL();
  const auto found = mailboxes_.find(mailbox.value);
  if (found == mailboxes_.end()) return absl::NotFoundError("no mailbox");
  return UsageOf(found->second);
}

absl::StatusOr<std::vector<MessageSummary>> FakeEngine::ListMessages(MailboxId mailbox, MessageId after,
                                                                     size_t limit) {
  LOCK_OR_FAIL();
  const auto found = mailboxes_.find(mailbox.value);
  if (found == mailboxes_.end()) return absl::NotFoundError("no mailbox");
  std::vector<MessageSummary> messages;
  for (auto entry = found->second.messages.upper_bound(after.value);
       entry != found->second.messages.end() && messages.size() < limit; ++entry) {
    messages.push_back(entry->second.summary);
  }
  return messages;
}

absl::StatusOr<std::unique_ptr<MessageReader>> FakeEngine::OpenMessage(MailboxId mailbox, MessageId message) {
  LOCK_OR_FAIL();
  const auto box = mailboxes_.find(mailbox.value);
  if (box == mailboxes_.end()) return absl::NotFoundError("no mailbox");
  const auto found = box->second.messages.find(message.value);
  if (found == box->second.messages.end()) return absl::NotFoundError("no message");
  return std::unique_ptr<MessageReader>(new Reader(
      found->second.summary.delivery_id, absl::StrCat(found->second.prefix, found->second.content)));
}

absl::StatusOr<uint64_t> FakeEngine::DeleteMessages(MailboxId mailbox,
                                                    const std::vector<MessageId>& messages) {
  LOCK_OR_FAIL();
  Mailbox& box = mailboxes_[mailbox.value];
  if (box.locked_by != 0) return WithReason(absl::AbortedError("in use"), kReasonMaildropInUse);
  uint64_t deleted = 0;
  for (const MessageId id : messages) deleted += box.messages.erase(id.value);
  return deleted;
}

// --- Operation

absl::Status FakeEngine::Health() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

absl::StatusOr<EngineStatus> FakeEngine::Status() {
  LOCK_OR_FAIL();
  EngineStatus status;
  status.engine = "fake";
  status.schema_version = 1;
  status.domain_count = domains_.size();
  status.account_count = accounts_.size();
  status.alias_count = aliases_.size();
  for (const std::string& lease : leases_) status.leases.push_back({lease, "test", absl::Seconds(5)});
  return status;
}

absl::StatusOr<uint64_t> FakeEngine::Verify(
    MailboxId mailbox, absl::FunctionRef<void(MailboxId, MessageId, const absl::Status&)> damaged) {
  LOCK_OR_FAIL();
  uint64_t checked = 0;
  for (const auto& [box_id, box] : mailboxes_) {
    if (mailbox.value != 0 && mailbox.value != box_id) continue;
    for (const auto& [id, message] : box.messages) {
      ++checked;
      if (Sha256(message.content) != message.summary.sha256) {
        damaged(MailboxId{box_id}, MessageId{id}, absl::DataLossError("the bytes differ"));
      }
    }
  }
  return checked;
}

absl::Status FakeEngine::Sweep(absl::Duration) { return absl::OkStatus(); }

}  // namespace mailstead::store
