#include "common/mailauth/canonical.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mailstead::mailauth {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Several at a time: a body may have millions before its last line.
constexpr absl::string_view kLineEnds =
    "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
    "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
constexpr size_t kLineEndBytes = 2;

std::string RelaxedField(absl::string_view field) {
  const size_t colon = field.find(':');
  absl::string_view name = field.substr(0, colon);
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  std::string canonical = absl::AsciiStrToLower(name);
  canonical.push_back(':');
  if (colon == absl::string_view::npos) return absl::StrCat(canonical, "\r\n");
  const absl::string_view value = field.substr(colon + 1);
  const size_t value_begin = canonical.size();
  bool blank = false;
  for (size_t at = 0; at < value.size(); ++at) {
    const char c = value[at];
    if (c == '\r' && at + 1 < value.size() && value[at + 1] == '\n') {
      // Unfolded: the blank that begins the next line stays.
      ++at;
    } else if (IsBlank(c)) {
      blank = true;
    } else {
      if (blank && canonical.size() > value_begin) canonical.push_back(' ');
      blank = false;
      canonical.push_back(c);
    }
  }
  canonical.append("\r\n");
  return canonical;
}

}  // namespace

std::string CanonicalField(absl::string_view field, Canonicalization form) {
  field = absl::StripSuffix(field, "\r\n");
  return form == Canonicalization::kSimple ? absl::StrCat(field, "\r\n") : RelaxedField(field);
}

void BodyCanonicalizer::EndLines(Sink sink) {
  while (line_ends_ > 0) {
    const uint64_t count = std::min<uint64_t>(line_ends_, kLineEnds.size() / kLineEndBytes);
    sink(kLineEnds.substr(0, static_cast<size_t>(count) * kLineEndBytes));
    line_ends_ -= count;
  }
  if (blank_) sink(" ");
  blank_ = false;
}

void BodyCanonicalizer::Text(absl::string_view text, Sink sink) {
  EndLines(sink);
  has_text_ = true;
  sink(text);
}

void BodyCanonicalizer::Feed(absl::string_view bytes, Sink sink) {
  const bool relaxed = form_ == Canonicalization::kRelaxed;
  size_t at = 0;
  while (at < bytes.size()) {
    const char c = bytes[at];
    if (cr_) {
      cr_ = false;
      if (c == '\n') {
        ++at;
        blank_ = false;
        ++line_ends_;
        continue;
      }
      Text("\r", sink);
    }
    if (c == '\r') {
      cr_ = true;
      ++at;
    } else if (relaxed && IsBlank(c)) {
      blank_ = true;
      ++at;
    } else {
      size_t end = at + 1;
      while (end < bytes.size() && bytes[end] != '\r' && !(relaxed && IsBlank(bytes[end]))) ++end;
      Text(bytes.substr(at, end - at), sink);
      at = end;
    }
  }
}

void BodyCanonicalizer::Finish(Sink sink) {
  if (cr_) Text("\r", sink);
  cr_ = false;
  // Blanks and empty lines at the end are not there. An empty body is a line end in the simple form, and nothing in the
  // relaxed one.
  line_ends_ = 0;
  blank_ = false;
  if (has_text_ || form_ == Canonicalization::kSimple) sink("\r\n");
}

}  // namespace mailstead::mailauth
