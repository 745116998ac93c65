#include "common/mail/mime/content_field.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/tokens.h"
#include "common/mail/mime/words.h"
#include "common/text/utf8.h"

namespace mailstead::mime {
namespace {

// One name=value as it is written.
struct Piece {
  // Without what RFC 2231 puts behind it; in small letters.
  std::string name;
  // Of a parameter in pieces: which one it is. Of others -1.
  int number = -1;
  // Set when bytes in it are written as %XX, and the first one names the character set.
  bool is_extended = false;
  std::string value;

  bool has_asterisk() const { return number >= 0 || is_extended; }
};

// name*0*, name*0, name* (RFC 2231 section 4.1). What is no such thing is a name with asterisks.
void ParseName(absl::string_view written, Piece& piece) {
  absl::string_view name = written;
  const bool is_extended = absl::ConsumeSuffix(&name, "*");
  const size_t asterisk = name.find('*');
  int number = -1;
  if (asterisk != name.npos) {
    const absl::string_view digits = name.substr(asterisk + 1);
    if (digits.empty() || digits.size() > 4 || digits.find_first_not_of("0123456789") != digits.npos ||
        !absl::SimpleAtoi(digits, &number)) {
      piece.name = absl::AsciiStrToLower(written);
      return;
    }
    name = name.substr(0, asterisk);
  }
  piece.name = absl::AsciiStrToLower(name);
  piece.number = number;
  piece.is_extended = is_extended;
}

class PieceReader {
 public:
  explicit PieceReader(absl::string_view value) : left_(value) {}

  // What stands in front of the first semicolon.
  std::string TakeValue() { return absl::AsciiStrToLower(TakeUnquoted(";")); }

  // False at the end.
  bool Take(std::vector<Piece>& pieces, DefectSet& defects) {
    SkipBlanksAndComments(left_);
    if (!absl::ConsumePrefix(&left_, ";")) {
      if (left_.empty()) return false;
      // Text behind a quoted string.
      defects.Add(Defect::kBadParameter);
      TakeUnquoted(";");
      return true;
    }
    SkipBlanksAndComments(left_);
    if (left_.empty() || left_.front() == ';') return true;
    const std::string name = TakeUnquoted("=;");
    if (name.empty() || !absl::ConsumePrefix(&left_, "=")) {
      defects.Add(Defect::kBadParameter);
      return true;
    }
    SkipBlanksAndComments(left_);
    Piece piece;
    ParseName(name, piece);
    if (!left_.empty() && left_.front() == '"') {
      bool is_whole = true;
      piece.value = TakeQuotedString(left_, is_whole);
      if (!is_whole) defects.Add(Defect::kBadParameter);
    } else {
      piece.value = TakeUnquoted(";");
    }
    if (pieces.size() == kMaxParameterCount) {
      defects.Add(Defect::kTooManyParameters);
      return false;
    }
    pieces.push_back(std::move(piece));
    return true;
  }

 private:
  // Up to one of `ends`, without comments and the blanks at its ends. A parenthesis that no blank is in front of is
  // text of file names: "report(1).pdf".
  std::string TakeUnquoted(absl::string_view ends) {
    std::string text;
    SkipBlanksAndComments(left_);
    while (!left_.empty() && ends.find(left_.front()) == ends.npos) {
      if (IsWhite(left_.front())) {
        SkipBlanksAndComments(left_);
        text.push_back(' ');
      } else {
        text.push_back(left_.front());
        left_.remove_prefix(1);
      }
    }
    absl::StripTrailingAsciiWhitespace(&text);
    return text;
  }

  absl::string_view left_;
};

int HexValue(char c) {
  if (!absl::ascii_isxdigit(c)) return -1;
  return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
}

std::string PercentDecoded(absl::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && HexValue(text[at + 1]) >= 0 &&
        HexValue(text[at + 2]) >= 0) {
      bytes.push_back(static_cast<char>(HexValue(text[at + 1]) << 4 | HexValue(text[at + 2])));
      at += 2;
    } else {
      bytes.push_back(text[at]);
    }
  }
  return bytes;
}

// A value without the forms of RFC 2231.
std::string Decoded(const std::string& name, const std::string& written, const Charsets& charsets,
                    DefectSet& defects) {
  if (name == "boundary" || !absl::StrContains(written, "=?")) {
    return IsAscii(written) ? OneLine(written) : OneLine(charsets.Decode("", written));
  }
  std::string decoded = DecodeText(written, charsets);
  if (decoded != written) defects.Add(Defect::kEncodedWordInParameter);
  return decoded;
}

