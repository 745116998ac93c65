// The embedded engine under the conformance suite.
#include <filesystem>
#include <memory>
#include <string>

#include "common/base/check.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/conformance/conformance.h"

namespace mailstead::store {
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
  EXPECT_NE(under_test.engine().DirectoryVersion(), 0u);
  under_test.Restart();
  EXPECT_NE(under_test.engine().DirectoryVersion(), 0u);
}

const EngineKind kRocksDb{"RocksDb", [] { return std::make_unique<RocksDbUnderTest>(); }};

}  // namespace

INSTANTIATE_ENGINE_CONFORMANCE(kRocksDb);

}  // namespace mailstead::store
