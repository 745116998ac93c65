// PASS password (RFC 1939 section 7). The password is everything behind the first space; it may contain
// spaces.
#include <string>

#include "common/sasl/step.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Pass(Session& session, const Command& command) {
  if (!session.may_log_in()) return session.Mistake(ReplyId::kTlsRequired);
  if (session.user_name().empty()) return session.Mistake(ReplyId::kUserFirst);
  if (command.argument.empty()) return session.Usage();
  // What is no UTF-8 (RFC 6856 section 2.2) is what clients older than that send, most in ISO 8859-1: the store tries it.
  // No NUL can be in either: the parser refuses control characters.
  return session.StartAuth(
      "USER", {.mechanism = "PLAIN",
               .initial_response = sasl::PlainMessage(session.user_name(), std::string(command.argument))});
}

}  // namespace mailstead::pop3::commands
