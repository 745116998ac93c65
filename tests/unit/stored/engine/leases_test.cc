// Leases that are forgotten: their front-ends are gone for good.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "tests/support/block_on.h"

namespace mailstead::engine {
namespace {

constexpr absl::Duration kTtl = absl::Seconds(6);

// Says `late` once it is asked the next time, and from then on what a FakeClock says.
class LateOnce final : public Clock {
 public:
  absl::Time Now() const override {
    return late_once.exchange(false) ? clock.Now() + absl::Hours(2) : clock.Now();
  }

  FakeClock clock;
  mutable std::atomic<bool> late_once{false};
};

class LeasesTest : public testing::Test {
 protected:
  LeasesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-leases-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    RocksDbOptions options;
    options.path = folder_;
    options.min_free_bytes = 0;
    options.executor = &executor_;
    options.lease_clock = &clock_;
    shared_ = std::make_unique<RocksDbShared>(options);
    CHECK(shared_->Open().ok());
    leases_ = std::make_unique<RocksDbLeases>(*shared_);
  }
  ~LeasesTest() override {
    shared_->Close();
    leases_.reset();
    shared_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Whether it would be there after a restart.
  bool IsKept(absl::string_view lease_id) {
    const Database::Use use(shared_->database());
    std::string bytes;
    return use.Find(Family::kLease, lease_id, bytes).value();
  }

  std::string folder_;
  LateOnce clock_;
  ThreadExecutor executor_;
  std::unique_ptr<RocksDbShared> shared_;
  std::unique_ptr<RocksDbLeases> leases_;
};

TEST_F(LeasesTest, AreForgottenLongAfterTheyWereDue) {
  ASSERT_TRUE(BlockOn(leases_->Renew("gone", "host", kTtl)).ok());
  clock_.clock.Advance(kTtl + rules::kForgetLeaseAfter - absl::Seconds(1));
  ASSERT_TRUE(BlockOn(leases_->Renew("live", "host", kTtl)).ok());
  ASSERT_TRUE(leases_->Forget().ok());
  EXPECT_TRUE(IsKept("gone"));
  EXPECT_NE(shared_->leases().NumberOf("gone"), 0);
  clock_.clock.Advance(absl::Seconds(1));
  ASSERT_TRUE(leases_->Forget().ok());
  EXPECT_FALSE(IsKept("gone"));
  EXPECT_EQ(shared_->leases().NumberOf("gone"), 0);
  EXPECT_TRUE(IsKept("live"));
  EXPECT_TRUE(leases_->IsLive("live"));
}

// Its front-end comes back while it is being forgotten: the sessions keep their locks.
TEST_F(LeasesTest, OneThatIsProlongedMeanwhileIsNotForgotten) {
  ASSERT_TRUE(BlockOn(leases_->Renew("lease", "host", kTtl)).ok());
  const int64_t number = shared_->leases().NumberOf("lease");
  clock_.late_once = true;
  ASSERT_TRUE(leases_->Forget().ok());
  EXPECT_FALSE(clock_.late_once) << "it was found overdue";
  EXPECT_TRUE(IsKept("lease"));
  EXPECT_TRUE(leases_->IsLive("lease"));
  EXPECT_EQ(shared_->leases().NumberOf("lease"), number);
}

}  // namespace
}  // namespace mailstead::engine
