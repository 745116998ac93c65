// SIGINT and SIGTERM, once, for a program's main.
#pragma once

namespace mailstead::net {

// Blocks SIGINT and SIGTERM in this thread and those started later, and ignores SIGPIPE. Call first in main.
void BlockSignals();
// Waits for one of them; returns its number.
int WaitForSignal();

}  // namespace mailstead::net
