#include "common/frontend/ticket_watch.h"

#include <atomic>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_store.h"
#include "tests/support/fake_time.h"
#include "tests/unit/common/store/awaiting.h"

namespace mailstead::frontend {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kAsk[] = "ListTicketKeys";

// The real store, and time that the test moves on.
class TicketWatchTest : public test::Awaiting {
 protected:
  void Begin() {
    watch_.Start();
    Pass(absl::ZeroDuration());
  }
  // Lets so much time go by, and all that it wakes come to where it waits again.
  void Pass(absl::Duration time) {
    time_.Advance(time);
    EXPECT_TRUE(Until([this] { return time_.waiting_count() > 0; }));
    io_.restart();
    io_.poll();
  }
  ~TicketWatchTest() override { End(watch_); }
  void End(TicketWatch& watch) {
    std::atomic<bool> stopped = false;
    std::thread stopping([&] {
      EXPECT_TRUE(watch.Stop(absl::Seconds(60)));
      stopped = true;
    });
    EXPECT_TRUE(Until([&stopped] { return stopped.load(); }));
    stopping.join();
  }
  int asked() { return store_.way().calls(kAsk); }

  FakeTime time_;
  test::FakeStore store_{{.role = stored::kSmtp, .timers = &time_}};
  store::StoreApi api_{store_.way(), nullptr, time_};
  net::TicketRing ring_{time_};
  TicketWatch watch_{api_, &ring_, io_.get_executor(), time_};
};

TEST_F(TicketWatchTest, AsksAtOnceAndAgainWhenTheStoreSaysSo) {
  ::testing::internal::CaptureStderr();
  Begin();
  EXPECT_EQ(asked(), 1);
  Pass(absl::Seconds(29));
  EXPECT_EQ(asked(), 1);
  Pass(absl::Seconds(1));
  EXPECT_EQ(asked(), 2);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("event=ticket_keys_shared"));
  EXPECT_EQ(log.find("event=ticket_keys_shared"), log.rfind("event=ticket_keys_shared"));
  EXPECT_THAT(log, Not(HasSubstr("not_shared")));
}

TEST_F(TicketWatchTest, AsksEverySecondWhileTheStoreIsAwayAndSaysItOnce) {
  store_.way().SetAway(absl::UnavailableError("gone"));
  ::testing::internal::CaptureStderr();
  Begin();
  for (int i = 0; i < 5; ++i) Pass(absl::Seconds(1));
  EXPECT_EQ(asked(), 6);
  std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("event=ticket_keys_not_shared"));
  EXPECT_EQ(log.find("not_shared"), log.rfind("not_shared"));

  store_.way().SetAway(absl::OkStatus());
  ::testing::internal::CaptureStderr();
  Pass(absl::Seconds(1));
  Pass(absl::Seconds(10));
  EXPECT_EQ(asked(), 7);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("event=ticket_keys_shared"));
}

// Each refusal is a line of the store's audit.
TEST_F(TicketWatchTest, AsksSeldomWhereItIsRefused) {
  store_.way().Fail(kAsk, test::When::kBefore, absl::PermissionDeniedError("wrong role"), 0);
  Begin();
  EXPECT_EQ(asked(), 1);
  Pass(absl::Seconds(29));
  EXPECT_EQ(asked(), 1);
  store_.way().Release(kAsk);
  Pass(absl::Seconds(1));
  EXPECT_EQ(asked(), 2);
}

TEST_F(TicketWatchTest, AsksNothingWhenTheKeysAreThoseOfAFile) {
  TicketWatch watch(api_, nullptr, io_.get_executor(), time_);
  watch.Start();
  io_.restart();
  io_.poll();
  EXPECT_EQ(asked(), 0);
  EXPECT_TRUE(watch.Stop(absl::Seconds(1)));
}

}  // namespace
}  // namespace mailstead::frontend
