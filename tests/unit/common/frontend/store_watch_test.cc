#include "common/frontend/store_watch.h"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/reason.h"
#include "common/net/listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::frontend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPeriod = absl::Milliseconds(1);

// Gives its answers one after the other, and then the last one for ever.
class FakeStore {
 public:
  explicit FakeStore(std::vector<absl::Status> answers) : answers_(std::move(answers)) {}
  asio::awaitable<absl::Status> Probe() {
    const size_t turn = asked_.fetch_add(1);
    co_return answers_[std::min(turn, answers_.size() - 1)];
  }
  // Until it has been asked more often than it has answers.
  void WaitUntilDone() const {
    while (asked_ <= answers_.size() + 1) absl::SleepFor(kPeriod);
  }

 private:
  const std::vector<absl::Status> answers_;
  std::atomic<size_t> asked_ = 0;
};

class StoreWatchTest : public ::testing::Test {
 protected:
  // The lines of the log while the store gives these answers.
  std::vector<std::string> Log(std::vector<absl::Status> answers) {
    FakeStore store(std::move(answers));
    StoreWatch watch(
        threads.first().get_executor(), [&store] { return store.Probe(); }, kPeriod);
    ::testing::internal::CaptureStderr();
    watch.Start();
    store.WaitUntilDone();
    EXPECT_TRUE(watch.Stop(absl::Seconds(10)));
    return absl::StrSplit(::testing::internal::GetCapturedStderr(), '\n', absl::SkipEmpty());
  }

  net::IoThreads threads{1};
};

TEST_F(StoreWatchTest, SaysEachChangeOnce) {
  const absl::Status away = absl::UnavailableError("connection refused");
  EXPECT_THAT(
      Log({away, away, absl::OkStatus(), absl::OkStatus(), away}),
      ElementsAre(
          AllOf(HasSubstr("level=warning"), HasSubstr("event=store_away"), HasSubstr("connection refused")),
          AllOf(HasSubstr("level=info"), HasSubstr("event=store_reached")), HasSubstr("event=store_away")));
}

TEST_F(StoreWatchTest, NamesTheProgramThatIsTooOld) {
  const absl::Status too_old =
      WithReason(absl::FailedPreconditionError("revision 1, at least 2 is served"), kReasonRevisionTooOld);
  const absl::Status too_new =
      WithReason(absl::FailedPreconditionError("revision 3, at most 2 is served"), kReasonRevisionTooNew);
  EXPECT_THAT(Log({too_old, too_old, too_new, absl::OkStatus()}),
              ElementsAre(AllOf(HasSubstr("level=error"), HasSubstr("event=store_refused"),
                                HasSubstr("too_old=\"this program\""), HasSubstr("at least 2")),
                          AllOf(HasSubstr("event=store_refused"), HasSubstr("too_old=\"the store\"")),
                          HasSubstr("event=store_reached")));
}

TEST_F(StoreWatchTest, KeepsTheLastAnswer) {
  FakeStore store(
      {absl::UnavailableError("no"), absl::OkStatus(), absl::ResourceExhaustedError("disk full")});
  StoreWatch watch(
      threads.first().get_executor(), [&store] { return store.Probe(); }, kPeriod);
  EXPECT_TRUE(absl::IsUnavailable(watch.Health())) << "not asked yet";
  watch.Start();
  store.WaitUntilDone();
  EXPECT_TRUE(absl::IsResourceExhausted(watch.Health()));
  EXPECT_TRUE(watch.Stop(absl::Seconds(10)));
  EXPECT_TRUE(watch.Stop(absl::Seconds(10))) << "again";
}

TEST_F(StoreWatchTest, StopsInTheMiddleOfThePause) {
  FakeStore store({absl::OkStatus()});
  StoreWatch watch(
      threads.first().get_executor(), [&store] { return store.Probe(); }, absl::Hours(1));
  watch.Start();
  while (!watch.Health().ok()) absl::SleepFor(kPeriod);
  EXPECT_TRUE(watch.Stop(absl::Seconds(10)));
}

TEST_F(StoreWatchTest, SaysWhenTheStoreHangs) {
  asio::steady_timer hanging(threads.first(), asio::steady_timer::time_point::max());
  std::atomic<bool> asked = false;
  const auto hang = [&]() -> asio::awaitable<absl::Status> {
    asked = true;
    co_await hanging.async_wait(asio::use_awaitable);
    co_return absl::OkStatus();
  };
  StoreWatch watch(threads.first().get_executor(), hang, kPeriod);
  watch.Start();
  while (!asked) absl::SleepFor(kPeriod);
  EXPECT_FALSE(watch.Stop(absl::Milliseconds(5)));
  // As a program does then, which keeps what the question uses.
  threads.Join();
}

}  // namespace
}  // namespace mailstead::frontend
