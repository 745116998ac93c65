#include "common/net/shutdown.h"

#include <csignal>

#include "common/base/check.h"

namespace mailstead::net {
namespace {

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = EndSignals();
  CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  // A peer that goes while we write is an error of that write.
  std::signal(SIGPIPE, SIG_IGN);
}

int WaitForSignal() {
  const sigset_t signals = EndSignals();
  int number = 0;
  CHECK(sigwait(&signals, &number) == 0);
  return number;
}

}  // namespace mailstead::net
