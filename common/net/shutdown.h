// The signals that a program hears, for its main: SIGINT and SIGTERM end it, SIGHUP makes it look again at its files.
#pragma once

#include <functional>

namespace mailstead::net {

// Blocks these three in this thread and those started later, and ignores SIGPIPE, SIGUSR1 and SIGUSR2. Call first in main.
void BlockSignals();
// Waits for SIGINT or SIGTERM, and returns its number. Until then it calls `reload` for each SIGHUP, on this thread.
int WaitForSignal(const std::function<void()>& reload);

}  // namespace mailstead::net
