// AUTH: RFC 4954. The exchange itself is between the client and the store; this file moves its steps.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/text/base64.h"
#include "smtpd/protocol/command.h"
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {
namespace {

ReplyId ReplyFor(sasl::Verdict verdict) {
  switch (verdict) {
    case sasl::Verdict::kDisabled:
      return ReplyId::kLoginDisabled;
    case sasl::Verdict::kMalformed:
      return ReplyId::kAuthMalformed;
    case sasl::Verdict::kUnsupportedMechanism:
      return ReplyId::kUnknownMechanism;
    case sasl::Verdict::kInvalidCredentials:
    case sasl::Verdict::kOk:
      break;
  }
  return ReplyId::kBadCredentials;
}

// Says what stands in the way of AUTH at all. True when something does.
bool SayWhyNot(Dialog& dialog) {
  if (!dialog.config.is_submission()) {
    dialog.Say(ReplyId::kNotImplemented);
  } else if (!dialog.account.empty()) {
    dialog.Say(ReplyId::kBadSequence, "Already authenticated");
  } else if (!dialog.offers_auth()) {
    dialog.Say(ReplyId::kNeedsTls);
  } else {
    return false;
  }
  return true;
}

}  // namespace

Action Auth(Dialog& dialog, absl::string_view argument) {
  if (SayWhyNot(dialog)) return NextCommandAction{};
  Parsed<AuthArgument> auth = ParseAuth(argument);
  if (!auth.ok()) {
    if (auth.error() == ParseError::kBadBase64) {
      dialog.Say(ReplyId::kBadBase64);
    } else {
      dialog.Say(ReplyId::kBadSyntax, "AUTH mechanism [initial-response]");
    }
    return NextCommandAction{};
  }
  if (!dialog.offers_mechanism(auth->mechanism)) {
    dialog.Say(ReplyId::kUnknownMechanism);
    dialog.journal.MechanismRefused(auth->mechanism);
    return NextCommandAction{};
  }
  AuthArgument argument_value = *std::move(auth);
  dialog.mechanism = argument_value.mechanism;
  return BeginAuthAction{std::move(argument_value.mechanism), std::move(argument_value.initial_response)};
}

Action AuthLine(Dialog& dialog, absl::string_view line) {
  dialog.in_auth = false;
  if (line == "*") {
    dialog.Say(ReplyId::kAuthCancelled);
    dialog.journal.AuthenticationCancelled(dialog.mechanism);
    return EndAuthAction{};
  }
  std::optional<std::string> response = DecodeBase64(line);
  if (!response.has_value()) {
    dialog.Say(ReplyId::kBadBase64);
    dialog.journal.AuthenticationCancelled(dialog.mechanism);
    return EndAuthAction{};
  }
  return ContinueAuthAction{*std::move(response)};
}

Action AuthChallenged(Dialog& dialog, absl::string_view challenge) {
  dialog.in_auth = true;
  dialog.Say(ReplyId::kAuthChallenge, absl::Base64Escape(challenge));
  return NextCommandAction{};
}

Action AuthSucceeded(Dialog& dialog, absl::string_view account) {
  dialog.account = std::string(account);
  dialog.Say(ReplyId::kAuthenticated);
  dialog.journal.Authenticated(dialog.mechanism, account);
  return EndAuthAction{};
}

Action AuthRefused(Dialog& dialog, sasl::Verdict verdict) {
  dialog.Say(ReplyFor(verdict));
  dialog.journal.AuthenticationRefused(dialog.mechanism);
  return EndAuthAction{};
}

Action AuthFailed(Dialog& dialog) {
  dialog.Say(ReplyId::kAuthAway);
  dialog.journal.AuthenticationFailed(dialog.mechanism);
  return EndAuthAction{};
}

}  // namespace mailstead::smtp::commands
