#include "stored/engine/rocksdb/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/base/check.h"

namespace mailstead::store {
namespace {

using absl::StatusCode;

class TestChange final : public Change {
 public:
  TestChange(std::function<absl::Status(Batch&)> apply, std::function<void(absl::Status)> finish,
             size_t bytes = 0)
      : apply_(std::move(apply)), finish_(std::move(finish)), bytes_(bytes) {}
  absl::Status Apply(Batch& batch) override { return apply_(batch); }
  void Finish(absl::Status status) override { finish_(std::move(status)); }
  size_t size_bytes() const override { return bytes_; }

 private:
  const std::function<absl::Status(Batch&)> apply_;
  const std::function<void(absl::Status)> finish_;
  const size_t bytes_;
};

class WriterTest : public testing::Test {
 protected:
  static constexpr size_t kMaxWaiting = 4;
  static constexpr size_t kMaxWaitingBytes = 1000;

  WriterTest() : health_(*rocksdb::Env::Default(), "/", 0, Clock::System()) {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-writer-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    options_.path = name;
    auto database = Database::Open(options_, *rocksdb::Env::Default(), health_);
    CHECK(database.ok());
    database_ = *std::move(database);
    writer_ = std::make_unique<Writer>(*database_, kMaxWaiting, kMaxWaitingBytes);
  }
  ~WriterTest() override {
    writer_.reset();
    database_.reset();
    std::filesystem::remove_all(options_.path);
  }

  // Keeps the writer busy until Resume, so that what is submitted meanwhile is one group.
  void Pause() {
    absl::Notification paused;
    writer_->Submit(std::make_unique<TestChange>(
        [&](Batch&) {
          paused.Notify();
          resume_.WaitForNotification();
          return absl::OkStatus();
        },
        [](absl::Status) {}));
    paused.WaitForNotification();
  }
  void Resume() {
    resume_.Notify();
    writer_->Stop();
  }
  void Submit(std::function<absl::Status(Batch&)> apply, size_t bytes = 0) {
    const size_t index = outcomes_.size();
    outcomes_.push_back(absl::UnknownError("not finished"));
    writer_->Submit(std::make_unique<TestChange>(
        std::move(apply), [this, index](absl::Status status) { outcomes_[index] = std::move(status); },
        bytes));
  }
  std::string Value(absl::string_view key) {
    const Database::Use use(*database_);
    std::string value;
    return use.Find(Family::kMeta, key, value).value() ? value : "(none)";
  }

