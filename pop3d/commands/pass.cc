// PASS password (RFC 1939 section 7). The password is everything behind the first space; it
// may contain spaces.
#include "common/rpc/auth_exchange.h"
#include "common/text/utf8.h"
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Pass(Session& session, const Command& command) {
  if (!session.may_log_in()) return Step::Mistake(ReplyId::kTlsRequired);
  if (session.user_name().empty()) return Step::Mistake(ReplyId::kUserFirst);
  if (command.argument.empty()) return Usage(command);
  if (!IsValidUtf8(command.argument)) return Step::Mistake(ReplyId::kBadUtf8);
  // No NUL can be in either: the parser refuses control characters.
  std::string response = rpc::PlainInitialResponse(session.user_name(), std::string(command.argument));
  return session.BeginAuth("USER", "PLAIN", std::move(response));
}

}  // namespace mailstead::pop3::commands
