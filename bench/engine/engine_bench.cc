// How many messages a second the embedded engine makes durable: 1, 32 and 200 deliveries under way, of 4 KiB
// each and of 64 KiB, every one synced before it is answered. Run it on the disk that counts:
//   TMPDIR=/var/lib engine_bench --benchmark_counters_tabular=true
#include <benchmark/benchmark.h>
#include <openssl/sha.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/check.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/support/block_on.h"
#include "tests/support/sync_engine.h"

namespace mailstead::engine {
namespace {

constexpr size_t kMailboxes = 1000;

class Store {
 public:
  Store() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-bench-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
    RocksDbOptions options;
    options.path = path_;
    options.executor = &executor_;
    auto engine = OpenRocksDbEngine(options);
    CHECK(engine.ok());
    engine_ = *std::move(engine);
    SyncEngine sync(*engine_);
    CHECK(sync.CreateDomain({"example.test", true, absl::Now()}).ok());
    std::vector<Account> accounts(kMailboxes);
    for (size_t i = 0; i < kMailboxes; ++i) accounts[i].address = absl::StrCat("user", i, "@example.test");
    for (const auto& account : sync.CreateAccounts(accounts)) {
      CHECK(account.ok());
      mailboxes_.push_back(account->id);
    }
    CHECK(sync.RenewLease("bench", "bench", absl::Hours(24)).ok());
  }
  ~Store() {
    engine_.reset();
    std::filesystem::remove_all(path_);
  }
  Engine& engine() { return *engine_; }
  AccountId mailbox(size_t number) const { return mailboxes_[number % kMailboxes]; }

 private:
  std::string path_;
  ThreadExecutor executor_;
  std::unique_ptr<Engine> engine_;
  std::vector<AccountId> mailboxes_;
};

std::string Text(size_t size) {
  // Compresses about as well as mail does.
  static constexpr char kLetters[] = "etaoin shrdlu cmfwyp vbgkqj xz\r\n";
  std::minstd_rand random(1);
  std::string text(size, '\0');
  for (char& c : text) c = kLetters[random() % (sizeof(kLetters) - 1)];
  return text;
}

std::string Sha256(const std::string& bytes) {
  std::string sum(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(sum.data()));
  return sum;
}

// Lets at most so many be under way.
class Window {
 public:
  explicit Window(int64_t size) : free_(size), size_(size) {}
  void Enter() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](Window* window) { return window->free_ > 0; }, this));
    --free_;
  }
  void Leave() {
    absl::MutexLock lock(&mutex_);
    ++free_;
  }
  void WaitForAll() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](Window* window) { return window->free_ == window->size_; }, this));
  }

 private:
  absl::Mutex mutex_;
  int64_t free_;
  const int64_t size_;
};

Task<void> Append(Engine& engine, NewMessage message, std::string bytes) {
  // Named: g++ 12 destroys an aggregate twice that is made within a co_await expression.
  Content content;
  content.whole = std::move(bytes);
  std::vector<NewNotice> no_notices;
  const auto receipt =
      co_await engine.messages().Append(std::move(message), std::move(content), std::move(no_notices));
  CHECK(receipt.ok());
}

Task<void> Poll(Engine& engine, AccountId account, std::string session_id) {
  OpenRequest request;
  request.account = account;
  request.session_id = session_id;
  request.lease_id = "bench";
  const auto opened = co_await engine.maildrops().Open(std::move(request));
  CHECK(opened.ok());
  CommitRequest commit;
  commit.account = account;
  commit.session_id = std::move(session_id);
  commit.token = opened->token;
  const auto committed = co_await engine.maildrops().Commit(std::move(commit));
  CHECK(committed.ok());
}

void BM_Append(benchmark::State& state) {
  Store store;
  Window window(state.range(0));
  const std::string content = Text(static_cast<size_t>(state.range(1)));
  const std::string sha256 = Sha256(content);
  size_t number = 0;
  for (auto _ : state) {
    window.Enter();
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("delivery-of-the-bench-", number);
    message.envelope.reverse_path = "sender@example.org";
    message.envelope.recipients.resize(1);
    message.envelope.recipients[0].address = "user@example.test";
    message.copies.push_back(
        {store.mailbox(number * 7919), "Return-Path: <sender@example.org>\r\n", {0}, {}, {}});
    message.trace = "Received: from client.example.org by mx.example.test with ESMTP\r\n";
    message.sha256 = sha256;
    message.fingerprint = sha256;
    message.deliver_time = absl::Now();
    ++number;
    Start(Append(store.engine(), std::move(message), content), [&window] { window.Leave(); });
  }
  window.WaitForAll();
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(1));
}
BENCHMARK(BM_Append)
    ->ArgNames({"in_flight", "bytes"})
    ->ArgsProduct({{1, 32, 200}, {4096, 65536}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// A POP3 client that polls an empty mailbox: open and commit without deletions.
void BM_Poll(benchmark::State& state) {
  Store store;
  Window window(state.range(0));
  size_t number = 0;
  for (auto _ : state) {
    window.Enter();
    const AccountId mailbox = store.mailbox(number++);
    Start(Poll(store.engine(), mailbox, absl::StrCat("session-", number)), [&window] { window.Leave(); });
  }
  window.WaitForAll();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Poll)->ArgName("in_flight")->Arg(1)->Arg(200)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace mailstead::engine

BENCHMARK_MAIN();
