#include "common/obs/log_format.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailstead::obs {
namespace {

constexpr uint32_t kReplacement = 0xfffd;
constexpr size_t kUsualLineBytes = 256;
constexpr absl::string_view kEllipsis = "\xe2\x80\xa6";

// One character of UTF-8; an invalid byte is one character of its own.
struct Character {
  uint32_t code_point;
  size_t size_bytes;
  bool valid;
};

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// How many bytes a leading byte announces; 0 if it cannot lead.
size_t AnnouncedBytes(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

Character FirstCharacter(absl::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t size = AnnouncedBytes(lead);
  if (size == 1) return {lead, 1, true};
  if (size == 0 || size > text.size()) return {kReplacement, 1, false};
  uint32_t code_point = lead & (0xff >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if (!IsContinuation(text[i])) return {kReplacement, 1, false};
    code_point = code_point << 6 | (static_cast<uint8_t>(text[i]) & 0x3f);
  }
  const bool overlong = (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (overlong || surrogate || code_point > 0x10ffff) return {kReplacement, 1, false};
  return {code_point, size, true};
}

// SECURITY: characters that move the cursor, end a line, or turn the direction of what follows could make a
// log say what never happened.
bool IsInvisible(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// The longest beginning of at most `max_bytes` that does not end inside a character.
absl::string_view CutAtCharacter(absl::string_view text, size_t max_bytes) {
  size_t end = max_bytes;
  // A character has at most three continuation bytes; text with more of them in a row is not UTF-8 anyway.
  for (size_t back = 0; back < 3 && end > 0 && IsContinuation(text[end]); ++back) --end;
  return text.substr(0, end);
}

// The inside of a quoted value; the escapes are JSON's, and logfmt readers know them too.
void AppendEscaped(absl::string_view value, std::string& out) {
  const bool cut = value.size() > kMaxLogValueBytes;
  if (cut) value = CutAtCharacter(value, kMaxLogValueBytes);
  while (!value.empty()) {
    const Character c = FirstCharacter(value);
    if (c.code_point == '"' || c.code_point == '\\') {
      out += '\\';
      out += static_cast<char>(c.code_point);
    } else if (c.code_point == '\n') {
      out += "\\n";
    } else if (c.code_point == '\r') {
      out += "\\r";
    } else if (c.code_point == '\t') {
      out += "\\t";
    } else if (!c.valid || IsInvisible(c.code_point)) {
      absl::StrAppendFormat(&out, "\\u%04x", c.code_point);
    } else {
      out.append(value.data(), c.size_bytes);
    }
    value.remove_prefix(c.size_bytes);
  }
  if (cut) absl::StrAppend(&out, kEllipsis);
}

void AppendQuoted(absl::string_view value, std::string& out) {
  out += '"';
  AppendEscaped(value, out);
  out += '"';
}

// Of a byte: set when it is printable ASCII that no logfmt reader trips over.
constexpr std::array<bool, 256> kNeedsNoQuotes = [] {
  std::array<bool, 256> set{};
  for (size_t c = '!'; c <= '~'; ++c) set[c] = c != '"' && c != '=' && c != '\\';
  return set;
}();

// Of a byte: set when it may stand in a key.
constexpr std::array<bool, 256> kPlainInKey = [] {
  std::array<bool, 256> set{};
  for (const char c :
       absl::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")) {
    set[static_cast<uint8_t>(c)] = true;
  }
  return set;
}();

bool NeedsNoQuotes(absl::string_view value) {
  return !value.empty() && value.size() <= kMaxLogValueBytes &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return kNeedsNoQuotes[static_cast<uint8_t>(c)]; });
}

// RFC 3339 in UTC, with milliseconds. To find the date is a good part of what a line costs, and it is the
// same for all lines of a second.
std::string Timestamp(absl::Time time) {
  struct Second {
    absl::Time begin = absl::InfinitePast();
    std::string text;
  };
  thread_local Second second;
  if (time < second.begin || time >= second.begin + absl::Seconds(1)) {
    second.begin = absl::FromUnixSeconds(absl::ToUnixSeconds(time));
    second.text = absl::FormatTime("%Y-%m-%dT%H:%M:%S", second.begin, absl::UTCTimeZone());
  }
  const int64_t millis = absl::ToInt64Milliseconds(time - second.begin);
  return absl::StrCat(second.text, ".", absl::Dec(millis, absl::kZeroPad3), "Z");
}

// "inf" and "nan" are numbers to C++ and not to JSON.
bool IsJsonLiteral(const Field& field) {
  if (!field.bare || field.value.empty()) return false;
  if (field.value == "true" || field.value == "false") return true;
  return field.value.find_first_not_of("+-.0123456789e") == std::string::npos;
}

// Keys are ours and short; anything else in one is replaced, so that a line can always be read back.
void AppendKey(absl::string_view key, std::string& out) {
  const size_t begin = out.size();
  out.append(key.data(), key.size());
  for (size_t i = begin; i < out.size(); ++i) {
    if (!kPlainInKey[static_cast<uint8_t>(out[i])]) out[i] = '_';
  }
}

void AppendLogfmt(absl::string_view key, absl::string_view value, std::string& out) {
  if (!out.empty()) out += ' ';
  AppendKey(key, out);
  out += '=';
  if (NeedsNoQuotes(value)) {
    out.append(value.data(), value.size());
  } else {
    AppendQuoted(value, out);
  }
}

void AppendJsonKey(absl::string_view key, std::string& out) {
  out += out.empty() ? '{' : ',';
  out += '"';
  AppendKey(key, out);
  out += "\":";
}

void AppendJson(absl::string_view key, absl::string_view value, std::string& out) {
  AppendJsonKey(key, out);
  AppendQuoted(value, out);
}

}  // namespace

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

std::string FormatLogLine(LogFormat format, absl::Time time, LogLevel level, absl::string_view program,
                          absl::string_view event, absl::Span<const Field> fields) {
  const bool json = format == LogFormat::kJson;
  const auto append = json ? AppendJson : AppendLogfmt;
  std::string line;
  line.reserve(kUsualLineBytes);
  append("time", Timestamp(time), line);
  append("level", LevelName(level), line);
  if (!program.empty()) append("program", program, line);
  append("event", event, line);
  for (const Field& field : fields) {
    if (field.value.empty()) continue;
    if (json && IsJsonLiteral(field)) {
      AppendJsonKey(field.key, line);
      line += field.value;
    } else {
      append(field.key, field.value, line);
    }
  }
  if (json) line += '}';
  return line;
}

}  // namespace mailstead::obs
