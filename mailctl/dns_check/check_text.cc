#include "mailctl/dns_check/check_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

std::string LineJson(const CheckLine& line) {
  return absl::StrCat("{\"level\": ", JsonQuote(LevelText(line.level)),
                      ", \"subject\": ", JsonQuote(line.subject), ", \"name\": ", JsonQuote(line.name),
                      ", \"found\": ", JsonQuote(line.found), ", \"wanted\": ", JsonQuote(line.wanted),
                      ", \"text\": ", JsonQuote(line.text), "}");
}

}  // namespace

std::string CheckText(const CheckLine& line) {
  std::string text =
      absl::StrCat(LevelText(line.level), "\t", line.subject, "\t", Printable(line.name), "\n");
  absl::StrAppend(&text, "\tis:        ", line.found.empty() ? std::string("nothing") : Printable(line.found),
                  "\n");
  if (!line.wanted.empty()) absl::StrAppend(&text, "\tshould be: ", Printable(line.wanted), "\n");
  if (!line.text.empty()) absl::StrAppend(&text, "\t", Printable(line.text), "\n");
  return text;
}

std::string CheckMembers(const std::vector<CheckLine>& lines) {
  std::vector<std::string> items;
  for (const CheckLine& line : lines) items.push_back(LineJson(line));
  return absl::StrCat("\"worst\": ", JsonQuote(LevelText(WorstOf(lines))), ", \"checks\": [",
                      absl::StrJoin(items, ", "), "]");
}

size_t CountErrors(const std::vector<CheckLine>& lines) {
  return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [](const CheckLine& line) {
    return line.level == CheckLine::Level::kError;
  }));
}

}  // namespace mailstead::ctl
