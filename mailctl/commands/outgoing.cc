#include "mailctl/commands/outgoing.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

// "a@b,c@d": at commas outside the quotes of a local part.
std::vector<std::string> SplitAddresses(absl::string_view text) {
  std::vector<std::string> addresses(1);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' && !quoted) {
      addresses.emplace_back();
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    addresses.back() += text[i];
    if (quoted && text[i] == '\\' && i + 1 < text.size()) addresses.back() += text[++i];
  }
  return addresses;
}

}  // namespace

absl::Status AddRecipients(const Arguments& arguments, absl::string_view command, v1::Envelope& envelope) {
  for (const std::string& list : arguments.GetAll("to")) {
    for (std::string& address : SplitAddresses(list)) {
      if (address.empty()) return UsageError(absl::StrCat("--to=", list, ": an address is empty"));
      envelope.add_recipients()->set_address(std::move(address));
    }
  }
  if (envelope.recipients().empty())
    return UsageError(absl::StrCat("mailctl ", command, " needs --to=ADDRESS"));
  return absl::OkStatus();
}

}  // namespace mailstead::ctl
