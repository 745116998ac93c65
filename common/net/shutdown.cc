#include "common/net/shutdown.h"

#include <csignal>

#include "common/base/check.h"

namespace mailstead::net {
namespace {

sigset_t AwaitedSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = AwaitedSignals();
  CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  // A peer that goes while we write is an error of that write.
  std::signal(SIGPIPE, SIG_IGN);
  // Other daemons write statistics or open their log again at these; here they must not be the end.
  std::signal(SIGUSR1, SIG_IGN);
  std::signal(SIGUSR2, SIG_IGN);
}

int WaitForSignal(const std::function<void()>& reload) {
  const sigset_t signals = AwaitedSignals();
  for (;;) {
    int number = 0;
    CHECK(sigwait(&signals, &number) == 0);
    if (number != SIGHUP) return number;
    reload();
  }
}

}  // namespace mailstead::net
