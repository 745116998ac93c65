// The RocksDB engine and the reference model, operation by operation: random verbs with their results compared. Every run
// has a seed, which it prints: MAILSTEAD_SEED repeats one, MAILSTEAD_OPERATIONS makes it longer.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "stored/engine/change.h"
#include "stored/engine/memory/memory_engine.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "stored/engine/webhook.h"
#include "tests/conformance/conformance.h"
#include "tests/support/sync_engine.h"

namespace mailstead::engine {
namespace {

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  int64_t value;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// What an engine is compared by: all that it says, but tokens and versions of listings, which each engine makes its own
// way.

// Behind all that it is used for.
template <typename T>
std::string Describe(const std::vector<T>& items);

std::string Describe(const absl::Status& status) {
  if (status.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(status.code()), "/", ReasonOf(status), "/", FieldOf(status));
}
std::string Describe(absl::Duration duration) { return absl::FormatDuration(duration); }
std::string Describe(absl::Time time) { return absl::StrCat(absl::ToUnixMicros(time)); }
std::string Describe(int64_t number) { return absl::StrCat(number); }
std::string Describe(size_t number) { return absl::StrCat(number); }
std::string Describe(bool flag) { return flag ? "yes" : "no"; }
std::string Describe(const std::string& text) { return text; }
std::string Describe(MessageId id) { return absl::StrCat(id.value); }
std::string Describe(const WebhookProgress& progress) {
  return absl::StrCat("at ", progress.cursor.position, " by ", progress.lease_id, " ", progress.revision,
                      " waiting ", progress.waiting_count, " dead ", progress.dead_count, " dropped ",
                      progress.dropped_count, " ", Describe(progress.success_time), " ",
                      Describe(progress.failure_time), " ", progress.failure);
}
std::string Describe(const KeptWebhook& kept) {
  const Webhook& webhook = kept.webhook;
  return absl::StrCat("webhook ", webhook.id, " ", static_cast<int>(webhook.state), " ", webhook.version, " ",
                      webhook.url, " ", webhook.filter, " ", webhook.sealed_secret, " ",
                      webhook.old_sealed_secret, " ", Describe(webhook.old_secret_expire_time), " ",
                      Describe(webhook.update_time), " ", Describe(kept.progress));
}
std::string Describe(const WebhookEvent& event) {
  return absl::StrCat(event.account.value, "/", event.at.position, "/", event.at.message.value, " ",
                      event.event, " ", event.attempt_count, " ", Describe(event.time), " ", event.failure);
}
std::string Describe(const WebhookLane& lane) {
  return absl::StrCat(lane.account.value, " ", Describe(lane.time));
}
std::string Describe(const WebhookReported& reported) {
  return absl::StrCat(Describe(reported.progress), " ", Describe(reported.lanes));
}
std::string Describe(const Domain& domain) {
  return absl::StrCat("domain ", domain.name, " ", domain.plus_addressing, " ", Describe(domain.create_time),
                      " ", Describe(domain.update_time), " ", domain.version, " ",
                      absl::FormatDuration(domain.undelete_window), " ",
                      absl::FormatDuration(domain.retention), " ", static_cast<int>(domain.mta_sts));
}
std::string Describe(const Account& account) {
  return absl::StrCat("account ", account.id.value, " ", account.address, " ", account.disabled, " ",
                      account.quota_bytes, " ", account.quota_messages, " ", account.credential.crypt_hash,
                      " ", account.credential.version, " ", Describe(account.create_time), " ",
                      Describe(account.update_time), " ", account.version, " ", account.usage.message_count,
                      " ", account.usage.message_bytes, " ",
                      account.retention.has_value() ? absl::FormatDuration(*account.retention) : "-");
}
std::string Describe(const Alias& alias) {
  return absl::StrCat("alias ", alias.address, " ", absl::StrJoin(alias.targets, ","), " ",
                      Describe(alias.create_time), " ", Describe(alias.update_time), " ", alias.version);
}
std::string Describe(const DirectoryEntry& entry) {
  return std::visit([](const auto& one) { return Describe(one); }, entry);
}
std::string Describe(const Place& place) {
  return absl::StrCat("{", place.domain.has_value() ? Describe(*place.domain) : "-", ";",
                      place.account.has_value() ? Describe(*place.account) : "-", ";",
                      place.alias.has_value() ? Describe(*place.alias) : "-", "}");
}
std::string Describe(const Receipt& receipt) {
  return absl::StrCat(receipt.already_stored, " ", absl::BytesToHexString(receipt.sha256), " ",
                      Describe(receipt.deliver_time), " ", absl::StrJoin(receipt.waiting, ","), " ",
                      absl::StrJoin(receipt.notices_left_out, ","));
}
std::string Describe(const Settlement& settlement) {
  return settlement.receipt.has_value() ? Describe(*settlement.receipt) : "void";
}
std::string Describe(const EnvelopeRecipient& recipient) {
  const DsnNotify& notify = recipient.notify;
  return absl::StrCat(recipient.address, "/", notify.given, notify.success, notify.failure, notify.delay, "/",
                      recipient.original_recipient);
}
std::string Describe(const std::optional<MessageDeletion>& deletion) {
  if (!deletion.has_value()) return "-";
  return absl::StrCat(Describe(deletion->time), "/", static_cast<int>(deletion->cause), "/",
                      Describe(deletion->restorable_until));
}
std::string Describe(const MessageSummary& summary) {
  return absl::StrCat(
      summary.id.value, " ", summary.unique_id, " ", summary.size_bytes, " ", summary.content_bytes, " ",
      Describe(summary.deliver_time), " ", summary.delivery_id, " ", summary.reverse_path, " ",
      Describe(summary.recipients), " ", absl::BytesToHexString(summary.sha256), " ", summary.searched.known,
      " ", summary.searched.subject, " ", summary.searched.has_attachment, " ", Describe(summary.deletion));
}
std::string Describe(const FoundMessages& found) {
  return absl::StrCat(Describe(found.messages), " ", found.last.value, " ", found.done);
}
std::string Describe(const FeedChange& change) {
  std::string text =
      absl::StrCat(static_cast<int>(change.kind), " ", change.account.value, " ", Describe(change.time), " ",
                   change.end.position, "/", change.end.message.value, " ", change.message.value, " ",
                   static_cast<int>(change.cause), " ", change.address, " ", change.old_address, " ",
                   change.current_address);
  for (const MessageId message : change.deleted) absl::StrAppend(&text, " ", message.value);
  for (const MessageId message : change.restored) absl::StrAppend(&text, " ", message.value);
  if (change.summary.has_value())
    absl::StrAppend(&text, " ", change.summary->delivery_id, " ", change.summary->size_bytes);
  return text;
}
std::string Describe(const ChangePage& page) {
  return absl::StrCat(Describe(page.changes), " ", page.reached.position, "/", page.reached.message.value,
                      " ", page.more);
}
std::string Describe(const MaildropEntry& entry) {
  return absl::StrCat(entry.id.value, "/", entry.unique_id, "/", entry.size_bytes);
}
std::string Describe(const OpenedMaildrop& opened) {
  return absl::StrCat(opened.since_known_version, " ", Describe(opened.entries), " ",
                      Describe(opened.removed), " ", opened.last.value, " ", opened.more);
}
std::string Describe(const CommittedMaildrop& committed) {
  return absl::StrCat(committed.deleted_count, " ", committed.version.empty() ? "unknown" : "known");
}
std::string Describe(const LockInfo& lock) {
  return absl::StrCat(lock.account.value, " ", lock.session_id, " ", lock.lease_id, " ",
                      Describe(lock.open_time), " ", lock.client_address);
}
std::string Describe(const DeletedMessages& deleted) {
  return absl::StrCat(deleted.count, " ", Describe(deleted.missing));
}
std::string Describe(const RestoredMessages& restored) {
  return absl::StrCat(restored.count, " ", Describe(restored.missing));
}
std::string Describe(const QueueReply& reply) {
  return absl::StrCat(reply.code, "/", reply.status, "/", reply.text, "/", reply.host, "/",
                      Describe(reply.time));
}
std::string Describe(const QueuedRecipient& recipient) {
  return absl::StrCat(recipient.number, " ", recipient.address, " ", recipient.destination, " ",
                      recipient.original_recipient, " ", recipient.notify.success, " ",
                      recipient.forwarded_for, " ", recipient.attempt_count, " ",
                      Describe(recipient.next_attempt_time), " ", recipient.held, " ", recipient.in_flight,
                      " ", Describe(recipient.last_reply));
}
std::string Describe(const QueuedMessage& message) {
  return absl::StrCat(message.id.value, " ", message.envelope.delivery_id, " ", message.envelope.reverse_path,
                      " ", message.lane, " ", Describe(message.queue_time), " ",
                      Describe(message.expire_time), " ", message.delay_told, " ", message.size_bytes, " ",
                      absl::BytesToHexString(message.sha256), " ", message.recipient_count, " ",
                      Describe(message.recipients));
}
std::string Describe(const QueueAttempt& attempt) {
  return absl::StrCat(attempt.grant.value, " ", attempt.destination, " ", attempt.probe, " ",
                      attempt.tls_broken, " ", Describe(attempt.message));
}
std::string Describe(const QueueChange& change) {
  return absl::StrCat("ended ", absl::StrJoin(change.ended, ","), " deferred ",
                      absl::StrJoin(change.deferred, ","), " ", change.message_ended);
}
std::string Describe(const DeliveredHere& delivered) {
  return absl::StrCat(delivered.obstacle.has_value() ? static_cast<int>(*delivered.obstacle) : -1, " ",
                      Describe(delivered.message));
}
std::string Describe(const QueueStatus& status) {
  return absl::StrCat(status.message_count, " ", status.recipient_count, " ", status.in_flight_count, " ",
                      status.held_count, " ", Describe(status.oldest_time));
}
std::string Describe(const QueueDestination& destination) {
  return absl::StrCat(destination.name, " ", destination.recipient_count, " ", destination.in_flight_count,
                      " ", destination.site, " ", destination.site_in_flight_count, " ",
                      destination.site_destination_count, " ", destination.window, " ",
                      Describe(destination.paused_until), " ", Describe(destination.paced_until), " ",
                      Describe(destination.tls_broken_until));
}
std::string Describe(const EngineStatus& status) {
  std::vector<std::string> leases;
  for (const LeaseInfo& lease : status.leases) {
    leases.push_back(
        absl::StrCat(lease.lease_id, "/", lease.holder, "/", absl::FormatDuration(lease.remaining)));
  }
  std::sort(leases.begin(), leases.end());
  return absl::StrCat(status.domain_count, " ", status.account_count, " ", status.alias_count, " ",
                      status.message_count, " ", status.message_bytes, " ", status.open_maildrop_count, " ",
                      absl::StrJoin(leases, ","));
}
template <typename T>
std::string Describe(const std::vector<T>& items) {
  std::string all = "[";
  for (const T& item : items) absl::StrAppend(&all, Describe(item), " ");
  return all + "]";
}
template <typename T>
std::string Describe(const absl::StatusOr<T>& result) {
  return result.ok() ? Describe(*result) : Describe(result.status());
}

class Comparison {
 public:
  explicit Comparison(uint64_t seed)
      : random_(seed), has_rate_(seed % 2 == 1), memory_store_(std::make_shared<MemoryStore>()) {
    // The disk is not what is compared.
    const std::string root = std::filesystem::is_directory("/dev/shm")
                                 ? "/dev/shm"
                                 : std::filesystem::temp_directory_path().string();
    std::string name = root + "/mailstead-comparison-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
    OpenBoth();
  }
  ~Comparison() {
    rocksdb_.reset();
    std::filesystem::remove_all(path_);
  }

