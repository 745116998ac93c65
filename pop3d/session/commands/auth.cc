// AUTH mechanism [initial-response] (RFC 5034).
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/text/base64.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {
namespace {

// AUTH alone is not in RFC 5034. Clients older than CAPA, Outlook and Thunderbird among them, ask for the
// list so.
Action ListMechanisms(Session& session) {
  const std::vector<absl::string_view> mechanisms = session.Mechanisms();
  return session.Say(ReplyId::kMechanisms, {}, {mechanisms.begin(), mechanisms.end()});
}

}  // namespace

Action Auth(Session& session, const Command& command) {
  if (!session.may_log_in()) return session.Mistake(ReplyId::kTlsRequired);
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value()) return session.Usage();
  if (words->count == 0) return ListMechanisms(session);

  const std::vector<absl::string_view> mechanisms = session.Mechanisms();
  const std::string wanted = absl::AsciiStrToUpper(words->word[0]);
  const auto mechanism = std::find(mechanisms.begin(), mechanisms.end(), wanted);
  if (mechanism == mechanisms.end()) return session.Mistake(ReplyId::kUnknownMechanism);

  std::optional<std::string> initial_response;
  if (words->count == 2) {
    // "=" is the empty response, which differs from none.
    initial_response = words->word[1] == "=" ? "" : DecodeBase64(words->word[1]);
    if (!initial_response.has_value()) return session.Mistake(ReplyId::kBadBase64);
  }
  return session.StartAuth(*mechanism,
                           {.mechanism = wanted, .initial_response = std::move(initial_response)});
}

}  // namespace mailstead::pop3::commands
