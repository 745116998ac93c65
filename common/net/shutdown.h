// The signals that end a program, SIGINT and SIGTERM, for its main.
#pragma once

namespace mailstead::net {

// Blocks SIGINT and SIGTERM in this thread and those started later, and ignores SIGPIPE. Call first in main.
void BlockSignals();
// Waits for SIGINT or SIGTERM; returns its number.
int WaitForSignal();

}  // namespace mailstead::net
