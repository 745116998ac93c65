// The field Content-Disposition of what came with a mail (RFC 6266): always an attachment, under a name that is safe to write to.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::web {

// File systems take names of 255 bytes; a browser puts " (1)" behind one, or ".crdownload".
inline constexpr size_t kMaxFileNameBytes = 150;

// A name for a file out of what a stranger wrote: no path, no control and no character that turns others around, nothing that
// a file system or a shell's pattern takes for more than a name, no device of Windows', not hidden; at most kMaxFileNameBytes of
// UTF-8, with its ending. `otherwise`: when nothing is left.
std::string SafeFileName(absl::string_view written, absl::string_view otherwise);

// `name` is a SafeFileName. What is not ASCII stands in filename* (RFC 8187), and for those who do not know that in filename,
// without what they cannot have.
std::string AttachmentNamed(absl::string_view name);

}  // namespace mailstead::web
