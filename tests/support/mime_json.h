// What the MIME parser tells of a message, as JSON: for golden files, and for tests that compare it with others.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

struct MimeJsonOptions {
  // With the decoded bytes of each leaf, in base64.
  bool with_bytes = false;
  // The message is fed in pieces of so many bytes; whole when 0.
  size_t piece_bytes = 0;
};

// Indented, with a line end at its end.
std::string MimeJson(absl::string_view message, const MimeJsonOptions& options = {});

}  // namespace mailstead
