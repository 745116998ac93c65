// CAPA (RFC 2449). The list is the same before and after login, except for what an RFC limits to one state, and EXPIRE.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {
namespace {

// RFC 2449 section 6.7: the shortest time that a message may stay under any circumstances, in whole days. Before the login it
// is that of the mailbox that has the shortest, and USER says that the client's own may be another one.
std::string Expire(const Session& session) {
  if (session.retention() == absl::ZeroDuration()) return "EXPIRE NEVER";
  const int64_t days = session.retention() / absl::Hours(24);
  return absl::StrCat("EXPIRE ", days, session.state() == State::kAuthorization ? " USER" : "");
}

}  // namespace

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
  lines.push_back(Expire(session));
  if (session.config().login_delay > absl::ZeroDuration()) {
    lines.push_back(absl::StrCat("LOGIN-DELAY ", absl::ToInt64Seconds(session.config().login_delay)));
  }
  lines.push_back("UTF8 USER");
  lines.push_back("LANG");
  lines.push_back("IMPLEMENTATION Mailstead");
  return session.Say(ReplyId::kCapabilities, {}, std::move(lines));
}

}  // namespace mailstead::pop3::commands
