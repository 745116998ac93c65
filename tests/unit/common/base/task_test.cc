#include "common/base/task.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/executor.h"

namespace mailstead {
namespace {

Task<int> One() { co_return 1; }

Task<> AddOnes(int count, int& sum) {
  for (int i = 0; i < count; ++i) sum += co_await One();
}

TEST(TaskTest, BeginsWhenItIsAwaitedAndNotBefore) {
  bool began = false;
  const auto run = [](bool& began) -> Task<> {
    began = true;
    co_return;
  };
  Task<> task = run(began);
  EXPECT_FALSE(began);
  Start(std::move(task));
  EXPECT_TRUE(began);
}

TEST(TaskTest, OneThatIsNeverAwaitedDoesNothingAndFreesItsFrame) {
  auto held = std::make_shared<int>(1);
  const auto hold = [](std::shared_ptr<int> held) -> Task<int> { co_return *held; };
  { const Task<int> task = hold(held); }
  EXPECT_EQ(held.use_count(), 1);
}

// In a build without optimization too, where a tail call is not one.
TEST(TaskTest, ALoopOverTasksThatEndAtOnceDoesNotGrowTheStack) {
  int sum = 0;
  bool ended = false;
  Start(AddOnes(1'000'000, sum), [&] { ended = true; });
  EXPECT_TRUE(ended);
  EXPECT_EQ(sum, 1'000'000);
}

TEST(TaskTest, GivesValuesThatCannotBeCopied) {
  const auto make = []() -> Task<std::unique_ptr<std::string>> {
    co_return std::make_unique<std::string>("x");
  };
  std::unique_ptr<std::string> got;
  const auto take = [&](Task<std::unique_ptr<std::string>> task) -> Task<> { got = co_await task; };
  Start(take(make()));
  ASSERT_NE(got, nullptr);
  EXPECT_EQ(*got, "x");
}

TEST(TaskTest, FreesWhatItsFrameHeldWhenItEnds) {
  auto held = std::make_shared<int>(1);
  const auto hold = [](std::shared_ptr<int> held) -> Task<int> { co_return *held; };
  const auto await = [](Task<int> task) -> Task<> { co_await task; };
  Start(await(hold(held)));
  EXPECT_EQ(held.use_count(), 1);
}

Task<> AwaitArrival(Arrival<int>& arrival, int& got) { got = co_await arrival; }

TEST(ArrivalTest, AValueThatIsThereAlreadyIsTakenWithoutWaiting) {
  Arrival<int> arrival;
  arrival.Set(7);
  int got = 0;
  Start(AwaitArrival(arrival, got));
  EXPECT_EQ(got, 7);
}

TEST(ArrivalTest, AValueThatComesLaterResumesWhoWaits) {
  Arrival<int> arrival;
  int got = 0;
  Start(AwaitArrival(arrival, got));
  EXPECT_EQ(got, 0);
  arrival.Set(7);
  EXPECT_EQ(got, 7);
}

TEST(ArrivalTest, PutLeavesItToTheCallerToResume) {
  Arrival<int> arrival;
  int got = 0;
  Start(AwaitArrival(arrival, got));
  const std::coroutine_handle<> waiting = arrival.Put(7);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(got, 0);
  waiting.resume();
  EXPECT_EQ(got, 7);
}

TEST(ArrivalTest, PutBeforeAnybodyWaitsResumesNobody) {
  Arrival<int> arrival;
  EXPECT_FALSE(arrival.Put(7));
  int got = 0;
  Start(AwaitArrival(arrival, got));
  EXPECT_EQ(got, 7);
}

// Who brings the value and who waits for it meet in every order: under the thread sanitizer this is the proof that
// neither is lost and neither touches what the other has freed.
TEST(ArrivalTest, MeetsAcrossThreadsInEveryOrder) {
  constexpr int kRounds = 2000;
  std::atomic<int> ended = 0;
  std::atomic<int> sum = 0;
  const auto round = [](std::atomic<int>& sum) -> Task<> {
    Arrival<int> arrival;
    std::thread bringer([&arrival] { arrival.Set(1); });
    const int got = co_await arrival;
    // This may be the bringer's own thread.
    if (bringer.get_id() == std::this_thread::get_id()) {
      bringer.detach();
    } else {
      bringer.join();
    }
    sum += got;
  };
  for (int i = 0; i < kRounds; ++i) Start(round(sum), [&] { ++ended; });
  while (ended < kRounds) std::this_thread::yield();
  EXPECT_EQ(sum, kRounds);
}

// An executor whose turn comes when the test says so.
class StepExecutor final : public Executor {
 public:
  void Resume(absl::Span<const std::coroutine_handle<>> waiting) override {
    waiting_.insert(waiting_.end(), waiting.begin(), waiting.end());
  }
  void RunAll() {
    for (const std::coroutine_handle<> next : std::exchange(waiting_, {})) next.resume();
  }

 private:
  std::vector<std::coroutine_handle<>> waiting_;
};

TEST(ResumeOnTest, GoesOnWhenTheExecutorSaysSo) {
  StepExecutor executor;
  int step = 0;
  const auto run = [](StepExecutor& executor, int& step) -> Task<> {
    step = 1;
    co_await ResumeOn(executor);
    step = 2;
  };
  Start(run(executor, step));
  EXPECT_EQ(step, 1);
  executor.RunAll();
  EXPECT_EQ(step, 2);
}

}  // namespace
}  // namespace mailstead
