#include "smtpd/outbound/outcome.h"

namespace mailstead::smtp::outbound {

absl::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kConnect:
      return "connect";
    case Stage::kGreeting:
      return "greeting";
    case Stage::kEhlo:
      return "ehlo";
    case Stage::kStartTls:
      return "starttls";
    case Stage::kHandshake:
      return "handshake";
    case Stage::kAuth:
      return "auth";
    case Stage::kIdle:
      return "idle";
    case Stage::kMail:
      return "mail";
    case Stage::kRcpt:
      return "rcpt";
    case Stage::kData:
      return "data";
    case Stage::kBody:
      return "body";
    case Stage::kFinalDot:
      return "final_dot";
    case Stage::kReset:
      return "rset";
    case Stage::kQuit:
      return "quit";
  }
  return "";
}

RecipientOutcome OutcomeWithoutTransaction(const ConnectionOutcome& connection) {
  const bool about_the_mail = connection.stage == Stage::kGreeting || connection.stage == Stage::kEhlo;
  const bool failed =
      connection.kind == ConnectionOutcome::Kind::kRefused && about_the_mail && connection.code / 100 == 5;
  return {.kind = failed ? RecipientOutcome::Kind::kFailed : RecipientOutcome::Kind::kDeferred,
          .code = connection.code,
          .enhanced = connection.enhanced,
          .text = connection.text,
          .stage = connection.stage};
}

}  // namespace mailstead::smtp::outbound
