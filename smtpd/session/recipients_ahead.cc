#include "smtpd/session/recipients_ahead.h"

#include "absl/strings/match.h"
#include "common/text/line_framer.h"
#include "smtpd/protocol/command.h"
#include "smtpd/protocol/parameters.h"

namespace mailstead::smtp {

std::vector<std::string> RecipientsAhead(absl::string_view input, bool smtp_utf8, const Limits& limits,
                                         size_t max_count) {
  std::vector<std::string> addresses;
  LineFramer framer(limits.max_command_bytes);
  while (addresses.size() < max_count) {
    const Line line = framer.Next(input);
    if (line.kind != Line::Kind::kLine || HasControlCharacters(line.text)) break;
    const CommandWords words = SplitCommand(line.text);
    if (!absl::EqualsIgnoreCase(words.verb, "RCPT")) break;
    const Parsed<RcptCommand> rcpt = ParseRcpt(words.argument, smtp_utf8, limits.max_path_bytes);
    if (!rcpt.ok()) break;
    addresses.push_back(rcpt->forward_path.ToString());
    input.remove_prefix(line.size_bytes);
  }
  return addresses;
}

}  // namespace mailstead::smtp
