#include "stored/engine/rocksdb/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "tests/support/block_on.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;

class TestChange final : public Change {
 public:
  explicit TestChange(std::function<absl::Status(Batch&)> apply, size_t bytes = 0, bool small = false)
      : apply_(std::move(apply)), bytes_(bytes), small_(small) {}
  absl::Status Apply(Batch& batch) override { return apply_(batch); }
  size_t size_bytes() const override { return bytes_; }
  bool is_small() const override { return small_; }
  bool needs_sync() const override { return !small_; }

 private:
  const std::function<absl::Status(Batch&)> apply_;
  const size_t bytes_;
  const bool small_;
};

Task<void> Await(Writer& writer, std::unique_ptr<Change> change, absl::Status& outcome,
                 std::thread::id& thread) {
  outcome = co_await writer.Commit(*change);
  thread = std::this_thread::get_id();
}

class WriterTest : public testing::Test {
 protected:
  static constexpr size_t kMaxWaiting = 4;
  static constexpr size_t kMaxWaitingBytes = 1000;

  WriterTest() : health_(*rocksdb::Env::Default(), "/", 0, Clock::System()) {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-writer-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    options_.path = name;
    Open();
  }
  ~WriterTest() override {
    writer_.reset();
    database_.reset();
    std::filesystem::remove_all(options_.path);
  }

  void Open() {
    auto database = Database::Open(options_, *rocksdb::Env::Default(), health_);
    CHECK(database.ok());
    database_ = *std::move(database);
    writer_ = std::make_unique<Writer>(*database_, executor_, kMaxWaiting, kMaxWaitingBytes);
  }

  // Keeps the writer busy until Resume, so that what is submitted meanwhile is one group.
  void Pause() {
    absl::Notification paused;
    Commit([&](Batch&) {
      paused.Notify();
      resume_.WaitForNotification();
      return absl::OkStatus();
    });
    paused.WaitForNotification();
  }
  // Until all have ended.
  void Resume() {
    resume_.Notify();
    writer_->Stop();
    for (const auto& ended : ended_) ended->WaitForNotification();
  }
  void Commit(std::function<absl::Status(Batch&)> apply, size_t bytes = 0, bool small = false) {
    outcomes_.push_back(absl::UnknownError("not finished"));
    threads_.emplace_back();
    ended_.push_back(std::make_unique<absl::Notification>());
    Start(Await(*writer_, std::make_unique<TestChange>(std::move(apply), bytes, small), outcomes_.back(),
                threads_.back()),
          [ended = ended_.back().get()] { ended->Notify(); });
  }
  // Those behind Pause, which is the first.
  void Submit(std::function<absl::Status(Batch&)> apply, size_t bytes = 0) {
    Commit(std::move(apply), bytes);
  }
  void CommitSmall(std::function<absl::Status(Batch&)> apply) { Commit(std::move(apply), 0, /*small=*/true); }
  absl::Status outcome(size_t index) const { return outcomes_[index + 1]; }
  std::string Value(absl::string_view key, Family family = Family::kMeta) {
    const Database::Use use(*database_);
    std::string value;
    return use.Find(family, key, value).value() ? value : "(none)";
  }
  static std::string Seen(const Batch& batch, absl::string_view key) {
    std::string value;
    return batch.Find(Family::kQueue, key, value).value() ? value : "(none)";
  }

  Health health_;
  RocksDbOptions options_;
  std::unique_ptr<Database> database_;
  ThreadExecutor executor_;
  std::unique_ptr<Writer> writer_;
  absl::Notification resume_;
  std::deque<absl::Status> outcomes_;
  std::deque<std::thread::id> threads_;
  std::deque<std::unique_ptr<absl::Notification>> ended_;
};