  // One operation on both. False: they differ.
  bool Step() {
    switch (Below(30)) {
      case 0:
        return CreateDomain();
      case 1:
      case 2:
        return CreateAccount();
      case 3:
        return CreateAlias();
      case 4:
      case 5:
        return Update();
      case 6:
        return Delete();
      case 7:
        return LookUp();
      case 8:
        return ListDirectory();
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
        return Append();
      case 15:
        return ListMessages();
      case 16:
        return Read();
      case 17:
        return DeleteMessages();
      case 18:
        return Below(2) == 0 ? Restore() : Lease();
      case 19:
        return Lease();
      case 20:
      case 21:
      case 22:
        return OpenMaildrop();
      case 23:
        return ListMaildrop();
      case 24:
      case 25:
        return Commit();
      case 26:
        return Below(3) == 0 ? End() : Release();
      case 27:
        clock_.Advance(absl::Milliseconds(Below(8000)));
        return true;
      case 28:
        return Below(3) == 0 ? DeliverHere() : Upkeep();
      default:
        if (Below(5) == 0) OpenBoth();
        return Below(3) == 0 ? StepsOfWebhooks() : Below(2) == 0 ? Follow() : Settle();
    }
  }

  // One of the queue's, or of what it depends on. Leases are overdue for less than an hour here: an engine forgets them
  // after that, when it likes.
  bool StepOfQueue() {
    switch (Below(20)) {
      case 0:
        return last_account_ < 3 ? CreateDomain() && CreateAccount() : Append();
      case 1:
      case 2:
      case 3:
        return Append();
      case 4:
      case 5:
        return Lease();
      case 6:
      case 7:
      case 8:
      case 9:
        return LeaseQueued();
      case 10:
      case 11:
      case 12:
      case 13:
        return Report();
      case 14:
      case 15:
        return Decide();
      case 16:
        return Below(3) == 0 ? DeleteMessages() : Below(2) == 0 ? TakeBack() : DeliverHere();
      case 17:
        return ListQueue();
      case 18:
        return PassTime();
      default:
        if (Below(20) == 0) OpenBoth();
        return true;
    }
  }

  const std::string& what() const { return what_; }

 private:
  // Its fences, which each engine makes its own way.
  struct SentWebhook {
    std::string id;
    int64_t memory_fence = 0;
    int64_t rocksdb_fence = 0;
  };
  struct Session {
    std::string id;
    AccountId account;
    LockToken memory_token;
    LockToken rocksdb_token;
    std::vector<MessageId> seen;
    // Its listing, as a front-end has it that builds on those it remembers; absent where it had not all of it.
    std::optional<std::vector<MessageId>> listing;
  };
  struct Version {
    AccountId account;
    std::string memory;
    std::string rocksdb;
    std::optional<std::vector<MessageId>> listing;
  };

