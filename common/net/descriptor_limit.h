// The limit on open files.
#pragma once

namespace mailstead::net {

// Raises the soft limit on open files to the hard one: each connection is a descriptor, and the 1,024 that a
// shell gives are not meant for servers. Once, when the program starts.
void RaiseDescriptorLimit();

}  // namespace mailstead::net