TEST_F(WriterTest, AChangeSeesThoseBeforeItInItsGroup) {
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

TEST_F(WriterTest, ThoseOfOneCommitGoOnTogetherOnTheExecutor) {
  Pause();
  for (int i = 0; i < 3; ++i) Submit([](Batch&) { return absl::OkStatus(); });
  Submit([](Batch&) { return absl::AbortedError("no"); });
  const int before = executor_.wake_up_count();
  Resume();
  // The first was for what kept the writer busy.
  EXPECT_EQ(executor_.wake_up_count() - before, 2);
  EXPECT_THAT(threads_, testing::Each(executor_.thread_id()));
  EXPECT_EQ(outcome(3).code(), StatusCode::kAborted);
}

TEST_F(WriterTest, WhatIsRefusedGoesOnAtOnce) {
  writer_->Stop();
  Submit([](Batch&) { return absl::OkStatus(); });
  EXPECT_TRUE(ended_[0]->HasBeenNotified());
  EXPECT_EQ(threads_[0], std::this_thread::get_id());
  EXPECT_EQ(outcomes_[0].code(), StatusCode::kUnavailable);
}

TEST_F(WriterTest, AChangeThatFailsLeavesNothingAndTheOthersStay) {
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
  EXPECT_EQ(outcome(0).code(), StatusCode::kOk);
  EXPECT_EQ(outcome(1).code(), StatusCode::kAborted);
  EXPECT_EQ(outcome(2).code(), StatusCode::kOk);
  EXPECT_EQ(Value("test"), "good");
  EXPECT_EQ(Value("other"), "(none)");
  EXPECT_EQ(database_->counters().message_count, 6);
}

TEST_F(WriterTest, WhatIsPutOnceIsAsTheLastChangeThatSucceedsLeavesIt) {
  Commit([](Batch& batch) {
    batch.Put(Family::kQueue, "deleted", "before");
    return absl::OkStatus();
  });
  Pause();
  Submit([](Batch& batch) {
    batch.PutOnce("kept", "1");
    batch.PutOnce("deleted", "1");
    EXPECT_EQ(Seen(batch, "kept"), "1");
    // It is not there for walks yet.
    EXPECT_FALSE(batch.FindPrefix(Family::kQueue, "kept").value());
    return absl::OkStatus();
  });
  Submit([](Batch& batch) {
    batch.PutOnce("kept", "bad");
    batch.PutOnce("kept", "worse");
    batch.PutOnce("new", "bad");
    batch.Delete(Family::kQueue, "deleted");
    EXPECT_EQ(Seen(batch, "deleted"), "(none)");
    return absl::AbortedError("no");
  });
  Submit([](Batch& batch) {
    EXPECT_EQ(Seen(batch, "kept"), "1");
    EXPECT_EQ(Seen(batch, "deleted"), "1");
    EXPECT_EQ(Seen(batch, "new"), "(none)");
    batch.PutOnce("kept", "2");
    batch.Delete(Family::kQueue, "deleted");
    batch.Delete(Family::kQueue, "again");
    batch.PutOnce("again", "1");
    return absl::OkStatus();
  });
  // It has written nothing else.
  Submit([](Batch& batch) {
    batch.PutOnce("kept", "bad");
    return absl::AbortedError("no");
  });
  Resume();
  EXPECT_EQ(Value("kept", Family::kQueue), "2");
  EXPECT_EQ(Value("deleted", Family::kQueue), "(none)");
  EXPECT_EQ(Value("again", Family::kQueue), "1");
  EXPECT_EQ(Value("new", Family::kQueue), "(none)");
}

TEST_F(WriterTest, TakesAsManyAsItMayAndNoMore) {
  Pause();
  const auto nothing = [](Batch&) { return absl::OkStatus(); };
  for (size_t i = 0; i < kMaxWaiting; ++i) Submit(nothing);
  Submit(nothing);
  EXPECT_EQ(outcome(kMaxWaiting).code(), StatusCode::kResourceExhausted);
  Resume();
  for (size_t i = 0; i < kMaxWaiting; ++i) EXPECT_TRUE(outcome(i).ok()) << i;
}

TEST_F(WriterTest, TakesAsManyBytesAsItMayAndNoMore) {
  Pause();
  const auto nothing = [](Batch&) { return absl::OkStatus(); };
  Submit(nothing, kMaxWaitingBytes - 1);
  Submit(nothing, 2);
  EXPECT_EQ(outcome(1).code(), StatusCode::kResourceExhausted);
  Submit(nothing, 1);
  Resume();
  EXPECT_TRUE(outcome(0).ok());
  EXPECT_TRUE(outcome(2).ok());
}

TEST_F(WriterTest, AChangeLargerThanTheBoundIsTakenAlone) {
  Pause();
  const auto nothing = [](Batch&) { return absl::OkStatus(); };
  Submit(nothing, kMaxWaitingBytes * 10);
  Submit(nothing, 1);
  EXPECT_EQ(outcome(1).code(), StatusCode::kResourceExhausted);
  Resume();
  EXPECT_TRUE(outcome(0).ok());
}

TEST_F(WriterTest, AfterStopNothingIsTaken) {
  writer_->Stop();
  EXPECT_EQ(writer_->Run([](Batch&) { return absl::OkStatus(); }).code(), StatusCode::kUnavailable);
}

// ---- Small changes

TEST_F(WriterTest, ASmallChangeIsCommittedWhereItIsAskedForWhileTheWriterIsIdle) {
  const auto put = [](Batch& batch) {
    batch.Put(Family::kMeta, "test", "small");
    return absl::OkStatus();
  };
  CommitSmall(put);
  ASSERT_TRUE(ended_[0]->HasBeenNotified());
  EXPECT_TRUE(outcomes_[0].ok());
  EXPECT_EQ(threads_[0], std::this_thread::get_id());
  EXPECT_EQ(executor_.wake_up_count(), 0);
  EXPECT_EQ(Value("test"), "small");
}

// What goes on after a commit finds the writer idle.
TEST_F(WriterTest, ASmallChangeRightAfterACommitNeedsNoChangeOfThreads) {
  const auto commit_both = [this]() -> Task<void> {
    const auto put = [](Batch& batch) {
      batch.Put(Family::kMeta, "test", "1");
      return absl::OkStatus();
    };
    TestChange large(put);
    TestChange small(put, 0, /*small=*/true);
    EXPECT_EQ(co_await writer_->Commit(large), absl::OkStatus());
    EXPECT_EQ(co_await writer_->Commit(small), absl::OkStatus());
  };
  for (int i = 1; i <= 100; ++i) {
    BlockOn(commit_both());
    EXPECT_EQ(executor_.wake_up_count(), i);
  }
}

TEST_F(WriterTest, ASmallChangeThatFailsLeavesNothing) {
  const auto fail = [](Batch& batch) {
    batch.Put(Family::kMeta, "test", "bad");
    return absl::AbortedError("no");
  };
  CommitSmall(fail);
  ASSERT_TRUE(ended_[0]->HasBeenNotified());
  EXPECT_EQ(outcomes_[0].code(), StatusCode::kAborted);
  EXPECT_EQ(Value("test"), "(none)");
}

TEST_F(WriterTest, ASmallChangeWaitsForThoseBeforeIt) {
  Pause();
  Submit([](Batch& batch) {
    batch.Put(Family::kMeta, "test", "1");
    return absl::OkStatus();
  });
  CommitSmall([](Batch& batch) {
    std::string value;
    EXPECT_TRUE(batch.Find(Family::kMeta, "test", value).value());
    batch.Put(Family::kMeta, "test", value + "2");
    return absl::OkStatus();
  });
  EXPECT_FALSE(ended_[2]->HasBeenNotified());
  Resume();
  EXPECT_THAT(threads_, testing::Each(executor_.thread_id()));
  EXPECT_EQ(Value("test"), "12");
}

TEST_F(WriterTest, WhatComesDuringASmallChangeIsCommittedBehindIt) {
  CommitSmall([this](Batch& batch) {
    Commit([](Batch& later) {
      std::string value;
      EXPECT_TRUE(later.Find(Family::kMeta, "test", value).value());
      later.Put(Family::kMeta, "test", value + "2");
      return absl::OkStatus();
    });
    batch.Put(Family::kMeta, "test", "1");
    return absl::OkStatus();
  });
  writer_->Stop();
  for (const auto& ended : ended_) ended->WaitForNotification();
  EXPECT_EQ(Value("test"), "12");
}

// Reading from the disk is the writer's affair: the caller's thread has others that wait for it.
TEST_F(WriterTest, ASmallChangeThatReadsWhatIsNotInMemoryIsTheWriters) {
  const auto put = [](Batch& batch) {
    batch.Put(Family::kMailbox, "test", "1");
    return absl::OkStatus();
  };
  CommitSmall(put);
  {
    const Database::Use use(*database_);
    ASSERT_TRUE(use.db().Flush(rocksdb::FlushOptions(), use.family(Family::kMailbox)).ok());
  }
  writer_.reset();
  database_.reset();
  Open();
  int times = 0;
  CommitSmall([&times](Batch& batch) -> absl::Status {
    ++times;
    std::string value;
    RETURN_IF_ERROR(batch.Find(Family::kMailbox, "test", value).status());
    batch.Put(Family::kMeta, "test", value + "2");
    return absl::OkStatus();
  });
  ended_[1]->WaitForNotification();
  EXPECT_TRUE(outcomes_[1].ok()) << outcomes_[1];
  EXPECT_EQ(threads_[1], executor_.thread_id());
  EXPECT_EQ(times, 2);
  EXPECT_EQ(Value("test"), "12");
}

// As by a small change: what would be held up is not written, and is no failure of the disk.
TEST_F(WriterTest, AWriteThatMayNotWaitIsNotHeldUpByCompaction) {
  const auto put = [](Batch& batch) {
    batch.Put(Family::kMailbox, "test", "1");
    return absl::OkStatus();
  };
  CommitSmall(put);
  const Database::Use use(*database_, Database::Tier::kMemory);
  rocksdb::ColumnFamilyHandle* const family = use.family(Family::kMailbox);
  ASSERT_TRUE(use.db().Flush(rocksdb::FlushOptions(), family).ok());
  ASSERT_TRUE(use.db().PauseBackgroundWork().ok());
  ASSERT_TRUE(use.db().SetOptions(family, {{"level0_stop_writes_trigger", "1"}}).ok());
  rocksdb::WriteBatch batch;
  ASSERT_TRUE(batch.Put(family, "test", "2").ok());
  EXPECT_FALSE(use.missed());
  EXPECT_FALSE(use.Write(batch, /*sync=*/false).ok());
  EXPECT_TRUE(use.missed());
  EXPECT_TRUE(health_.Get().ok());
  ASSERT_TRUE(use.db().SetOptions(family, {{"level0_stop_writes_trigger", "36"}}).ok());
  ASSERT_TRUE(use.db().ContinueBackgroundWork().ok());
  EXPECT_TRUE(use.Write(batch, /*sync=*/false).ok());
}

TEST_F(WriterTest, IdsAreNeverGivenOutTwice) {
  const int64_t before = database_->NextId();
  EXPECT_GT(database_->NextId(), before);
  const int64_t last = database_->NextId();
  writer_.reset();
  database_.reset();
  auto again = Database::Open(options_, *rocksdb::Env::Default(), health_);
  ASSERT_TRUE(again.ok());
  EXPECT_GT((*again)->NextId() >> 40, last >> 40);
}

}  // namespace
}  // namespace mailstead::engine
