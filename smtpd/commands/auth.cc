// AUTH: RFC 4954. The exchange itself is between the client and the store; this file moves its steps.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/text/base64.h"
#include "smtpd/commands/commands.h"
#include "smtpd/protocol/command.h"

namespace mailstead::smtp::commands {
namespace {

bool IsOffered(const Dialog& dialog, absl::string_view mechanism) {
  if (mechanism == "SCRAM-SHA-256-PLUS") return dialog.tls_exporter;
  return mechanism == "PLAIN" || mechanism == "LOGIN" || mechanism == "SCRAM-SHA-256";
}

// What stands in the way of AUTH at all; true when something was said.
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
  if (SayWhyNot(dialog)) return NextCommand{};
  Parsed<AuthArgument> auth = ParseAuth(argument);
  if (!auth.ok()) {
    if (auth.error() == ParseError::kBadBase64) {
      dialog.Say(ReplyId::kBadBase64);
    } else {
      dialog.Say(ReplyId::kBadSyntax, "AUTH mechanism [initial-response]");
    }
    return NextCommand{};
  }
  if (!IsOffered(dialog, auth->mechanism)) {
    dialog.Say(ReplyId::kUnknownMechanism);
    return NextCommand{};
  }
  AuthArgument argument_value = *std::move(auth);
  return BeginAuth{std::move(argument_value.mechanism), std::move(argument_value.initial_response)};
}

Action AuthLine(Dialog& dialog, absl::string_view line) {
  dialog.in_auth = false;
  if (line == "*") {
    dialog.Say(ReplyId::kAuthCancelled);
    return EndAuth{};
  }
  std::optional<std::string> response = DecodeBase64(line);
  if (!response.has_value()) {
    dialog.Say(ReplyId::kBadBase64);
    return EndAuth{};
  }
  return ContinueAuth{*std::move(response)};
}

Action AuthStepped(Dialog& dialog, const absl::StatusOr<rpc::AuthStep>& step) {
  if (!step.ok()) {
    dialog.Say(ReplyId::kAuthAway);
    return EndAuth{};
  }
  switch (step->kind) {
    case rpc::AuthStep::Kind::kChallenge:
      dialog.in_auth = true;
      dialog.Say(ReplyId::kAuthChallenge, absl::Base64Escape(step->challenge));
      return NextCommand{};
    case rpc::AuthStep::Kind::kOk:
      dialog.account = step->address;
      dialog.Say(ReplyId::kAuthenticated);
      return EndAuth{};
    case rpc::AuthStep::Kind::kInvalidCredentials:
      dialog.Say(ReplyId::kBadCredentials);
      return EndAuth{};
    case rpc::AuthStep::Kind::kDisabled:
      dialog.Say(ReplyId::kLoginDisabled);
      return EndAuth{};
    case rpc::AuthStep::Kind::kMalformed:
      dialog.Say(ReplyId::kAuthMalformed);
      return EndAuth{};
    case rpc::AuthStep::Kind::kUnsupportedMechanism:
      dialog.Say(ReplyId::kUnknownMechanism);
      return EndAuth{};
  }
  return EndAuth{};
}

}  // namespace mailstead::smtp::commands
