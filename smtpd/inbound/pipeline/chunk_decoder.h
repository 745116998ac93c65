// The octets of BDAT chunks (RFC 3030), held to the same rules on line ends as DATA. Pure; any split of the
// bytes gives the same result.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/text/dot_codec.h"

namespace mailstead::smtp {

class ChunkDecoder {
 public:
  explicit ChunkDecoder(BareLineEnds bare_line_ends) : bare_line_ends_(bare_line_ends) {}

  // Appends the bytes to `out`; with kNormalize a bare CR or LF becomes CRLF.
  void Decode(absl::string_view in, std::string& out);
  // After the last chunk.
  void Finish(std::string& out);

  // True with kRefuse once a bare CR or LF was seen.
  bool saw_bare_line_end() const { return saw_bare_line_end_; }
  // True once a NUL byte was seen.
  bool saw_nul() const { return saw_nul_; }

 private:
  void BareCr(std::string& out);

  const BareLineEnds bare_line_ends_;
  // Set when a CR was taken and not yet written: what follows decides.
  bool after_cr_ = false;
  // Set by the first of their kind, never cleared.
  bool saw_bare_line_end_ = false;
  bool saw_nul_ = false;
};

}  // namespace mailstead::smtp