  void OpenBoth() {
    memory_.reset();
    MemoryOptions memory_options{memory_store_, &clock_, &clock_, nullptr};
    memory_options.dice = [] { return 0.3; };
    // With a rate for some seeds; what is remembered is forgotten again while it runs.
    rules::QueuePolicy policy;
    policy.rate_count = has_rate_ ? 20 : 0;
    policy.most_remembered = 2;
    policy.site_memory = absl::Hours(1);
    memory_options.queue_policy = policy;
    memory_ = OpenMemoryEngine(memory_options);
    rocksdb_.reset();
    RocksDbOptions options;
    options.path = path_;
    options.write_buffer_bytes = size_t{2} << 20;
    options.min_free_bytes = 0;
    options.maintenance_interval = absl::Milliseconds(20);
    options.clock = &clock_;
    options.lease_clock = &clock_;
    options.dice = [] { return 0.3; };
    options.queue_policy = policy;
    // Deletions of several messages are hidden at once and taken away slowly, while others go on.
    options.max_deleted_at_once = static_cast<size_t>(1 + Below(4));
    options.max_reclaimed_at_once = 1;
    options.executor = &executor_;
    auto engine = OpenRocksDbEngine(options);
    CHECK(engine.ok());
    rocksdb_ = *std::move(engine);
  }

