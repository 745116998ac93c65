// The embedded engine under the conformance suite.
#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "common/base/check.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

class RocksDbUnderTest final : public EngineUnderTest {
 public:
  RocksDbUnderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-engine-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
    OpenEngine();
  }
  ~RocksDbUnderTest() override {
    engine_.reset();
    std::filesystem::remove_all(path_);
  }
  Engine& engine() override { return *engine_; }
  void Restart() override {
    engine_.reset();
    OpenEngine();
  }

 private:
  void OpenEngine() {
    RocksDbOptions options;
    options.path = path_;
    // Small enough that tests see flushes and compactions.
    options.write_buffer_bytes = size_t{8} << 20;
    options.block_cache_bytes = size_t{8} << 20;
    options.min_free_bytes = 0;
    options.maintenance_interval = absl::Milliseconds(50);
    options.clock = &clock_;
    options.lease_clock = &clock_;
    options.dice = [this] { return dice_.load(); };
    options.queue_policy = queue_policy_;
    // Small enough that most deletions of more than one message are taken away afterwards.
    options.max_deleted_at_once = 4;
    options.max_reclaimed_at_once = 16;
    options.executor = &executor_;
    auto engine = OpenRocksDbEngine(options);
    if (!engine.ok()) ADD_FAILURE() << engine.status();
    CHECK(engine.ok());
    engine_ = *std::move(engine);
  }

  std::string path_;
  std::unique_ptr<Engine> engine_;
};

// What recipients lead to is remembered for as long as it stays the same.
TEST(RocksDbEngine, KnowsTheVersionOfItsDirectory) {
  RocksDbUnderTest under_test;
  EXPECT_NE(under_test.engine().directory().Version(), 0);
  under_test.Restart();
  EXPECT_NE(under_test.engine().directory().Version(), 0);
}

// A change of threads costs more than such a look-up.
TEST(RocksDbEngine, ReadsWhatIsInMemoryWithoutAChangeOfThreads) {
  RocksDbUnderTest under_test;
  SyncEngine engine(under_test.engine());
  ASSERT_OK(engine.CreateDomain({"example.test", true, under_test.clock().Now()}));
  Account account;
  account.address = "a@example.test";
  const AccountId id = engine.CreateAccounts({account})[0]->id;
  NewMessage message;
  message.delivery_scope = "smtp";
  message.envelope.delivery_id = "delivery-id-0001";
  message.envelope.recipients.resize(1);
  message.copies.push_back({id, "Return-Path: <>\r\n", {0}, std::nullopt, std::nullopt});
  message.sha256 = Sha256(std::string(5000, 'x'));
  message.fingerprint = message.sha256;
  ASSERT_OK(engine.Append(message, Content{std::string(5000, 'x'), nullptr}));
  ASSERT_OK(engine.RenewLease("lease", "host", absl::Seconds(6)));

  const auto look = [&] {
    SyncEngine now(under_test.engine());
    EXPECT_OK(now.GetAccount("a@example.test").status());
    EXPECT_OK(now.FindAccount(id).status());
    EXPECT_EQ(now.ListMessages(id, MessageId{0}, 10)->size(), 1u);
    const auto reader = now.OpenMessage(id, MessageId{1});
    ASSERT_OK(reader);
    EXPECT_EQ(BlockOn((*reader)->Read(0, 65536))->size(), 5017u);
    EXPECT_THAT(now.FindLock(id).status(), HasCode(absl::StatusCode::kNotFound));
    // Nor does a heartbeat wait for anything.
    ASSERT_OK(now.RenewLease("lease", "host", absl::Seconds(6)));
  };
  const int before = under_test.executor().wake_up_count();
  look();
  EXPECT_EQ(under_test.executor().wake_up_count(), before);
  // What is on the disk alone is read by others.
  under_test.Restart();
  look();
  EXPECT_GT(under_test.executor().wake_up_count(), before);
}

// By itself: what a front-end that is gone held is nobody's any more.
TEST(RocksDbEngine, ForgetsLeasesOfFrontEndsThatAreGone) {
  RocksDbUnderTest under_test;
  SyncEngine engine(under_test.engine());
  ASSERT_OK(engine.CreateDomain({"example.test", true, under_test.clock().Now()}));
  Account account;
  account.address = "a@example.test";
  const AccountId id = engine.CreateAccounts({account})[0]->id;
  ASSERT_OK(engine.RenewLease("lease", "host", absl::Seconds(6)));
  ASSERT_OK(engine.OpenMaildrop({id, "session", "lease", absl::ZeroDuration(), "", 10}));
  const auto is_held = [&] {
    return engine.ListMaildrop(id, "session", MessageId{0}, MessageId{1}, 10).ok();
  };
  under_test.clock().Advance(absl::Minutes(59));
  EXPECT_TRUE(is_held()) << "it is overdue, and nobody took it";
  under_test.clock().Advance(absl::Hours(1));
  for (int i = 0; i < 1000 && is_held(); ++i) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(is_held());
}

const EngineKind kRocksDb{"RocksDb", /*keeps_on_disk=*/true,
                          [] { return std::make_unique<RocksDbUnderTest>(); }};

}  // namespace

INSTANTIATE_ENGINE_CONFORMANCE(RocksDb, kRocksDb);

}  // namespace mailstead::engine
