// CAPA (RFC 2449). The list is the same before and after login, except for what an RFC limits to one state.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Capa(Session& session, const Command&) {
  std::vector<std::string> lines = {"TOP", "UIDL"};
  // Only where they work: a client that sees USER on an open connection would send its password.
  if (session.may_log_in()) {
    lines.push_back("USER");
    lines.push_back(absl::StrCat("SASL ", absl::StrJoin(session.Mechanisms(), " ")));
  }
  // RFC 2595 section 8: announced in the AUTHORIZATION state only, and of no use once TLS is there.
  if (session.state() == State::kAuthorization && !session.protection().tls &&
      session.config().tls_available) {
    lines.push_back("STLS");
  }
  lines.push_back("RESP-CODES");
  lines.push_back("AUTH-RESP-CODE");
  lines.push_back("PIPELINING");
  // Nothing is ever deleted but by the client.
  lines.push_back("EXPIRE NEVER");
  if (session.config().login_delay > absl::ZeroDuration()) {
    lines.push_back(absl::StrCat("LOGIN-DELAY ", absl::ToInt64Seconds(session.config().login_delay)));
  }
  lines.push_back("UTF8 USER");
  lines.push_back("LANG");
  lines.push_back("IMPLEMENTATION Mailstead");
  return session.Say(ReplyId::kCapabilities, {}, std::move(lines));
}

}  // namespace mailstead::pop3::commands