// `pieces` are of one name and form, at least one.
std::string PutTogether(std::vector<const Piece*> pieces, const Charsets& charsets, DefectSet& defects) {
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece* a, const Piece* b) { return a->number < b->number; });
  std::string charset;
  std::string bytes;
  bool is_extended = false;
  int expected = 0;
  int last = -1;
  for (const Piece* piece : pieces) {
    if (piece->number >= 0) {
      if (piece->number == last) {
        defects.Add(Defect::kDuplicateParameter);
        continue;
      }
      if (piece->number != expected) defects.Add(Defect::kParameterHole);
      last = piece->number;
      expected = last + 1;
    } else if (piece != pieces.front()) {
      defects.Add(Defect::kDuplicateParameter);
      continue;
    }
    absl::string_view value = piece->value;
    if (!piece->is_extended) {
      bytes += piece->value;
      continue;
    }
    is_extended = true;
    // charset'language'text; without the quotes it is text of an unknown set.
    const size_t charset_end = piece == pieces.front() ? value.find('\'') : value.npos;
    const size_t language_end = charset_end == value.npos ? value.npos : value.find('\'', charset_end + 1);
    if (language_end != value.npos) {
      charset = std::string(value.substr(0, charset_end));
      value.remove_prefix(language_end + 1);
    } else if (piece == pieces.front()) {
      defects.Add(Defect::kBadParameter);
    }
    bytes += PercentDecoded(value);
  }
  if (!is_extended) return Decoded(pieces.front()->name, bytes, charsets, defects);
  if (!charsets.Knows(charset)) defects.Add(Defect::kUnknownCharset);
  return OneLine(charsets.Decode(charset, bytes));
}

// The value of the parameter that `first` begins.
Parameter Put(const std::vector<Piece>& pieces, const Piece& first, const Charsets& charsets,
              DefectSet& defects) {
  // Three forms: name*0 and so on, name*, name. RFC 6266 section 4.3 says which of the last two counts.
  std::vector<const Piece*> continued, extended, plain;
  for (const Piece& piece : pieces) {
    if (piece.name != first.name) continue;
    (piece.number >= 0 ? continued : piece.is_extended ? extended : plain).push_back(&piece);
  }
  const int forms = !continued.empty() + !extended.empty() + !plain.empty();
  if (forms > 1 || plain.size() > 1) defects.Add(Defect::kDuplicateParameter);
  Parameter parameter{first.name, ""};
  if (!continued.empty()) {
    parameter.value = PutTogether(std::move(continued), charsets, defects);
  } else if (!extended.empty()) {
    parameter.value = PutTogether(std::move(extended), charsets, defects);
  } else {
    parameter.value = Decoded(first.name, plain.front()->value, charsets, defects);
  }
  return parameter;
}

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && absl::string_view("()<>@,;:\\\"/[]?=").find(c) == absl::string_view::npos;
  });
}

}  // namespace

absl::string_view ContentField::Find(absl::string_view name) const {
  for (const Parameter& parameter : parameters) {
    if (parameter.name == name) return parameter.value;
  }
  return "";
}

ContentField ParseContentField(absl::string_view field_value, const Charsets& charsets) {
  ContentField field;
  PieceReader reader(field_value);
  field.value = reader.TakeValue();
  std::vector<Piece> pieces;
  while (reader.Take(pieces, field.defects)) {
  }
  for (const Piece& piece : pieces) {
    const bool is_there =
        std::any_of(field.parameters.begin(), field.parameters.end(),
                    [&piece](const Parameter& parameter) { return parameter.name == piece.name; });
    if (is_there) continue;
    field.parameters.push_back(Put(pieces, piece, charsets, field.defects));
    if (piece.name == "boundary") {
      // What is in pieces has been put together; it is ASCII where it can be a boundary at all.
      field.boundary = piece.has_asterisk() ? field.parameters.back().value : piece.value;
    }
  }
  return field;
}

bool IsMediaType(absl::string_view text) {
  const size_t slash = text.find('/');
  return slash != text.npos && IsToken(text.substr(0, slash)) && IsToken(text.substr(slash + 1));
}

}  // namespace mailstead::mime
