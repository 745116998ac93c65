#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/mail/header_reader.h"
#include "common/mail/trace.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

struct Field {
  std::string name;
  std::string value;
  std::string raw;
  bool cut = false;
  bool operator==(const Field&) const = default;
};

struct Header {
  std::vector<Field> fields;
  bool begins_with_text = false;
  bool operator==(const Header&) const = default;
};

class Collector : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override {
    fields.push_back({std::string(field.name), std::string(field.value), std::string(field.raw), field.cut});
    // Folding is what has been taken out.
    CHECK(field.Unfolded().find("\r\n") == std::string::npos);
  }

  std::vector<Field> fields;
};

Header Read(absl::string_view input, size_t piece_bytes) {
  Collector collector;
  HeaderReader reader({&collector});
  ForPieces(input, piece_bytes, [&](absl::string_view piece) { reader.Feed(piece); });
  reader.Finish();
  return {std::move(collector.fields), reader.begins_with_text()};
}

// The name that a line begins with, and the place of its colon; or nothing when it is no field.
absl::string_view NameOf(absl::string_view line, size_t& colon) {
  colon = line.find(':');
  if (colon == absl::string_view::npos) return "";
  absl::string_view name = line.substr(0, colon);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return is_name ? name : absl::string_view();
}

// The slow and obvious way: line by line.
Header ReadLines(absl::string_view input) {
  Header header;
  size_t value_begin = 0;
  bool first = true;
  while (!input.empty()) {
    const size_t end = input.find("\r\n");
    const absl::string_view line = input.substr(0, end);
    const absl::string_view whole_line = end == absl::string_view::npos ? line : input.substr(0, end + 2);
    if (!first && !line.empty() && (line.front() == ' ' || line.front() == '\t')) {
      header.fields.back().raw += std::string(whole_line);
    } else {
      size_t colon = 0;
      const absl::string_view name = NameOf(line, colon);
      if (name.empty()) {
        header.begins_with_text = first && !(line.empty() && end != absl::string_view::npos);
        break;
      }
      value_begin = colon + 1;
      header.fields.push_back({std::string(name), "", std::string(whole_line)});
    }
    Field& field = header.fields.back();
    field.cut = field.raw.size() > kMaxHeaderFieldBytes;
    field.value = field.raw.substr(value_begin);
    if (absl::EndsWith(field.value, "\r\n")) field.value.resize(field.value.size() - 2);
    first = false;
    if (end == absl::string_view::npos) break;
    input.remove_prefix(end + 2);
  }
  return header;
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const Header header = Read(input, std::max<size_t>(input.size(), 1));
  CHECK(Read(input, piece_bytes) == header);
  const Header lines = ReadLines(input);
  const bool cut =
      std::any_of(lines.fields.begin(), lines.fields.end(), [](const Field& field) { return field.cut; });
  if (!cut) CHECK(lines == header);
}

}  // namespace mailstead::fuzz
