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

 private:
  const BareLineEnds bare_line_ends_;
  // CRs that were taken and not yet written, at most two: what follows decides.
  int waiting_crs_ = 0;
};

}  // namespace mailstead::smtp