  Health health_;
  RocksDbOptions options_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Writer> writer_;
  absl::Notification resume_;
  std::vector<absl::Status> outcomes_;
};

TEST_F(WriterTest, AChangeSeesThoseBeforeItInItsGroup) {
  outcomes_.reserve(8);
  Pause();
  Submit([](Batch& batch) {
    batch.Put(Family::kMeta, "test", "1");
    return absl::OkStatus();
  });
  Submit([](Batch& batch) {
    std::string value;
    EXPECT_TRUE(batch.Find(Family::kMeta, "test", value).value());
    EXPECT_TRUE(batch.FindPrefix(Family::kMeta, "te").value());
    EXPECT_FALSE(batch.FindPrefix(Family::kMeta, "tex").value());
    batch.Put(Family::kMeta, "test", value + "2");
    return absl::OkStatus();
  });
  Submit([](Batch& batch) {
    std::string value;
    EXPECT_TRUE(batch.Find(Family::kMeta, "test", value).value());
    EXPECT_EQ(value, "12");
    batch.Delete(Family::kMeta, "test");
    EXPECT_FALSE(batch.Find(Family::kMeta, "test", value).value());
    batch.Put(Family::kMeta, "test", "3");
    return absl::OkStatus();
  });
  Resume();
  EXPECT_THAT(outcomes_, testing::Each(absl::OkStatus()));
  EXPECT_EQ(Value("test"), "3");
}

int callbacks_around = 0;

TEST_F(WriterTest, CallsBackForACommitInOneGo) {
  writer_ = std::make_unique<Writer>(*database_, kMaxWaiting, kMaxWaitingBytes, [](auto call_back) {
    ++callbacks_around;
    call_back();
  });
  Pause();
  const int before = callbacks_around;
  std::vector<int> seen;
  for (int i = 0; i < 3; ++i) {
    writer_->Submit(
        std::make_unique<TestChange>([](Batch&) { return absl::OkStatus(); },
                                     [&](absl::Status) { seen.push_back(callbacks_around - before); }));
  }
  Resume();
  // The first was for what kept the writer busy.
  EXPECT_THAT(seen, testing::ElementsAre(2, 2, 2));
}

TEST_F(WriterTest, AChangeThatFailsLeavesNothingAndTheOthersStay) {
  outcomes_.reserve(8);
  Pause();
  Submit([](Batch& batch) {
    batch.Put(Family::kMeta, "test", "good");
    batch.counters().message_count = 5;
    return absl::OkStatus();
  });
  Submit([](Batch& batch) {
    batch.Put(Family::kMeta, "test", "bad");
    batch.Put(Family::kMeta, "other", "bad");
    batch.counters().message_count = 77;
    return absl::AbortedError("no");
  });
  Submit([](Batch& batch) {
    std::string value;
    EXPECT_TRUE(batch.Find(Family::kMeta, "test", value).value());
    EXPECT_EQ(value, "good");
    EXPECT_FALSE(batch.Find(Family::kMeta, "other", value).value());
    ++batch.counters().message_count;
    return absl::OkStatus();
  });
  Resume();
  EXPECT_EQ(outcomes_[0].code(), StatusCode::kOk);
  EXPECT_EQ(outcomes_[1].code(), StatusCode::kAborted);
  EXPECT_EQ(outcomes_[2].code(), StatusCode::kOk);
  EXPECT_EQ(Value("test"), "good");
  EXPECT_EQ(Value("other"), "(none)");
  EXPECT_EQ(database_->counters().message_count, 6u);
}

TEST_F(WriterTest, TakesAsManyAsItMayAndNoMore) {
  outcomes_.reserve(8);
  Pause();
  const auto nothing = [](Batch&) { return absl::OkStatus(); };
  for (size_t i = 0; i < kMaxWaiting; ++i) Submit(nothing);
  Submit(nothing);
  EXPECT_EQ(outcomes_[kMaxWaiting].code(), StatusCode::kResourceExhausted);
  Resume();
  for (size_t i = 0; i < kMaxWaiting; ++i) EXPECT_TRUE(outcomes_[i].ok()) << i;
}

TEST_F(WriterTest, TakesAsManyBytesAsItMayAndNoMore) {
  outcomes_.reserve(8);
  Pause();
  const auto nothing = [](Batch&) { return absl::OkStatus(); };
  Submit(nothing, kMaxWaitingBytes - 1);
  Submit(nothing, 2);
  EXPECT_EQ(outcomes_[1].code(), StatusCode::kResourceExhausted);
  Submit(nothing, 1);
  Resume();
  EXPECT_TRUE(outcomes_[0].ok());
  EXPECT_TRUE(outcomes_[2].ok());
}

TEST_F(WriterTest, AChangeLargerThanTheBoundIsTakenAlone) {
  outcomes_.reserve(8);
  Pause();
  const auto nothing = [](Batch&) { return absl::OkStatus(); };
  Submit(nothing, kMaxWaitingBytes * 10);
  Submit(nothing, 1);
  EXPECT_EQ(outcomes_[1].code(), StatusCode::kResourceExhausted);
  Resume();
  EXPECT_TRUE(outcomes_[0].ok());
}

TEST_F(WriterTest, AfterStopNothingIsTaken) {
  writer_->Stop();
  EXPECT_EQ(writer_->Run([](Batch&) { return absl::OkStatus(); }).code(), StatusCode::kUnavailable);
}

TEST_F(WriterTest, IdsAreNeverGivenOutTwice) {
  const uint64_t before = database_->NextId();
  EXPECT_GT(database_->NextId(), before);
  const uint64_t last = database_->NextId();
  writer_.reset();
  database_.reset();
  auto again = Database::Open(options_, *rocksdb::Env::Default(), health_);
  ASSERT_TRUE(again.ok());
  EXPECT_GT((*again)->NextId() >> 40, last >> 40);
}

}  // namespace
}  // namespace mailstead::store
