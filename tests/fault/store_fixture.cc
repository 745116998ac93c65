#include "tests/fault/store_fixture.h"

#include <openssl/sha.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/chunk_codec.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "tests/fault/queue_check.h"

namespace mailstead::engine {
namespace {

constexpr char kPrefix[] = "Return-Path: <s@example.org>\r\n";
constexpr char kTrace[] = "Received: here\r\n";

NewMessage NewDelivery(absl::string_view delivery_id, const std::vector<AccountId>& accounts,
                       const std::string& content) {
  NewMessage message;
  message.delivery_scope = "smtp";
  message.envelope.delivery_id = std::string(delivery_id);
  message.envelope.reverse_path = "s@example.org";
  message.envelope.recipients.resize(1);
  message.envelope.recipients[0].address = "r@example.test";
  message.trace = kTrace;
  message.sha256 = Sha256(content);
  message.fingerprint = message.sha256;
  message.deliver_time = absl::Now();
  for (const AccountId account : accounts)
    message.copies.push_back({account, kPrefix, {0}, std::nullopt, std::nullopt});
  return message;
}

}  // namespace

FaultyStore::FaultyStore()
    : files_(std::make_shared<FaultyFileSystem>()), env_(rocksdb::NewCompositeEnv(files_)) {
  std::string name = (std::filesystem::temp_directory_path() / "mailstead-fault-XXXXXX").string();
  CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

FaultyStore::~FaultyStore() {
  engine_.reset();
  std::filesystem::remove_all(path_);
}

RocksDbOptions FaultyStore::options() {
  RocksDbOptions options;
  options.path = path_;
  options.env = env_.get();
  options.write_buffer_bytes = size_t{512} << 10;
  options.block_cache_bytes = size_t{1} << 20;
  options.min_free_bytes = size_t{1} << 20;
  options.maintenance_interval = absl::Milliseconds(20);
  options.max_deleted_at_once = 3;
  options.max_reclaimed_at_once = 5;
  options.executor = &executor_;
  if (tweak_) tweak_(options);
  return options;
}

absl::Status FaultyStore::TryOpen() {
  ASSIGN_OR_RETURN(engine_, OpenRocksDbEngine(options()));
  return absl::OkStatus();
}

void FaultyStore::Open() {
  const absl::Status opened = TryOpen();
  if (!opened.ok()) std::fprintf(stderr, "%s\n", opened.ToString().c_str());
  CHECK(opened.ok());
}

bool FaultyStore::BecomesHealthy() {
  for (int i = 0; i < 1000; ++i) {
    if (engine().Health().ok()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

std::string Sha256(absl::string_view bytes) {
  unsigned char sum[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), sum);
  return std::string(reinterpret_cast<const char*>(sum), sizeof(sum));
}

std::string RandomText(size_t size, uint32_t seed) {
  std::minstd_rand random(seed + 1);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random() >> 8);
  return text;
}

AccountId MakeAccount(SyncEngine engine, absl::string_view address) {
  engine.CreateDomain({"example.test", true, absl::Now()}).IgnoreError();
  Account account;
  account.address = std::string(address);
  account.create_time = absl::Now();
  const auto created = engine.CreateAccounts({account});
  CHECK(created[0].ok());
  return created[0]->id;
}

absl::StatusOr<Receipt> Append(SyncEngine engine, absl::string_view delivery_id,
                               const std::vector<AccountId>& mailboxes, const std::string& content) {
  return engine.Append(NewDelivery(delivery_id, mailboxes, content), Content{content, nullptr});
}

absl::StatusOr<std::unique_ptr<BodyWriter>> Stage(SyncEngine engine, const std::string& content) {
  ASSIGN_OR_RETURN(std::unique_ptr<BodyWriter> body, engine.NewBody());
  for (size_t at = 0; at < content.size(); at += 50'000) {
    RETURN_IF_ERROR(BlockOn(body->Append(content.substr(at, 50'000))));
  }
  return body;
}

absl::StatusOr<Receipt> AppendBody(SyncEngine engine, absl::string_view delivery_id,
                                   const std::vector<AccountId>& mailboxes, const std::string& content,
                                   std::unique_ptr<BodyWriter> body) {
  return engine.Append(NewDelivery(delivery_id, mailboxes, content), Content{"", std::move(body)});
}

absl::StatusOr<Receipt> AppendStaged(SyncEngine engine, absl::string_view delivery_id,
                                     const std::vector<AccountId>& mailboxes, const std::string& content) {
  ASSIGN_OR_RETURN(std::unique_ptr<BodyWriter> body, Stage(engine, content));
  return AppendBody(engine, delivery_id, mailboxes, content, std::move(body));
}

absl::StatusOr<OpenedMaildrop> OpenMaildrop(SyncEngine engine, AccountId mailbox,
                                            absl::string_view lease_id) {
  return engine.OpenMaildrop({mailbox, absl::StrCat("session of ", lease_id), std::string(lease_id),
                              absl::ZeroDuration(), "", 1'000'000});
}

absl::Status CommitMaildrop(SyncEngine engine, AccountId mailbox, absl::string_view lease_id, LockToken token,
                            std::vector<MessageId> deletions) {
  return engine.CommitMaildrop({mailbox, absl::StrCat("session of ", lease_id), token, std::move(deletions)})
      .status();
}

absl::StatusOr<std::string> Fetch(SyncEngine engine, AccountId mailbox, MessageId message) {
  ASSIGN_OR_RETURN(std::unique_ptr<MessageReader> reader, engine.OpenMessage(mailbox, message));
  std::string all;
  for (;;) {
    ASSIGN_OR_RETURN(const std::string piece, BlockOn(reader->Read(static_cast<int64_t>(all.size()), 65536)));
    if (piece.empty()) return all.substr(std::min(all.size(), sizeof(kPrefix) + sizeof(kTrace) - 2));
    all += piece;
  }
}

namespace {

// All of a family, decoded where it has records.
template <typename Record>
std::map<std::string, Record> All(const Database::Use& use, Family family, std::string& problems) {
  std::map<std::string, Record> all;
  const absl::Status read =
      Scan(use, family, "", "", [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
        // Family mailbox has two kinds of records.
        if (std::is_same_v<Record, rules::Mailbox> && key.size() != 8) return true;
        RETURN_IF_ERROR(Decode(value, all[std::string(key)]));
        return true;
      });
  if (!read.ok()) absl::StrAppend(&problems, FamilyName(family), ": ", read.ToString(), "\n");
  return all;
}

// What is in the trash. Each has its one place by its time, and nothing else has.
std::map<std::string, TrashedRecord> AllTrashed(const Database::Use& use, std::string& problems) {
  std::map<std::string, TrashedRecord> all;
  std::set<std::string> places;
  const absl::Status read = Scan(use, Family::kTrash, "", "",
                                 [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                                   if (key[0] == kTrashTimeKind) {
                                     places.emplace(key);
                                     return true;
                                   }
                                   RETURN_IF_ERROR(Decode(value, all[std::string(key)]));
                                   return true;
                                 });
  if (!read.ok()) absl::StrAppend(&problems, "trash: ", read.ToString(), "\n");
  for (const auto& [key, trashed] : all) {
    const rules::Deletion& deletion = trashed.deletion;
    if (places.erase(TrashTimeKey(deletion.domain, deletion.time, AccountOfTrashKey(key),
                                  MessageOfTrashKey(key))) == 0) {
      absl::StrAppend(&problems, "a message in the trash has no place by its time\n");
    }
  }
  if (!places.empty()) absl::StrAppend(&problems, "trash: places of no message\n");
  return all;
}

struct Totals {
  int64_t count = 0;
  int64_t bytes = 0;
  bool operator==(const Totals&) const = default;
};

// What is deleted and still to be taken away: counted nowhere any more.
struct Leavings {
  std::set<AccountId> mailboxes;
  std::map<AccountId, std::vector<MessageRun>> runs;
  std::map<int64_t, int64_t> bytes_of_body;

  bool Have(AccountId account, MessageId message) const {
    if (mailboxes.contains(account)) return true;
    const auto hidden = runs.find(account);
    return hidden != runs.end() &&
           std::any_of(hidden->second.begin(), hidden->second.end(),
                       [&](const MessageRun& run) { return run.first <= message && message <= run.last; });
  }
};

Leavings FindLeavings(const Database::Use& use, std::string& problems) {
  Leavings leavings;
  std::map<int64_t, AccountId> accounts;
  absl::Status read = Scan(use, Family::kMeta, kDoomedPrefix, PrefixEnd(kDoomedPrefix),
                           [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                             leavings.mailboxes.insert(AccountOfKey(key.substr(kDoomedPrefix.size())));
                             return true;
                           });
  // Their runs stay when their messages are gone.
  std::set<int64_t> told;
  const char told_kind[] = {kToldDeletionKind};
  const absl::string_view told_prefix(told_kind, 1);
  read.Update(Scan(use, Family::kChange, told_prefix, PrefixEnd(told_prefix),
                   [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                     told.insert(DeletionOfToldKey(key));
                     return true;
                   }));
  // Deletions come before their runs.
  read.Update(Scan(use, Family::kReclaim, "", "",
                   [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                     if (key[0] == kDeletionKind) {
                       Deletion deletion;
                       RETURN_IF_ERROR(Decode(value, deletion));
                       accounts[DeletionOfKey(key)] = AccountOfDeletionKey(key);
                     } else if (key[0] == kRunsKind) {
                       Runs runs;
                       RETURN_IF_ERROR(Decode(value, runs));
                       const auto account = accounts.find(DeletionOfRunsKey(key));
                       if (account == accounts.end()) {
                         if (told.contains(DeletionOfRunsKey(key))) return true;
                         return absl::DataLossError("runs of no deletion");
                       }
                       std::vector<MessageRun>& all = leavings.runs[account->second];
                       all.insert(all.end(), runs.runs.begin(), runs.runs.end());
                     } else {
                       BodyRef ref;
                       RETURN_IF_ERROR(Decode(value, ref));
                       leavings.bytes_of_body[BodyOfDeadBodyKey(key)] = ref.size_bytes;
                     }
                     return true;
                   }));
  if (!read.ok()) absl::StrAppend(&problems, "reclaim: ", read.ToString(), "\n");
  return leavings;
}

void CheckBodies(const Database::Use& use, const std::map<int64_t, int64_t>& entries_of_body,
                 const Leavings& leavings, std::string& problems) {
  const auto refs = All<BodyRef>(use, Family::kBodyRef, problems);
  std::map<int64_t, int64_t> bytes_of_body;
  for (const auto& [key, ref] : refs) {
    const int64_t body = BodyOfKey(key);
    const auto entries = entries_of_body.find(body);
    if (entries == entries_of_body.end() || entries->second != ref.mailbox_count) {
      absl::StrAppend(&problems, "body ", body, " counts ", ref.mailbox_count, " entries wrongly\n");
    }
    bytes_of_body[body] = ref.size_bytes;
  }
  for (const auto& [body, count] : entries_of_body) {
    if (!bytes_of_body.contains(body)) absl::StrAppend(&problems, "body ", body, " has no body_ref\n");
  }
  bytes_of_body.insert(leavings.bytes_of_body.begin(), leavings.bytes_of_body.end());
  std::map<int64_t, int64_t> stored;
  const absl::Status read =
      Scan(use, Family::kBody, "", "",
           [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
             int64_t& bytes = stored[BodyOfKey(key)];
             std::string chunk;
             RETURN_IF_ERROR(UnpackChunk(
                 std::string(value),
                 static_cast<size_t>(std::min<int64_t>(kChunkBytes, bytes_of_body[BodyOfKey(key)] - bytes)),
                 chunk));
             bytes += static_cast<int64_t>(chunk.size());
             return true;
           });
  if (!read.ok()) absl::StrAppend(&problems, "body: ", read.ToString(), "\n");
  std::erase_if(bytes_of_body, [](const auto& body) { return body.second == 0; });
  if (stored != bytes_of_body) absl::StrAppend(&problems, "chunks and body_refs differ\n");
}

}  // namespace

std::string CheckRecords(const RocksDbOptions& options, rocksdb::Env& env) {
  std::string problems;
  Health health(env, options.path, 0, Clock::System());
  auto database = Database::Open(options, env, health);
  if (!database.ok()) return database.status().ToString();
  const Database::Use use(**database);

  std::map<AccountId, Totals> found;
  std::map<int64_t, int64_t> entries_of_body;
  Totals all;
  const Leavings leavings = FindLeavings(use, problems);
  for (const auto& [key, message] : All<MessageRecord>(use, Family::kMessage, problems)) {
    ++entries_of_body[message.body];
    if (leavings.Have(AccountOfKey(key), MessageOfKey(key))) continue;
    Totals& totals = found[AccountOfKey(key)];
    for (Totals* each : {&totals, &all}) {
      ++each->count;
      each->bytes += message.entry.size_bytes();
    }
  }
  for (const auto& [key, trashed] : AllTrashed(use, problems)) {
    MessageRecord message;
    if (!Decode(trashed.message, message).ok()) absl::StrAppend(&problems, "trash: no message\n");
    ++entries_of_body[message.body];
  }
  for (const auto& [key, mailbox] : All<rules::Mailbox>(use, Family::kMailbox, problems)) {
    const AccountId id = AccountOfKey(key);
    if (found[id] != Totals{mailbox.message_count, mailbox.message_bytes}) {
      absl::StrAppend(&problems, "mailbox ", id.value, " counts ", mailbox.message_count, " but has ",
                      found[id].count, "\n");
    }
  }
  const Counters counters = use.counters();
  if (all != Totals{counters.message_count, counters.message_bytes}) {
    absl::StrAppend(&problems, "the store counts ", counters.message_count, " but has ", all.count, "\n");
  }
  CheckQueue(use, options.queue_policy, entries_of_body, problems);
  CheckBodies(use, entries_of_body, leavings, problems);
  return problems;
}

int64_t CountKeys(const RocksDbOptions& options, rocksdb::Env& env, Family family) {
  Health health(env, options.path, 0, Clock::System());
  auto database = Database::Open(options, env, health);
  if (!database.ok()) return -1;
  const Database::Use use(**database);
  int64_t count = 0;
  const absl::Status read =
      Scan(use, family, "", "", [&](absl::string_view, absl::string_view) -> absl::StatusOr<bool> {
        ++count;
        return true;
      });
  return read.ok() ? count : -1;
}

}  // namespace mailstead::engine
