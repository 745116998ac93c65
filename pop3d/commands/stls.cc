// STLS (RFC 2595 section 4).
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Stls(Session& session, const Command&) {
  if (session.protection().tls) return Step::Mistake(ReplyId::kTlsActive);
  if (!session.options().tls_available) return Step::Mistake(ReplyId::kTlsUnavailable);
  // RFC 6856 section 2.1: clients must not, and servers may say so.
  if (session.utf8_mode()) return Step::Mistake(ReplyId::kTlsAfterUtf8);
  return Step::Say(ReplyId::kStartTls).Then(StartTlsAction{});
}

}  // namespace mailstead::pop3::commands
