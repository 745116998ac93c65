#include "smtpd/session/session.h"

#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "smtpd/commands/commands.h"
#include "smtpd/protocol/command.h"
#include "smtpd/session/status_reply.h"
#include "smtpd/session/verbs.h"

namespace mailstead::smtp {
namespace {

ReplyId ReplyForDefect(MessageDefect defect) {
  switch (defect) {
    case MessageDefect::kBareLineEnd:
      return ReplyId::kMessageBareLineEnd;
    case MessageDefect::kNul:
      return ReplyId::kMessageNul;
    case MessageDefect::kLoop:
      return ReplyId::kMailLoop;
    case MessageDefect::kTooBig:
    case MessageDefect::kNone:
      break;
  }
  return ReplyId::kMessageTooBig;
}

}  // namespace

void Session::Greet() { dialog_.Say(ReplyId::kGreeting, dialog_.config.hostname); }

void Session::OnTlsStarted(bool has_exporter) {
  // Errors and commands stay counted: they bound the connection, not what the client said.
  dialog_.helo.clear();
  dialog_.esmtp = false;
  dialog_.account.clear();
  dialog_.in_auth = false;
  dialog_.asked.reset();
  dialog_.EndTransaction();
  dialog_.output.clear();
  dialog_.tls = true;
  dialog_.tls_exporter = has_exporter;
}

Action Session::OnLine(absl::string_view line) {
  if (dialog_.in_auth) return Bounded(commands::AuthLine(dialog_, line));
  return Bounded(Dispatch(line));
}

Action Session::Dispatch(absl::string_view line) {
  const size_t max_commands = dialog_.config.limits.max_commands;
  if (max_commands != 0 && dialog_.command_count == max_commands) return CloseWith(ReplyId::kTooManyCommands);
  ++dialog_.command_count;
  if (IsOtherProtocol(line)) return CloseWith(ReplyId::kOtherProtocol);
  const CommandWords words = SplitCommand(line);
  // AUTH with its initial response may be as long as a line of the exchange (RFC 4954 section 4).
  if (line.size() + 2 > dialog_.config.limits.max_command_bytes &&
      !absl::EqualsIgnoreCase(words.verb, "AUTH")) {
    dialog_.Say(ReplyId::kLineTooLong);
    return NextCommand{};
  }
  if (HasControlCharacters(line)) {
    dialog_.Say(ReplyId::kControlCharacter);
    return NextCommand{};
  }
  const Verb* verb = FindVerb(words.verb);
  if (verb == nullptr) {
    dialog_.Say(ReplyId::kUnknownCommand);
    return NextCommand{};
  }
  if (!MayRun(*verb, words.argument, dialog_)) return NextCommand{};
  return verb->handle(dialog_, words.argument);
}

Action Session::OnLineTooLong() {
  // RFC 4954 section 4: the exchange fails.
  if (std::exchange(dialog_.in_auth, false)) {
    dialog_.Say(ReplyId::kAuthLineTooLong);
    return Bounded(EndAuth{});
  }
  dialog_.Say(ReplyId::kLineTooLong);
  return Bounded(NextCommand{});
}

Action Session::OnBareLineEnd() {
  const bool was_in_auth = std::exchange(dialog_.in_auth, false);
  dialog_.Say(ReplyId::kBareLineEnd);
  if (was_in_auth) return Bounded(EndAuth{});
  return Bounded(NextCommand{});
}

Action Session::OnResolved(const absl::StatusOr<Resolution>& resolution) {
  return Bounded(commands::RcptResolved(dialog_, resolution));
}

Action Session::OnSenderChecked(const absl::StatusOr<bool>& allowed) {
  return Bounded(commands::MailSenderChecked(dialog_, allowed));
}

Action Session::OnAuthStep(const absl::StatusOr<rpc::AuthStep>& step) {
  return Bounded(commands::AuthStepped(dialog_, step));
}

Action Session::OnStored(absl::string_view delivery_id) {
  dialog_.transaction->reservation.Keep();
  dialog_.EndTransaction();
  dialog_.Say(ReplyId::kStored, delivery_id);
  return NextCommand{};
}

Action Session::OnMessageRefused(MessageDefect defect) {
  dialog_.EndTransaction();
  dialog_.Say(ReplyForDefect(defect), absl::StrCat(dialog_.config.limits.max_message_bytes));
  return Bounded(NextCommand{});
}

Action Session::OnStoreFailed(const absl::Status& status) {
  dialog_.EndTransaction();
  dialog_.Say(ReplyForStoreFailure(status), absl::StrCat(dialog_.config.limits.max_message_bytes));
  return Bounded(NextCommand{});
}

Action Session::OnChunkTaken(uint64_t size_bytes) {
  dialog_.Say(ReplyId::kChunkTaken, absl::StrCat(size_bytes));
  return NextCommand{};
}

Action Session::OnChunkSwallowed() {
  dialog_.Say(dialog_.swallowed_reply, dialog_.swallowed_detail);
  return Bounded(NextCommand{});
}

Action Session::CloseWith(ReplyId id) {
  dialog_.EndTransaction();
  dialog_.Say(id, dialog_.config.hostname);
  return Close{};
}

Action Session::Bounded(Action action) {
  // An action that reads octets or ends an exchange is performed first; the next event comes back here.
  if (!std::holds_alternative<NextCommand>(action)) return action;
  if (dialog_.error_count > dialog_.config.limits.max_errors) return CloseWith(ReplyId::kTooManyErrors);
  return action;
}

}  // namespace mailstead::smtp
