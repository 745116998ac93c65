// The canonical forms of DKIM (RFC 6376 section 3.4): what of a message is hashed, so that what hosts on the way may change
// changes no hash. Pure; any split of the bytes gives the same.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

enum class Canonicalization : uint8_t { kSimple, kRelaxed };

// Of one header field as it came: its name, colon and value, with its folding; with or without the CRLF at its end. Ends with
// CRLF (sections 3.4.1 and 3.4.2).
std::string CanonicalField(absl::string_view field, Canonicalization form);

// Of a body (sections 3.4.3 and 3.4.4), in pieces. Lines end with CRLF; a CR or LF elsewhere is a character as others are.
class BodyCanonicalizer {
 public:
  // Given the canonical body, piece by piece.
  using Sink = absl::FunctionRef<void(absl::string_view)>;

  explicit BodyCanonicalizer(Canonicalization form) : form_(form) {}

  void Feed(absl::string_view bytes, Sink sink);
  // The body has ended. Once.
  void Finish(Sink sink);

 private:
  // The lines that end before the next text, and the blanks before it.
  void EndLines(Sink sink);
  void Text(absl::string_view text, Sink sink);

  const Canonicalization form_;
  // Line ends behind the last text: those at the end of the body are not there. A body of nothing else is as long as a
  // stranger likes, so that they are counted.
  uint64_t line_ends_ = 0;
  // Blanks behind the last text or line end: one, or none at the end of a line.
  bool blank_ = false;
  // A CR that may be the first half of a line end.
  bool cr_ = false;
  bool has_text_ = false;
};

}  // namespace mailstead::mailauth
