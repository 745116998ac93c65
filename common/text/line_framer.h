// Splits what a peer sends into CRLF lines. Pure; bounded; any split of the bytes gives the same lines.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

// Bytes that arrived and are not consumed yet. Gives its memory back when empty, so that an idle session has
// none.
class InputBuffer {
 public:
  // Valid until the buffer changes.
  absl::string_view bytes() const { return absl::string_view(buffer_).substr(begin_); }
  bool empty() const { return begin_ == buffer_.size(); }
  void Append(absl::string_view bytes) { buffer_.append(bytes.data(), bytes.size()); }
  // Takes `count` bytes off the front; there must be so many.
  void Consume(size_t count);
  // Throws everything away. SECURITY: after STARTTLS / STLS nothing sent before the handshake may be
  // believed.
  void Clear();

 private:
  std::string buffer_;
  size_t begin_ = 0;
};

// One line of a command dialog.
struct Line {
  enum class Kind {
    // No whole line is there yet.
    kNeedMore,
    // `text` is the line without its CRLF; it has no CR or LF.
    kLine,
    // The line is longer than the limit; this is reported once its end, the next LF, is there.
    kTooLong,
    // The line is ended by LF alone, or has a CR that no LF follows; `text` is what stands before the first
    // of these.
    kBareLineEnd
  };
  Kind kind = Kind::kNeedMore;
  // Points into the buffer; valid until it changes.
  absl::string_view text;
  // How many bytes are to be consumed once the line is dealt with: up to and including its LF.
  size_t size_bytes = 0;
};

class LineFramer {
 public:
  // `max_line_bytes` counts the CRLF.
  explicit LineFramer(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}
  // Looks at the beginning of `bytes`. A line that is too long is dropped piece by piece: the framer asks for
  // `size_bytes` to be consumed with kNeedMore until its end, then reports kTooLong once.
  Line Next(absl::string_view bytes);

 private:
  const size_t max_line_bytes_;
  // Set while a line that is too long is dropped piece by piece, cleared by its end.
  bool dropping_ = false;
};

}  // namespace mailstead