  int64_t Below(int64_t bound) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound)); }
  template <typename T>
  const T& OneOf(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(Below(static_cast<int64_t>(choices.size())))];
  }
  std::string DomainName() { return OneOf<std::string>({"a.test", "b.test", "A.test", "c.test"}); }
  std::string Address() {
    return absl::StrCat(OneOf<std::string>({"", "u", "v", "W", "w", "x", "y"}), "@", DomainName());
  }
  AccountId AnAccount() { return AccountId{Below(last_account_ + 2)}; }
  int64_t Expected() { return Below(3) == 0 ? Below(4) : 0; }

  // The same verb of both engines, and what they say of it.
  template <typename Verb>
  bool Same(const std::string& what, const Verb& verb) {
    return Compare(what, Describe(verb(SyncEngine(*memory_))), Describe(verb(SyncEngine(*rocksdb_))));
  }
  bool Compare(const std::string& what, const std::string& memory, const std::string& rocksdb) {
    what_ = what;
    EXPECT_EQ(memory, rocksdb) << what;
    return memory == rocksdb;
  }

  bool Create(const DirectoryEntry& entry) {
    absl::StatusOr<DirectoryEntry> created;
    const bool same =
        Same("Create " + Describe(entry), [&](SyncEngine engine) { return created = engine.Create(entry); });
    if (created.ok() && std::holds_alternative<Account>(*created)) {
      last_account_ = std::max(last_account_, std::get<Account>(*created).id.value);
    }
    return same;
  }
  // Some so short that it is over while others go on.
  absl::Duration UndeleteWindow() { return absl::Seconds(OneOf<int64_t>({0, 20, 3600})); }
  // An engine takes any.
  absl::Duration Retention() { return absl::Seconds(OneOf<int64_t>({0, 30, 60, 300})); }
  MtaSts AnyMtaSts() {
    return OneOf<MtaSts>({MtaSts::kOff, MtaSts::kNone, MtaSts::kTesting, MtaSts::kEnforce});
  }
  bool CreateDomain() {
    Domain domain{DomainName(), Below(2) == 0, clock_.Now()};
    domain.undelete_window = UndeleteWindow();
    if (Below(2) == 0) domain.retention = Retention();
    domain.mta_sts = AnyMtaSts();
    return Create(domain);
  }
  bool CreateAccount() {
    Account account;
    account.address = Address();
    account.quota_messages = Below(4) == 0 ? 5 : 0;
    account.quota_bytes = Below(4) == 0 ? (Below(2) == 0 ? 200'000 : 2000) : 0;
    account.create_time = clock_.Now();
    if (Below(4) == 0) account.retention = Retention();
    // Ids of deleted accounts are free again only once their messages are gone.
    if (Below(5) == 0) account.id = AccountId{last_account_ + Below(3)};
    if (account.id.value != 0 && account.id.value <= last_account_ && !Exists(account.id)) account.id = {};
    return Create(account);
  }
  bool Exists(AccountId id) { return SyncEngine(*memory_).FindAccount(id).ok(); }
  bool CreateAlias() { return Create(Alias{Address(), {Address(), Address()}, clock_.Now()}); }

  bool Update() {
    const int64_t expected = Expected();
    switch (Below(3)) {
      case 0: {
        DomainChange change{DomainName(), expected, std::nullopt, clock_.Now()};
        if (Below(2) == 0) change.plus_addressing = Below(2) == 0;
        if (Below(2) == 0) change.undelete_window = UndeleteWindow();
        if (Below(3) == 0) change.retention = Retention();
        if (Below(3) == 0) change.mta_sts = AnyMtaSts();
        return Same("UpdateDomain " + change.name,
                    [&](SyncEngine engine) { return engine.UpdateDomain(change); });
      }
      case 1: {
        AliasChange change{Address(), expected, std::vector<std::string>{Address()}, clock_.Now()};
        return Same("UpdateAlias " + change.address,
                    [&](SyncEngine engine) { return engine.UpdateAlias(change); });
      }
      default: {
        AccountChange change;
        change.id = AnAccount();
        change.expected_version = expected;
        change.time = clock_.Now();
        if (Below(2) == 0) change.address = Address();
        if (Below(3) == 0) change.disabled = Below(2) == 0;
        if (Below(3) == 0) change.quota_messages = Below(10);
        if (Below(4) == 0) {
          change.retention = Below(2) == 0 ? std::optional(Retention()) : std::nullopt;
        }
        if (Below(3) == 0) change.credential.emplace().crypt_hash = absl::StrCat(Below(1000));
        return Same(absl::StrCat("UpdateAccount ", change.id.value, " ", change.address.value_or("")),
                    [&](SyncEngine engine) { return engine.UpdateAccount(change); });
      }
    }
  }

  bool Delete() {
    const int64_t expected = Expected();
    DirectoryKey key = AliasKey{Address()};
    if (Below(3) == 0) key = AccountKey{AnAccount()};
    if (Below(4) == 0) key = DomainKey{DomainName()};
    return Same(absl::StrCat("Delete ", key.index()),
                [&](SyncEngine engine) { return engine.Delete(key, expected); });
  }

  bool LookUp() {
    const std::vector<std::string> addresses = {Address(), Address(), Address()};
    const auto verb = [&](Engine& engine) { return Describe(BlockOn(engine.directory().LookUp(addresses))); };
    if (!Compare("LookUp " + absl::StrJoin(addresses, " "), verb(*memory_), verb(*rocksdb_))) return false;
    const AccountId account = AnAccount();
    return Same(absl::StrCat("FindAccount ", account.value),
                [&](SyncEngine engine) { return engine.FindAccount(account); });
  }

  bool ListDirectory() {
    const std::string domain = Below(2) == 0 ? DomainName() : "";
    const std::string after = Below(2) == 0 ? Address() : "";
    const size_t limit = static_cast<size_t>(Below(6));
    return Same("ListAccounts",
                [&](SyncEngine engine) { return engine.ListAccounts(domain, after, limit); }) &&
           Same("ListAliases", [&](SyncEngine engine) { return engine.ListAliases(domain, after, limit); }) &&
           Same("ListDomains", [&](SyncEngine engine) { return engine.ListDomains(domain, limit); });
  }

  bool Append() {
    NewMessage message;
    message.delivery_scope = OneOf<std::string>({"smtp", "operator"});
    message.envelope.delivery_id = absl::StrCat("delivery-", Below(4) == 0 ? Below(50) : 1000 + counter_++);
    message.envelope.reverse_path = Address();
    message.envelope.dsn_envelope_id = "e";
    std::vector<AccountId> accounts;
    for (int64_t left = 1 + Below(3); left > 0; --left) accounts.push_back(AnAccount());
    std::sort(accounts.begin(), accounts.end());
    // Now and then one is named twice, which is refused.
    if (Below(20) != 0) accounts.erase(std::unique(accounts.begin(), accounts.end()), accounts.end());
    for (const AccountId account : accounts) {
      EnvelopeRecipient recipient;
      recipient.address = Address();
      recipient.notify = {Below(2) == 0, Below(2) == 0, false, false};
      message.envelope.recipients.push_back(recipient);
      NewCopy copy;
      copy.account = account;
      copy.prefix = absl::StrCat("Delivered-To: ", account.value, "\r\n");
      copy.recipients = {static_cast<int32_t>(message.envelope.recipients.size()) - 1};
      copy.unique_id = absl::StrCat("unique-", counter_++);
      copy.may_wait = Below(2) == 0;
      if (Below(15) == 0) copy.id = MessageId{Below(100)};
      message.copies.push_back(std::move(copy));
    }
    if (Below(2) == 0) AddQueued(message);
    message.trace = std::string(static_cast<size_t>(Below(300)), 't');
    const bool staged = Below(4) == 0;
    const std::string content = RandomText(static_cast<size_t>(Below(10) == 0 ? Below(200'000) : Below(3000)),
                                           static_cast<uint32_t>(random_()));
    message.sha256 = Sha256(content);
    message.fingerprint = Sha256(absl::StrCat(message.envelope.delivery_id, Below(3)));
    message.deliver_time = clock_.Now();
    message.room_promised = Below(2) == 0;
    message.searched.known = Below(4) != 0;
    if (Below(4) == 0) message.retention = Retention();
    if (message.searched.known) {
      message.searched.subject = OneOf<std::string>({"", "a", "ab", "B"});
      message.searched.has_attachment = Below(2) == 0;
    }
    if (Below(20) == 0) message.refusal = absl::NotFoundError("refused before");
    std::vector<NewNotice> notices = Notices();
    for (NewNotice& notice : notices) {
      if (!message.copies.empty() && Below(2) == 0) {
        notice.copies.push_back(static_cast<size_t>(Below(static_cast<int64_t>(message.copies.size()))));
      }
    }
    return Same("Append " + message.envelope.delivery_id, [&](SyncEngine engine) -> absl::StatusOr<Receipt> {
      if (!staged) return engine.Append(message, Content{content, nullptr}, notices);
      auto body = engine.NewBody();
      CHECK(body.ok());
      for (size_t at = 0; at < content.size(); at += 50'000) {
        CHECK(BlockOn((*body)->Append(content.substr(at, 50'000))).ok());
      }
      return engine.Append(message, Content{"", *std::move(body)}, notices);
    });
  }

  void AddQueued(NewMessage& message) {
    // Now and then it goes nowhere else.
    if (Below(2) == 0) message.copies.clear();
    // Sometimes very many.
    const int64_t count = Below(10) == 0 ? 150 : 1 + Below(5);
    for (int64_t i = 0; i < count; ++i) {
      NewQueuedRecipient queued;
      queued.recipient =
          static_cast<int32_t>(Below(static_cast<int64_t>(message.envelope.recipients.size())));
      queued.destination =
          OneOf<std::string>({"one.example", "two.example", "three.example", "one", "gone.example"});
      queued.address = absl::StrCat("u", i, "@", queued.destination);
      message.queued.recipients.push_back(queued);
    }
    message.queued.lane = OneOf<std::string>({"a", "b", "c"});
    if (Below(3) != 0) message.queued.delay_notice_time = clock_.Now() + absl::Minutes(Below(300));
    if (Below(3) != 0) message.queued.expire_time = clock_.Now() + absl::Minutes(Below(600));
  }

  std::vector<NewNotice> Notices() {
    std::vector<NewNotice> notices;
    for (int64_t left = Below(4) == 0 ? 1 + Below(2) : 0; left > 0; --left) {
      NewNotice& notice = notices.emplace_back();
      notice.message.delivery_scope = "queue";
      notice.message.envelope.delivery_id = absl::StrCat("notice-", counter_++);
      notice.message.envelope.recipients.emplace_back().address = Address();
      notice.content = RandomText(static_cast<size_t>(Below(3000)), static_cast<uint32_t>(random_()));
      notice.message.sha256 = notice.message.fingerprint = Sha256(notice.content);
      notice.message.deliver_time = clock_.Now();
      if (Below(3) == 0) {
        AddQueued(notice.message);
      } else {
        notice.message.copies.push_back(
            {AnAccount(), "Return-Path: <>\r\n", {0}, std::nullopt, absl::StrCat("unique-", counter_++)});
      }
    }
    return notices;
  }

  bool LeaseQueued() {
    const QueueLeaseRequest request{LeaseId(), static_cast<size_t>(Below(8)),
                                    static_cast<size_t>(Below(120))};
    absl::StatusOr<std::vector<QueueAttempt>> attempts;
    const bool same = Same("Lease by " + request.lease_id,
                           [&](SyncEngine engine) { return attempts = engine.Lease(request); });
    if (!attempts.ok()) return same;
    for (QueueAttempt& attempt : *attempts) attempts_.push_back(std::move(attempt));
    return same;
  }

  bool Report() {
    if (attempts_.empty()) return true;
    const size_t which = static_cast<size_t>(Below(static_cast<int64_t>(attempts_.size())));
    const QueueAttempt attempt = attempts_[which];
    // Now and then it comes again, or its lease has ended since.
    if (Below(4) != 0) attempts_.erase(attempts_.begin() + static_cast<int64_t>(which));
    QueueReport report;
    report.message = attempt.message.id;
    report.grant = attempt.grant;
    report.sign = OneOf<QueueReport::Sign>(
        {QueueReport::Sign::kNone, QueueReport::Sign::kAnswered, QueueReport::Sign::kUnreachable});
    if (attempt.destination == "gone.example") report.sign = QueueReport::Sign::kUnreachable;
    // Now and then the hosts are others, or cannot be found out.
    if (Below(8) != 0) {
      report.site =
          OneOf<std::string>({"mx.example", "mx.example", "mx.example", "away.example", "away.example", ""});
    }
    if (report.site == "away.example") report.sign = QueueReport::Sign::kUnreachable;
    report.tls = OneOf<QueueReport::Tls>(
        {QueueReport::Tls::kNone, QueueReport::Tls::kUsed, QueueReport::Tls::kBroken});
    for (const QueuedRecipient& recipient : attempt.message.recipients) {
      if (Below(10) == 0) continue;
      QueueOutcome& outcome = report.outcomes.emplace_back();
      outcome.number = recipient.number;
      outcome.kind =
          OneOf<QueueOutcome::Kind>({QueueOutcome::Kind::kDelivered, QueueOutcome::Kind::kFailed,
                                     QueueOutcome::Kind::kDeferred, QueueOutcome::Kind::kDeferred});
      outcome.reply = {static_cast<int32_t>(Below(600)), "4.0.0", "text", "host", clock_.Now()};
      if (Below(5) == 0) outcome.next_attempt_time = clock_.Now() + absl::Minutes(Below(400));
    }
    const std::vector<NewNotice> notices = Notices();
    return Same(absl::StrCat("Report of ", report.grant.value),
                [&](SyncEngine engine) { return engine.Report(report, notices); });
  }

  bool Decide() {
    QueueDecision decision;
    decision.kind = OneOf<QueueDecision::Kind>({QueueDecision::Kind::kHold, QueueDecision::Kind::kRelease,
                                                QueueDecision::Kind::kRetry, QueueDecision::Kind::kEnd,
                                                QueueDecision::Kind::kDelayTold});
    decision.message = AQueued();
    for (int64_t left = Below(4); left > 0; --left) {
      decision.recipients.push_back(static_cast<int32_t>(10 * left + Below(10)) % 12);
    }
    const std::vector<NewNotice> notices = Notices();
    return Same(absl::StrCat("Decide ", static_cast<int>(decision.kind), " about ", decision.message.value),
                [&](SyncEngine engine) { return engine.Decide(decision, notices); });
  }

  QueueId AQueued() {
    const auto listed = SyncEngine(*memory_).ListQueued(QueueId{Below(counter_ + 1) / 4}, 1, 0);
    return listed.ok() && !listed->empty() ? listed->front().id : QueueId{Below(10)};
  }

  bool DeliverHere() {
    const size_t limit = static_cast<size_t>(Below(20));
    return Same("DeliverHere", [&](SyncEngine engine) { return engine.DeliverHere(limit); });
  }

  bool TakeBack() {
    const size_t limit = static_cast<size_t>(Below(200));
    return Same("TakeBack", [&](SyncEngine engine) { return engine.TakeBack(limit); });
  }

  bool ListQueue() {
    const QueueId message = AQueued();
    const size_t limit = static_cast<size_t>(Below(10));
    const size_t recipient_limit = static_cast<size_t>(1 + Below(10));
    const int32_t first = static_cast<int32_t>(Below(4));
    return Same("Due", [&](SyncEngine engine) { return engine.Due(limit, recipient_limit); }) &&
           Same("Find", [&](SyncEngine engine) { return engine.FindQueued(message, first, limit); }) &&
           Same("List",
                [&](SyncEngine engine) { return engine.ListQueued(message, limit, recipient_limit); }) &&
           Same("ListDestinations",
                [&](SyncEngine engine) { return engine.ListDestinations(limit < 5 ? "one" : "", limit); }) &&
           Same("QueueStatus", [&](SyncEngine engine) { return engine.GetQueueStatus(); }) &&
           Same("Open", [&](SyncEngine engine) -> absl::StatusOr<std::string> {
             ASSIGN_OR_RETURN(const auto reader, engine.OpenQueued(message));
             ASSIGN_OR_RETURN(const std::string piece, BlockOn(reader->Read(0, 65536)));
             return absl::StrCat(reader->size_bytes(), " ", reader->delivery_id(), " ",
                                 absl::BytesToHexString(Sha256(piece)));
           });
  }

  // What becomes of a webhook's events, by who claims it and an operator.
  bool StepsOfWebhooks() {
    for (int64_t left = 1 + Below(12); left > 0; --left) {
      if (!StepOfWebhook()) return false;
    }
    return true;
  }
  bool StepOfWebhook() {
    if (webhooks_.size() < 2) {
      KeptWebhook made;
      made.webhook.id = absl::StrCat("hook-", ++counter_);
      made.webhook.create_time = clock_.Now();
      webhooks_.push_back({made.webhook.id});
      return Hooked("Create", [made](WebhookEngine& engine) { return BlockOn(engine.Create(made)); });
    }
    SentWebhook& sent = webhooks_[static_cast<size_t>(Below(2))];
    const std::string id = sent.id;
    const AccountId account{Below(3)};
    switch (Below(12)) {
      case 0:
      case 1: {
        const std::string lease = absl::StrCat("lease-", Below(3));
        const auto claim = [&](Engine& engine, int64_t& fence) {
          const auto kept = BlockOn(engine.webhooks().Claim(id, lease));
          if (kept.ok() && kept->progress.lease_id == lease) fence = kept->progress.fence;
          return Describe(kept);
        };
        return Compare("Claim " + id, claim(*memory_, sent.memory_fence),
                       claim(*rocksdb_, sent.rocksdb_fence));
      }
      case 2: {
        WebhookUpdate update;
        update.id = id;
        update.expected_version = Expected();
        update.time = clock_.Now();
        if (Below(2) == 0)
          update.state = OneOf<Webhook::State>({Webhook::State::kActive, Webhook::State::kPaused});
        if (Below(4) == 0) update.url = absl::StrCat("u", Below(9));
        if (Below(4) == 0) update.filter = absl::StrCat("f", Below(9));
        if (Below(3) == 0) {
          update.sealed_secret = absl::StrCat("s", Below(9));
          update.old_secret_expire_time = clock_.Now() + absl::Seconds(Below(3));
        }
        return Hooked("Update", [=](WebhookEngine& engine) { return BlockOn(engine.Update(update)); });
      }
      case 3: {
        if (Below(8) != 0) return true;
        const int64_t expected = Expected();
        const auto remove = [=](WebhookEngine& engine) { return BlockOn(engine.Delete(id, expected)); };
        return Hooked("Delete", remove) && Hooked("Delete on", remove) &&
               Hooked("List", [](WebhookEngine& engine) { return BlockOn(engine.List()); });
      }
      case 4: {
        WebhookEvent test;
        test.event = "test";
        test.attempt_count = static_cast<int32_t>(Below(11));
        test.time = clock_.Now();
        return Hooked("Add", [=](WebhookEngine& engine) { return BlockOn(engine.Add(id, test)); });
      }
      case 5: {
        const std::vector<ChangeCursor> dead = {{Below(20), MessageId{0}}, {Below(20), MessageId{0}}};
        const absl::Time now = clock_.Now();
        return Hooked("Revive", [=](WebhookEngine& engine) { return BlockOn(engine.Revive(id, dead, now)); });
      }
      case 6:
        return Hooked("ListDead",
                      [=](WebhookEngine& engine) {
                        return BlockOn(engine.ListDead(id, {5, {}}, 5));
                      }) &&
               Hooked("ListLanes",
                      [=](WebhookEngine& engine) { return BlockOn(engine.ListLanes(id, account, 2)); });
      case 7:
        return Hooked("ListWaiting",
                      [=](WebhookEngine& engine) { return BlockOn(engine.ListWaiting(id, account, 5)); });
      default: {
        WebhookReport report;
        report.id = id;
        report.cursor.position = Below(20);
        for (int64_t left = Below(5); left > 0; --left) {
          WebhookOutcome outcome;
          outcome.kind =
              OneOf<WebhookOutcome::Kind>({WebhookOutcome::Kind::kSent, WebhookOutcome::Kind::kFailed,
                                           WebhookOutcome::Kind::kFailed, WebhookOutcome::Kind::kBehind});
          outcome.account = AccountId{Below(3)};
          outcome.at.position = Below(20);
          // Of what waits, as it is; or of something else.
          const auto waiting = BlockOn(memory_->webhooks().ListWaiting(id, outcome.account, 1));
          if (waiting.ok() && !waiting->empty() && Below(3) != 0) {
            outcome.at = waiting->front().at;
            outcome.attempt_count = waiting->front().attempt_count;
          } else {
            outcome.event = absl::StrCat("event ", outcome.at.position);
          }
          outcome.failure = "no";
          outcome.retry_after = absl::Minutes(Below(100));
          report.outcomes.push_back(outcome);
        }
        const absl::Time now = clock_.Now();
        const auto tell = [&](Engine& engine, int64_t fence) {
          report.fence = fence;
          return Describe(BlockOn(engine.webhooks().Report(report, now)));
        };
        return Compare("Report " + id, tell(*memory_, sent.memory_fence),
                       tell(*rocksdb_, sent.rocksdb_fence));
      }
    }
  }
  template <typename Verb>
  bool Hooked(const std::string& what, const Verb& verb) {
    return Compare(what, Describe(verb(memory_->webhooks())), Describe(verb(rocksdb_->webhooks())));
  }

  bool PassTime() {
    for (int i = 0; i < 3; ++i) {
      const std::string lease = absl::StrCat("lease-", i);
      if (SyncEngine(*memory_).IsLive(lease)) continue;
      if (!Same("End " + lease, [&](SyncEngine engine) { return engine.EndLease(lease); })) return false;
    }
    clock_.Advance(Below(3) == 0 ? absl::Milliseconds(Below(20 * 60'000)) : absl::Milliseconds(Below(3000)));
    return true;
  }

  bool Settle() {
    const std::string scope = OneOf<std::string>({"smtp", "operator"});
    // Of a delivery that was, or will be.
    const int64_t number = Below(3) == 0 ? Below(50) : 1000 + Below(counter_ + 10);
    const std::string id = absl::StrCat("delivery-", number);
    return Same("Settle " + id, [&](SyncEngine engine) { return engine.Settle(scope, id); });
  }

  std::vector<MessageId> SomeMessages(AccountId account) {
    std::vector<MessageId> some;
    const auto all = SyncEngine(*memory_).ListMessages(account, MessageId{0}, 1000);
    if (!all.ok()) return {MessageId{Below(100)}};
    for (const MessageSummary& summary : *all) {
      if (Below(3) == 0) some.push_back(summary.id);
    }
    if (Below(3) == 0) some.push_back(MessageId{Below(100)});
    return some;
  }

  bool ListMessages() {
    const AccountId account = AnAccount();
    const MessageId after{Below(2) == 0 ? Below(20) : 0};
    const size_t limit = static_cast<size_t>(Below(2) == 0 ? Below(5) : 1000);
    if (Below(2) == 0) return Search();
    return Same(absl::StrCat("List ", account.value),
                [&](SyncEngine engine) { return engine.ListMessages(account, after, limit); });
  }

  bool Search() {
    const AccountId account = AnAccount();
    MessageSearch search;
    search.after = MessageId{Below(2) == 0 ? Below(20) : 0};
    search.before = MessageId{Below(2) == 0 ? Below(40) : 0};
    search.newest_first = Below(2) == 0;
    search.in_trash = Below(3) == 0;
    search.limit = static_cast<size_t>(1 + Below(10));
    search.look_limit = static_cast<size_t>(Below(2) == 0 ? search.limit : 1 + Below(50));
    if (Below(3) == 0) search.filter.min_size_bytes = Below(1000);
    if (Below(3) == 0) search.filter.has_attachment = Below(2) == 0;
    if (Below(3) == 0) search.filter.subject = Below(2) == 0 ? "A" : "b";
    const auto some = SomeMessages(account);
    const MessageId one = some.empty() ? MessageId{Below(40)} : some.front();
    return Same(absl::StrCat("Search ", account.value),
                [&](SyncEngine engine) { return engine.Search(account, search); }) &&
           Same(absl::StrCat("Find ", account.value, " ", one.value),
                [&](SyncEngine engine) { return engine.FindMessage(account, one); });
  }

  bool Read() {
    const AccountId account = AnAccount();
    const std::vector<MessageId> messages = SomeMessages(account);
    if (messages.empty()) return true;
    const MessageId message = OneOf(messages);
    const size_t piece_bytes = static_cast<size_t>(1 + Below(100'000));
    return Same(absl::StrCat("Open ", account.value, " ", message.value),
                [&](SyncEngine engine) -> absl::StatusOr<std::string> {
                  ASSIGN_OR_RETURN(const auto reader, engine.OpenMessage(account, message));
                  std::string all = absl::StrCat(reader->size_bytes(), " ", reader->delivery_id(), " ");
                  for (int64_t at = 0;;) {
                    ASSIGN_OR_RETURN(const std::string piece, BlockOn(reader->Read(at, piece_bytes)));
                    if (piece.empty()) return all;
                    absl::StrAppend(&all, absl::BytesToHexString(Sha256(piece)), "/", piece.size(), " ");
                    at += static_cast<int64_t>(piece.size());
                  }
                });
  }

  bool DeleteMessages() {
    // Half of the time while a session is at it.
    const AccountId account = sessions_.empty() || Below(2) == 0 ? AnAccount() : OneOf(sessions_).account;
    const std::vector<MessageId> messages = SomeMessages(account);
    return Same(absl::StrCat("Delete messages of ", account.value),
                [&](SyncEngine engine) { return engine.DeleteAndTell(account, messages); });
  }

  bool Restore() {
    const AccountId account = AnAccount();
    std::vector<MessageId> messages;
    MessageSearch search;
    search.in_trash = true;
    search.limit = search.look_limit = 100;
    const auto found = SyncEngine(*memory_).Search(account, search);
    if (found.ok()) {
      for (const MessageSummary& message : found->messages) {
        if (Below(2) == 0) messages.push_back(message.id);
      }
    }
    if (Below(3) == 0) messages.push_back(MessageId{Below(100)});
    return Same(absl::StrCat("Restore messages of ", account.value),
                [&](SyncEngine engine) { return engine.Restore(account, messages); });
  }

  // What is deleted is put away before, so that both free the same.
  bool EmptyTrash() {
    return Same("Sweep", [&](SyncEngine engine) { return engine.Sweep(absl::Hours(1)); }) &&
           Same("EmptyTrash", [&](SyncEngine engine) {
             absl::StatusOr<UpkeepStep> step = UpkeepStep{0, true};
             while (step.ok() && step->more) step = engine.EmptyTrash();
             return step.status();
           });
  }

  // What is deleted is put away before, so that both see the same. One message is one commit for both.
  bool Expire() {
    return Same("Sweep", [&](SyncEngine engine) { return engine.Sweep(absl::Hours(1)); }) &&
           Same("LeastRetention", [&](SyncEngine engine) { return engine.LeastRetention(); }) &&
           Same("Expire", [&](SyncEngine engine) -> absl::StatusOr<int64_t> {
             int64_t count = 0;
             for (bool more = true; more;) {
               ASSIGN_OR_RETURN(const UpkeepStep step, engine.Expire());
               count += step.count;
               more = step.more;
             }
             return count;
           });
  }

  std::string LeaseId() { return absl::StrCat("lease-", Below(3)); }
  bool Lease() {
    const std::string lease = LeaseId();
    if (Below(8) == 0) return Same("End " + lease, [&](SyncEngine engine) { return engine.EndLease(lease); });
    const absl::Duration ttl = absl::Seconds(3 + 3 * Below(3));
    return Same("Renew " + lease, [&](SyncEngine engine) { return engine.RenewLease(lease, "host", ttl); }) &&
           Same("IsLive", [&](SyncEngine engine) { return engine.IsLive(lease); });
  }

  bool OpenMaildrop() {
    Session& session = ASession();
    OpenRequest request;
    request.account = session.account;
    request.session_id = session.id;
    request.lease_id = LeaseId();
    request.client_address = absl::StrCat("192.0.2.", Below(3));
    request.min_interval = Below(4) == 0 ? absl::Seconds(2) : absl::ZeroDuration();
    request.page_limit = static_cast<size_t>(Below(3) == 0 ? Below(4) : 1000);
    std::optional<Version> known;
    if (!versions_.empty() && Below(3) != 0) known = OneOf(versions_);
    OpenRequest memory_request = request;
    OpenRequest rocksdb_request = request;
    if (known.has_value()) {
      memory_request.known_version = known->memory;
      rocksdb_request.known_version = known->rocksdb;
    }
    const auto memory = SyncEngine(*memory_).OpenMaildrop(memory_request);
    const auto rocksdb = SyncEngine(*rocksdb_).OpenMaildrop(rocksdb_request);
    if (!Compare(absl::StrCat("Open maildrop ", request.account.value, " by ", request.session_id),
                 Describe(memory), Describe(rocksdb))) {
      return false;
    }
    if (!memory.ok() || !rocksdb.ok()) return true;
    // Both take a new lock, or neither does; and tokens grow.
    if ((memory->token == session.memory_token) != (rocksdb->token == session.rocksdb_token)) {
      return Compare("token", "the same", "another");
    }
    EXPECT_GE(rocksdb->token, session.rocksdb_token);
    const bool is_new = memory->token != session.memory_token;
    session.memory_token = memory->token;
    session.rocksdb_token = rocksdb->token;
    session.seen.clear();
    for (const MaildropEntry& entry : memory->entries) session.seen.push_back(entry.id);
    session.listing.reset();
    if (!memory->more && (!memory->since_known_version || known->listing.has_value())) {
      session.listing.emplace();
      if (memory->since_known_version) session.listing = known->listing;
      for (const MessageId removed : memory->removed) std::erase(*session.listing, removed);
      session.listing->insert(session.listing->end(), session.seen.begin(), session.seen.end());
      if (!IsTrue(session, is_new)) return false;
    }
    Remember({request.account, memory->version, rocksdb->version, session.listing});
    return true;
  }

  // Nothing of a listing is gone when it is told; of a new session it is all that is there.
  bool IsTrue(const Session& session, bool is_new) {
    std::vector<MessageId> there;
    const auto messages = SyncEngine(*memory_).ListMessages(session.account, MessageId{0}, 1'000'000);
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (!messages.ok()) return false;
    for (const MessageSummary& message : *messages) there.push_back(message.id);
    const std::vector<MessageId>& listing = *session.listing;
    const bool is_true =
        is_new ? listing == there : std::includes(there.begin(), there.end(), listing.begin(), listing.end());
    return Compare("listing of " + session.id, Describe(there),
                   is_true ? Describe(there) : Describe(listing));
  }

  Session& ASession() {
    if (sessions_.size() < 8 || Below(5) == 0) {
      if (sessions_.size() >= 8) sessions_.erase(sessions_.begin());
      sessions_.push_back({absl::StrCat("session-", counter_++), AnAccount(), {}, {}, {}, {}});
      return sessions_.back();
    }
    return sessions_[static_cast<size_t>(Below(static_cast<int64_t>(sessions_.size())))];
  }
  void Remember(Version version) {
    if (version.memory.empty()) return;
    if (versions_.size() >= 10) versions_.erase(versions_.begin());
    versions_.push_back(std::move(version));
  }

  bool ListMaildrop() {
    const Session& session = ASession();
    const MessageId after{Below(10)};
    const MessageId last{Below(100)};
    const size_t limit = static_cast<size_t>(Below(5));
    return Same("List maildrop by " + session.id, [&](SyncEngine engine) {
      return engine.ListMaildrop(session.account, session.id, after, last, limit);
    });
  }

  bool Commit() {
    // By value: the second may drop the first.
    const Session session = ASession();
    const Session other = ASession();
    std::vector<MessageId> deletions;
    for (const MessageId id : session.seen) {
      if (Below(2) == 0) deletions.push_back(id);
    }
    if (Below(10) == 0) deletions.push_back(MessageId{Below(100)});
    if (Below(4) == 0) deletions = session.seen;
    const Session& named = Below(10) == 0 ? other : session;
    const auto memory =
        SyncEngine(*memory_).CommitMaildrop({session.account, named.id, session.memory_token, deletions});
    const auto rocksdb =
        SyncEngine(*rocksdb_).CommitMaildrop({session.account, named.id, session.rocksdb_token, deletions});
    if (memory.ok() && rocksdb.ok()) {
      std::optional<std::vector<MessageId>> left = session.listing;
      for (const MessageId deleted : deletions) {
        if (left.has_value()) std::erase(*left, deleted);
      }
      Remember({session.account, memory->version, rocksdb->version, std::move(left)});
    }
    if (!Compare("Commit by " + session.id, Describe(memory), Describe(rocksdb))) return false;
    // Its answer was lost, now and then.
    if (Below(3) != 0) return true;
    return Compare("Commit again by " + session.id,
                   Describe(SyncEngine(*memory_).CommitMaildrop(
                       {session.account, named.id, session.memory_token, deletions})),
                   Describe(SyncEngine(*rocksdb_).CommitMaildrop(
                       {session.account, named.id, session.rocksdb_token, deletions})));
  }

  bool Release() {
    const Session& session = ASession();
    return Same("Release by " + session.id,
                [&](SyncEngine engine) { return engine.ReleaseMaildrop(session.account, session.id); }) &&
           Same("FindLock", [&](SyncEngine engine) { return engine.FindLock(session.account); });
  }

  bool End() {
    const Session& session = ASession();
    const std::string id = Below(2) == 0 ? session.id : "";
    const AccountId after = AnAccount();
    const size_t limit = static_cast<size_t>(Below(4));
    return Same(absl::StrCat("End ", session.account.value, " ", id),
                [&](SyncEngine engine) { return engine.End(session.account, id); }) &&
           Same("ListLocks", [&](SyncEngine engine) { return engine.ListLocks(after, limit); });
  }

  absl::StatusOr<ChangePage> ReadFeed(Engine& engine, const ChangeQuestion& question) {
    return BlockOn(engine.changes().Read(question));
  }

  // Reads on behind what was read, and keeps by it alone what each mailbox has; that must be what List says. Now and then the
  // feed forgets what is old.
  bool Follow() {
    ChangeQuestion question;
    question.limit = static_cast<size_t>(1 + Below(20));
    question.summaries = true;
    for (bool more = true; more;) {
      question.after = followed_;
      const auto memory = ReadFeed(*memory_, question);
      const auto rocksdb = ReadFeed(*rocksdb_, question);
      if (!Compare("Changes.Read", Describe(memory), Describe(rocksdb)) || !memory.ok()) return false;
      for (const FeedChange& change : memory->changes) Take(change);
      followed_ = memory->reached;
      more = memory->more;
    }
    for (int64_t id = 1; id <= last_account_; ++id) {
      const auto listed = SyncEngine(*rocksdb_).ListMessages(AccountId{id}, MessageId{0}, 1'000'000);
      std::vector<MessageId> there;
      if (listed.ok()) {
        for (const MessageSummary& message : *listed) there.push_back(message.id);
      }
      const std::set<MessageId>& known = mailboxes_[AccountId{id}];
      const std::vector<MessageId> followed(known.begin(), known.end());
      if (!Compare(absl::StrCat("what was followed of account ", id), Describe(there), Describe(followed)))
        return false;
    }
    return ReadSome() && (Below(4) != 0 || TrimFeed());
  }

  void Take(const FeedChange& change) {
    std::set<MessageId>& messages = mailboxes_[change.account];
    if (change.kind == ChangeKind::kDelivered) messages.insert(change.message);
    if (change.kind == ChangeKind::kEmptied) messages.clear();
    for (const MessageId message : change.deleted) messages.erase(message);
    messages.insert(change.restored.begin(), change.restored.end());
  }

  bool ReadSome() {
    ChangeQuestion question;
    question.after = {std::max<int64_t>(0, followed_.position - Below(300)),
                      MessageId{Below(3) == 0 ? Below(5) : 0}};
    question.limit = static_cast<size_t>(1 + Below(10));
    if (Below(2) == 0) question.accounts = {AccountId{1 + Below(3)}, AccountId{5 + Below(3)}};
    if (Below(4) == 0) question.domain = "example.test";
    if (Below(4) == 0)
      question.kinds = KindBit(ChangeKind::kDelivered) | KindBit(ChangeKind::kAccountRenamed);
    const auto memory = ReadFeed(*memory_, question);
    const auto rocksdb = ReadFeed(*rocksdb_, question);
    if (memory.ok() != rocksdb.ok() || !memory.ok())
      return Compare("Changes.Read", Describe(memory.status()), Describe(rocksdb.status()));
    // Where a page ends is an engine's own affair; what is in it is not.
    const size_t count = std::min(memory->changes.size(), rocksdb->changes.size());
    for (size_t i = 0; i < count; ++i) {
      if (!Compare("Changes.Read", Describe(memory->changes[i]), Describe(rocksdb->changes[i]))) return false;
    }
    return memory->changes.size() == rocksdb->changes.size() || memory->more || rocksdb->more ||
           Compare("Changes.Read", Describe(memory), Describe(rocksdb));
  }

  // Changes of one commit go together in one of them: so only what is old goes, which is the same for both.
  bool TrimFeed() {
    const absl::Duration age = absl::Seconds(Below(60));
    for (Engine* engine : {memory_.get(), rocksdb_.get()}) {
      for (bool more = true; more;) {
        const auto trimmed = BlockOn(engine->changes().Trim(age, 1'000'000));
        if (!trimmed.ok()) return Compare("Changes.Trim", "OK", Describe(trimmed.status()));
        more = *trimmed;
      }
    }
    const auto text = [](const ChangeBounds& bounds) { return absl::StrCat(bounds.first, " ", bounds.last); };
    return Compare("Changes.Bounds", text(memory_->changes().Bounds()), text(rocksdb_->changes().Bounds()));
  }

  bool Upkeep() {
    if (Below(4) == 0) return EmptyTrash();
    if (Below(3) == 0) return Expire();
    if (Below(4) == 0) {
      const absl::Duration age = absl::Seconds(Below(600));
      return Same("Sweep", [&](SyncEngine engine) { return engine.Sweep(age); });
    }
    if (Below(4) == 0) {
      const AccountId account = AnAccount();
      // What is hidden, and not yet in the trash, is passed over.
      if (!Same("Sweep", [&](SyncEngine engine) { return engine.Sweep(absl::Hours(1)); })) return false;
      return Same("Verify", [&](SyncEngine engine) {
        return engine.Verify(account, [](auto, auto, const auto& error) { ADD_FAILURE() << error; });
      });
    }
    return Same("Status", [&](SyncEngine engine) { return engine.Status(); });
  }

  std::mt19937_64 random_;
  const bool has_rate_;
  TestClock clock_;
  ThreadExecutor executor_;
  std::string path_;
  const std::shared_ptr<MemoryStore> memory_store_;
  std::unique_ptr<Engine> memory_;
  std::unique_ptr<Engine> rocksdb_;
  int64_t last_account_ = 0;
  int64_t counter_ = 0;
  std::vector<SentWebhook> webhooks_;
  std::vector<Session> sessions_;
  std::vector<Version> versions_;
  // That may be reported.
  std::vector<QueueAttempt> attempts_;
  // What was read of the feed, and the messages of the mailboxes by it.
  ChangeCursor followed_;
  std::map<AccountId, std::set<MessageId>> mailboxes_;
  std::string what_;
};

TEST(EngineComparison, RocksDbDoesWhatTheModelDoes) {
  const int64_t seed = FromEnvironment("MAILSTEAD_SEED", static_cast<int64_t>(std::random_device()()));
  const int64_t operations = FromEnvironment("MAILSTEAD_OPERATIONS", 4000);
  std::cout << "MAILSTEAD_SEED=" << seed << std::endl;
  Comparison comparison(static_cast<uint64_t>(seed));
  for (int64_t i = 0; i < operations; ++i) {
    ASSERT_TRUE(comparison.Step()) << "operation " << i << ", " << comparison.what()
                                   << ", MAILSTEAD_SEED=" << seed;
  }
}

TEST(EngineComparison, TheQueueOfRocksDbDoesWhatTheModelsDoes) {
  const int64_t seed = FromEnvironment("MAILSTEAD_SEED", static_cast<int64_t>(std::random_device()()));
  const int64_t operations = FromEnvironment("MAILSTEAD_OPERATIONS", 4000);
  std::cout << "MAILSTEAD_SEED=" << seed << std::endl;
  Comparison comparison(static_cast<uint64_t>(seed));
  for (int64_t i = 0; i < operations; ++i) {
    ASSERT_TRUE(comparison.StepOfQueue())
        << "operation " << i << ", " << comparison.what() << ", MAILSTEAD_SEED=" << seed;
  }
}

}  // namespace
}  // namespace mailstead::engine
