// Puts very many small messages into mailboxes of a data folder, by the engine itself and thus much faster than mail comes
// in; for what is measured with a mailbox of 1,000,000, or with so many in the queue for other hosts. stored must not run on
// the folder meanwhile:
//   fill_mailbox --data_dir=/srv/store --account=huge@example.test --messages=1000000
//   fill_mailbox --data_dir=/srv/store --account=user%@example.test --mailboxes=100000 --copies=100 --messages=10000
//   fill_mailbox --data_dir=/srv/store --queue_recipient=user@d%.example.org --queue_domains=1000 --messages=1000000
#include <openssl/sha.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/support/block_on.h"
#include "tests/support/sync_engine.h"

ABSL_FLAG(std::string, data_dir, "", "The data folder, that of stored; made when it is not there.");
ABSL_FLAG(std::string, account, "huge@example.test",
          "Whose mailbox it is; % is replaced by a number below --mailboxes. The accounts, and their domain, "
          "are made "
          "when they are not there.");
ABSL_FLAG(int64_t, mailboxes, 1, "How many mailboxes.");
ABSL_FLAG(int64_t, copies, 0,
          "To how many of the mailboxes each message goes, one message to those behind the ones of the "
          "message before; 0: "
          "to all.");
ABSL_FLAG(std::string, queue_recipient, "",
          "Into the queue, and no mailbox: the recipient of each message; % is replaced by the message's "
          "number modulo "
          "--queue_domains.");
ABSL_FLAG(int64_t, queue_domains, 1, "How many there are of --queue_recipient.");
ABSL_FLAG(int64_t, messages, 1'000'000, "How many messages are added.");
ABSL_FLAG(int64_t, bytes, 256, "Size of each message's content.");
ABSL_FLAG(absl::Duration, age, absl::ZeroDuration(), "How long ago they came in, their receipts too.");

namespace mailstead::engine {
namespace {

// Changes under way at once: as many share a sync.
constexpr int64_t kInFlight = 2000;

// As it was so long ago: receipts are dated by the engine.
class ClockOfThen final : public Clock {
 public:
  explicit ClockOfThen(absl::Duration age) : age_(age) {}
  absl::Time Now() const override { return absl::Now() - age_; }

 private:
  const absl::Duration age_;
};

class Window {
 public:
  void Enter() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int64_t* under_way) { return *under_way < kInFlight; }, &under_way_));
    ++under_way_;
  }
  void Leave() {
    absl::MutexLock lock(&mutex_);
    --under_way_;
  }
  void WaitForAll() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int64_t* under_way) { return *under_way == 0; }, &under_way_));
  }

 private:
  absl::Mutex mutex_;
  int64_t under_way_ = 0;
};

std::string Sha256(const std::string& bytes) {
  std::string sum(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(sum.data()));
  return sum;
}

std::string ContentOf(int64_t size_bytes) {
  std::string content = "Subject: one of very many\r\n\r\n";
  while (static_cast<int64_t>(content.size()) + 2 < size_bytes) content.append("x");
  return content + "\r\n";
}

Task<void> Append(Engine& engine, NewMessage message, std::string bytes) {
  Content content;
  content.whole = std::move(bytes);
  std::vector<NewNotice> no_notices;
  const auto receipt =
      co_await engine.messages().Append(std::move(message), std::move(content), std::move(no_notices));
  if (!receipt.ok()) absl::FPrintF(stderr, "fill_mailbox: %s\n", receipt.status().ToString());
  CHECK(receipt.ok());
}

AccountId AccountOf(Engine& engine, const std::string& address) {
  SyncEngine sync(engine);
  const auto places = BlockOn(engine.directory().LookUp({address}));
  CHECK(places.ok());
  if (places->front().account.has_value()) return places->front().account->id;
  if (!places->front().domain.has_value()) {
    CHECK(sync.CreateDomain({address.substr(address.find('@') + 1), true, absl::Now()}).ok());
  }
  Account account;
  account.address = address;
  const auto created = sync.CreateAccounts({account});
  CHECK(created.front().ok());
  return created.front()->id;
}

std::string Numbered(const std::string& text, int64_t number) {
  return absl::StrReplaceAll(text, {{"%", absl::StrCat(number)}});
}

// One recipient, as the API's intake would queue it.
NewQueued QueuedTo(const std::string& address, absl::Time time) {
  NewQueued queued;
  queued.recipients.push_back({0, address, address.substr(address.find('@') + 1)});
  queued.lane = "example.org";
  queued.expire_time = time + absl::Hours(120);
  queued.delay_notice_time = time + absl::Hours(4);
  return queued;
}

void Fill(Engine& engine) {
  const std::string queue_recipient = absl::GetFlag(FLAGS_queue_recipient);
  std::vector<NewCopy> copies;
  for (int64_t i = 0; queue_recipient.empty() && i < absl::GetFlag(FLAGS_mailboxes); ++i) {
    const std::string address = Numbered(absl::GetFlag(FLAGS_account), i);
    copies.push_back({AccountOf(engine, address), "Return-Path: <sender@example.org>\r\n", {0}, {}, {}});
  }
  const size_t wanted = static_cast<size_t>(absl::GetFlag(FLAGS_copies));
  const size_t at_once = wanted == 0 ? copies.size() : std::min(wanted, copies.size());
  const std::string content = ContentOf(absl::GetFlag(FLAGS_bytes));
  const std::string sha256 = Sha256(content);
  const absl::Time time = absl::Now() - absl::GetFlag(FLAGS_age);
  const std::string series = absl::StrCat(absl::ToUnixNanos(absl::Now()));
  Window window;
  for (int64_t i = 0; i < absl::GetFlag(FLAGS_messages); ++i) {
    window.Enter();
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("filled-", series, "-", i);
    message.envelope.reverse_path = "sender@example.org";
    message.envelope.recipients.resize(1);
    message.envelope.recipients[0].address = "list@example.test";
    for (size_t k = 0; k < at_once; ++k) message.copies.push_back(copies[(i * at_once + k) % copies.size()]);
    if (!queue_recipient.empty()) {
      message.queued = QueuedTo(Numbered(queue_recipient, i % absl::GetFlag(FLAGS_queue_domains)), time);
    }
    message.trace = "Received: from client.example.org by mx.example.test with ESMTP\r\n";
    message.sha256 = sha256;
    message.fingerprint = sha256;
    message.deliver_time = time;
    Start(Append(engine, std::move(message), content), [&window] { window.Leave(); });
  }
  window.WaitForAll();
}

void Run() {
  const ClockOfThen clock(absl::GetFlag(FLAGS_age));
  ThreadExecutor executor;
  RocksDbOptions options;
  options.clock = &clock;
  std::filesystem::create_directories(absl::GetFlag(FLAGS_data_dir));
  options.path = absl::GetFlag(FLAGS_data_dir) + "/rocksdb";
  options.executor = &executor;
  auto engine = OpenRocksDbEngine(options);
  if (!engine.ok()) absl::FPrintF(stderr, "fill_mailbox: %s\n", engine.status().ToString());
  CHECK(engine.ok());
  Fill(**engine);
}

}  // namespace
}  // namespace mailstead::engine

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Puts very many small messages into mailboxes, or the queue, of a data folder.");
  absl::ParseCommandLine(argc, argv);
  mailstead::engine::Run();
  return 0;
}
