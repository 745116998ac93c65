// EHLO: RFC 5321 section 4.1.1.1. What is offered is what works on this listener in this state.
#include <string>

#include "absl/strings/str_cat.h"
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {
namespace {

// RFC 4954 section 3. The order is for clients that take the first they know.
std::string Mechanisms(const Dialog& dialog) {
  std::string list;
  for (const absl::string_view mechanism :
       {sasl::kPlain, sasl::kLogin, sasl::kScramSha256, sasl::kScramSha256Plus}) {
    if (dialog.offers_mechanism(mechanism)) absl::StrAppend(&list, " ", mechanism);
  }
  return list;
}

std::string Offer(const Dialog& dialog) {
  const Limits& limits = dialog.config.limits;
  std::string offer = absl::StrCat(dialog.config.hostname, "\nPIPELINING");  // RFC 2920
  // Never in the last line: GNU SASL's tool looks for a line that goes on.
  if (dialog.offers_starttls()) absl::StrAppend(&offer, "\nSTARTTLS");  // RFC 3207
  absl::StrAppend(&offer, "\nSIZE ", limits.max_message_bytes,          // RFC 1870
                  "\n8BITMIME",                                         // RFC 6152
                  "\nSMTPUTF8",                                         // RFC 6531
                  "\nCHUNKING",                                         // RFC 3030, without BINARYMIME
                  "\nENHANCEDSTATUSCODES",                              // RFC 2034
                  "\nDSN");                                             // RFC 3461
  if (dialog.tls) absl::StrAppend(&offer, "\nREQUIRETLS");              // RFC 8689 section 3
  absl::StrAppend(&offer, "\nLIMITS RCPTMAX=", limits.max_recipients);  // RFC 9422
  if (dialog.offers_auth()) absl::StrAppend(&offer, "\nAUTH", Mechanisms(dialog));
  return offer;
}

}  // namespace

Action Ehlo(Dialog& dialog, absl::string_view argument) {
  if (!dialog.takes_name(argument)) {
    dialog.Say(ReplyId::kBadSyntax, "EHLO domain");
    return NextCommandAction{};
  }
  // Section 4.1.4: as if RSET had been given.
  dialog.EndTransaction();
  dialog.helo = std::string(argument);
  dialog.esmtp = true;
  dialog.Say(ReplyId::kHello, Offer(dialog));
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
