// STLS (RFC 2595 section 4).
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Stls(Session& session, const Command&) {
  if (session.protection().tls) return session.Mistake(ReplyId::kTlsActive);
  if (!session.config().tls_available) return session.Mistake(ReplyId::kTlsUnavailable);
  // RFC 6856 section 2.1: clients must not, and servers may say so.
  if (session.utf8_mode()) return session.Mistake(ReplyId::kTlsAfterUtf8);
  session.Say(ReplyId::kStartTls);
  return StartTlsAction{};
}

}  // namespace mailstead::pop3::commands
