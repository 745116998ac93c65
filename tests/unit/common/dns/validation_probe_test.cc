#include "common/dns/validation_probe.h"

#include <vector>

#include "asio/io_context.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/begin.h"
#include "tests/support/fake_resolver.h"
#include "tests/support/fake_time.h"

namespace mailstead::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ValidationProbeTest : public ::testing::Test {
 protected:
  absl::Duration Turn(const Answer& answer) {
    resolver_.Set(".", Type::kSoa, answer);
    return RunToEnd(context_, time_, probe_.Turn());
  }

  FakeTime time_;
  asio::io_context context_{1};
  FakeResolver resolver_{time_};
  std::vector<bool> told_;
  const ProbeOptions options_;
  ValidationProbe probe_{resolver_, options_, time_, [this](bool validates) { told_.push_back(validates); }};
};

TEST_F(ValidationProbeTest, TellsWhatIsNewOnly) {
  EXPECT_EQ(probe_.validates(), std::nullopt);
  EXPECT_EQ(Turn(Secure(Answered({Soa{}}))), options_.interval);
  EXPECT_EQ(probe_.validates(), true);
  Turn(Secure(Answered({Soa{}})));
  EXPECT_THAT(told_, ElementsAre(true));
  Turn(Answered({Soa{}}));
  Turn(Answered({Soa{}}));
  EXPECT_EQ(probe_.validates(), false);
  EXPECT_THAT(told_, ElementsAre(true, false));
  Turn(Secure(Answered({Soa{}})));
  EXPECT_THAT(told_, ElementsAre(true, false, true));
}

TEST_F(ValidationProbeTest, ThatItDoesNotIsNewsAtFirst) {
  Turn(Answered({Soa{}}));
  EXPECT_THAT(told_, ElementsAre(false));
}

TEST_F(ValidationProbeTest, AFailureChangesNothingAndIsTriedAgainSoon) {
  EXPECT_EQ(Turn(Failed(Failure::kServFail)), options_.retry_interval);
  EXPECT_EQ(probe_.validates(), std::nullopt);
  EXPECT_EQ(probe_.last_failure(), Failure::kServFail);
  EXPECT_THAT(told_, IsEmpty());
  Turn(Secure(Answered({Soa{}})));
  EXPECT_EQ(probe_.last_failure(), Failure::kNone);
  Turn(Failed(Failure::kTimeout));
  EXPECT_EQ(probe_.validates(), true);
  EXPECT_THAT(told_, ElementsAre(true));
}

TEST_F(ValidationProbeTest, WaitsNoLongerThanItsTime) {
  resolver_.SetDelay(absl::Hours(1));
  const absl::Time begin = time_.Now();
  Turn(Secure(Answered({Soa{}})));
  EXPECT_EQ(time_.Now() - begin, options_.timeout);
  EXPECT_EQ(probe_.last_failure(), Failure::kTimeout);
}

}  // namespace
}  // namespace mailstead::dns
