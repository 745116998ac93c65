#include "common/net/shutdown.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "gtest/gtest.h"

namespace mailstead::net {
namespace {

// Signals are the process's, so each case has one of its own.
TEST(ShutdownDeathTest, WaitsForEitherSignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          BlockSignals();
          std::thread([signal] { ::kill(::getpid(), signal); }).join();
          std::_Exit(WaitForSignal([] {}) == signal ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "");
  }
}

TEST(ShutdownDeathTest, HangUpMeansToLookAgainAndUserSignalsNothing) {
  EXPECT_EXIT(
      {
        BlockSignals();
        int reloads = 0;
        std::thread([] {
          for (const int signal : {SIGUSR1, SIGUSR2, SIGHUP}) ::kill(::getpid(), signal);
        }).join();
        WaitForSignal([&reloads] {
          ++reloads;
          ::kill(::getpid(), SIGTERM);
        });
        std::_Exit(reloads == 1 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(ShutdownDeathTest, WritingToNobodyIsAnErrorAndNotTheEnd) {
  EXPECT_EXIT(
      {
        BlockSignals();
        int ends[2];
        if (::pipe(ends) != 0) std::_Exit(2);
        ::close(ends[0]);
        std::_Exit(::write(ends[1], "x", 1) == -1 && errno == EPIPE ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mailstead::net
