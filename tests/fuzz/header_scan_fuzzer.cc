#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "smtpd/inbound/header_scan.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

struct Seen {
  size_t received = 0;
  bool date = false;
  bool message_id = false;
  bool operator==(const Seen&) const = default;
};

Seen Scan(absl::string_view input, size_t piece_bytes) {
  smtp::HeaderScan scan;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) { scan.Feed(piece); });
  return {scan.received_count(), scan.has_date(), scan.has_message_id()};
}

// The field name that a line begins with, or nothing when it is no field.
absl::string_view NameOf(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return "";
  absl::string_view name = line.substr(0, colon);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return is_name ? name : absl::string_view();
}

// The slow and obvious way: line by line.
Seen ScanLines(absl::string_view input) {
  Seen seen;
  bool in_field = false;
  while (!input.empty()) {
    const size_t end = input.find("\r\n");
    const absl::string_view line = input.substr(0, end);
    const bool is_continued = !line.empty() && (line.front() == ' ' || line.front() == '\t');
    const absl::string_view name = is_continued ? "" : NameOf(line);
    if (is_continued ? !in_field : name.empty()) break;
    in_field = true;
    seen.received += absl::EqualsIgnoreCase(name, "Received");
    seen.date |= absl::EqualsIgnoreCase(name, "Date");
    seen.message_id |= absl::EqualsIgnoreCase(name, "Message-ID");
    if (end == absl::string_view::npos) break;
    input.remove_prefix(end + 2);
  }
  return seen;
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const Seen seen = Scan(input, std::max<size_t>(input.size(), 1));
  CHECK(Scan(input, piece_bytes) == seen);
  CHECK(ScanLines(input) == seen);
}

}  // namespace mailstead::fuzz
