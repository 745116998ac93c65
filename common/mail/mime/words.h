// Text of header fields: folding, encoded words (RFC 2047), bytes above 127. Pure; never fails.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mail/mime/charset.h"

namespace mailstead::mime {

// The text of a field's value, or of a phrase or comment in it, as UTF-8 in one line. Encoded words are decoded
// wherever they stand, and with blanks in them, as writers put them there; characters that are split between two
// words of one character set are put together; a word of an unknown character set stays as it is written (RFC 2047
// section 6.2).
std::string DecodeText(absl::string_view value, const Charsets& charsets);

// The bytes of the encoded word that `text` begins with, or 0.
size_t EncodedWordBytes(absl::string_view text);

// SECURITY: what is decoded must not become a further line, or end early, where a reader puts it. CR, LF and NUL turn
// into U+FFFD.
std::string OneLine(absl::string_view text);

// Without the line ends of its folding (RFC 5322 section 2.2.3), and without blanks at its ends.
std::string Unfolded(absl::string_view value);

}  // namespace mailstead::mime
