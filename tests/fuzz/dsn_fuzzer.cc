#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/mail/dsn/writer.h"
#include "common/text/line_check.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

size_t LinesThatBegin(absl::string_view content, absl::string_view beginning) {
  size_t count = 0;
  for (const absl::string_view line : absl::StrSplit(content, "\r\n"))
    count += absl::StartsWith(line, beginning);
  return count;
}

void Check(const dsn::Notice& notice) {
  const dsn::WrittenNotice written = dsn::Write(notice);
  const std::string& content = written.content;
  LineCheck lines;
  lines.Feed(content);
  lines.Finish();
  CHECK(!lines.saw_bare_line_end() && !lines.saw_nul() && lines.at_line_start());
  for (const absl::string_view line : absl::StrSplit(content, "\r\n")) CHECK(line.size() <= 998);
  CHECK(written.envelope.smtputf8 || IsAscii(content));
  const size_t begin = content.find("boundary=\"") + 10;
  const std::string boundary = content.substr(begin, content.find('"', begin) - begin);
  const std::string delimiter = absl::StrCat("\r\n--", boundary);
  // The header, a text, the fields, perhaps what is returned, and the end.
  const std::vector<std::string> parts = absl::StrSplit(content, delimiter);
  CHECK((parts.size() == 4 || parts.size() == 5) && parts.back() == "--\r\n");
  CHECK(LinesThatBegin(parts[0], "From: ") == 1 && LinesThatBegin(parts[0], "Content-Type: ") == 1);
  // Nobody's words begin a field.
  for (const char* once :
       {"Content-Type: ", "Reporting-MTA: ", "Final-Recipient: ", "Action: ", "Status: "}) {
    CHECK(LinesThatBegin(parts[2], once) == 1);
  }
}

}  // namespace

// The original, and behind the last NUL what the other host said.
void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  const size_t nul = input.rfind('\0');
  const absl::string_view said = nul == input.npos ? input : input.substr(nul + 1);
  dsn::Notice notice;
  notice.kind = static_cast<dsn::NoticeKind>(choice % 5);
  notice.original = {input.substr(0, nul), (choice & 0x08) != 0};
  notice.envelope.reverse_path = (choice & 0x10) != 0 ? "a@b.test" : "\xc3\xa4@b.test";
  notice.envelope.smtputf8 = (choice & 0x20) != 0;
  notice.reporting_mta = "mx.example.test";
  notice.from = "MAILER-DAEMON@mx.example.test";
  notice.id = "n1";
  const std::string words(said);
  notice.recipients.push_back({.address = words.substr(0, 100),
                               .original_recipient = words.substr(0, 100),
                               .status = words.substr(0, 8),
                               .remote_mta = words,
                               .diagnostic = words,
                               .explanation = words});
  Check(notice);
}

}  // namespace mailstead::fuzz
