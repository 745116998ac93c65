// How a notice writes what others said and chose, so that it neither ends a line of it nor begins another one. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::dsn {

// A line of at most so many characters where it can be broken, and always of at most that many (RFC 5322 section
// 2.1.1).
inline constexpr size_t kGoodLineBytes = 78;
inline constexpr size_t kMaxLineBytes = 998;

// Whether a line of `text` is longer than kMaxLineBytes, or has what no line may have: NUL, CR or LF by itself.
bool HasBadLine(absl::string_view text);

// One line of text: control characters that stand together, or beside a blank, are one blank; there are none at the
// ends; and without `utf8`, or where the bytes are no UTF-8, each character outside ASCII is a '?'. Printable text
// stays what it is.
std::string Printable(absl::string_view text, bool utf8);
// The lines of a text, each as above; empty ones are left out. At most `max_bytes` of the text.
std::vector<std::string> PrintableLines(absl::string_view text, bool utf8, size_t max_bytes);

// Breaks printable text into lines of `width` at blanks; a word beyond that is a line of its own, and in pieces when it
// is longer than kMaxLineBytes allows for. Each line but the first begins with the blanks that it was broken at, unless
// it was broken in a word.
std::vector<std::string> Wrap(absl::string_view text, size_t first_width, size_t width);

// "Name: value" with its CRLF, folded (RFC 5322 section 2.2.3). `lines` are printable; each begins a line.
void AppendField(absl::string_view name, const std::vector<std::string>& lines, std::string& out);
void AppendField(absl::string_view name, absl::string_view value, std::string& out);

// An address with its type: "rfc822; a@b.test"; one with other characters than ASCII "utf-8; ..." (RFC 6533 section
// 3): as it is with `utf8`, else with \x{...} for each of them.
std::string TypedAddress(absl::string_view address, bool utf8);
// The same for ORCPT, which has its type: "rfc822;a@b.test".
std::string TypedOriginalRecipient(absl::string_view original_recipient, bool utf8);

}  // namespace mailstead::dsn
