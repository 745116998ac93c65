#include "smtpd/session/session.h"

#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "smtpd/protocol/command.h"
#include "smtpd/session/commands/commands.h"
#include "smtpd/session/store_replies.h"
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
    case MessageDefect::kForeignFrom:
      return ReplyId::kFromNotAllowed;
    case MessageDefect::kUnreadableFrom:
      return ReplyId::kFromUnreadable;
    case MessageDefect::kLongLine:
      return ReplyId::kMessageLongLine;
    case MessageDefect::kTooBig:
    case MessageDefect::kNone:
      break;
  }
  return ReplyId::kMessageTooBig;
}

}  // namespace

void Session::Greet() { dialog_.Say(ReplyId::kGreeting, dialog_.config.hostname); }

void Session::OnTlsStarted(bool channel_binding) {
  // Errors and commands stay counted: they bound the connection, not what the client said.
  dialog_.helo.clear();
  dialog_.esmtp = false;
  dialog_.account.clear();
  dialog_.login_ended = false;
  dialog_.in_auth = false;
  dialog_.asked.reset();
  dialog_.EndTransaction();
  dialog_.output.clear();
  dialog_.tls = true;
  dialog_.channel_binding = channel_binding;
}

std::optional<Action> Session::LeaveWhenLoginEnded() {
  if (!dialog_.login_ended) return std::nullopt;
  dialog_.journal.LoginEnded(dialog_.account);
  return CloseWith(ReplyId::kLoginEnded);
}

Action Session::OnLine(absl::string_view line) {
  if (std::optional<Action> leave = LeaveWhenLoginEnded(); leave.has_value()) return *std::move(leave);
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
    return NextCommandAction{};
  }
  if (HasControlCharacters(line)) {
    dialog_.Say(ReplyId::kControlCharacter);
    return NextCommandAction{};
  }
  const Verb* verb = FindVerb(words.verb);
  if (verb == nullptr) {
    dialog_.Say(ReplyId::kUnknownCommand);
    return NextCommandAction{};
  }
  if (!MayRun(*verb, words.argument, dialog_)) return NextCommandAction{};
  return verb->handle(dialog_, words.argument);
}

Action Session::OnLineTooLong() {
  if (std::optional<Action> leave = LeaveWhenLoginEnded(); leave.has_value()) return *std::move(leave);
  // RFC 4954 section 4: the exchange fails.
  if (std::exchange(dialog_.in_auth, false)) {
    dialog_.Say(ReplyId::kAuthLineTooLong);
    return Bounded(EndAuthAction{});
  }
  dialog_.Say(ReplyId::kLineTooLong);
  return Bounded(NextCommandAction{});
}

Action Session::OnBareLineEnd() {
  if (std::optional<Action> leave = LeaveWhenLoginEnded(); leave.has_value()) return *std::move(leave);
  const bool was_in_auth = std::exchange(dialog_.in_auth, false);
  dialog_.Say(ReplyId::kBareLineEnd);
  if (was_in_auth) return Bounded(EndAuthAction{});
  return Bounded(NextCommandAction{});
}

bool Session::TakeRecipientAhead(absl::string_view line) {
  if (dialog_.login_ended) return false;
  const Limits& limits = dialog_.config.limits;
  const CommandWords words = SplitCommand(line);
  if (!absl::EqualsIgnoreCase(words.verb, "RCPT")) return false;
  if (line.size() + 2 > limits.max_command_bytes || HasControlCharacters(line)) return false;
  // Those that wait, but for the first, are counted when they are answered.
  const size_t counted_later = open_recipients().size() - 1;
  if (limits.max_commands != 0 && dialog_.command_count + counted_later >= limits.max_commands) return false;
  return commands::RcptAhead(dialog_, words.argument);
}

Action Session::OnResolved(absl::Span<const absl::StatusOr<store::Resolution>> resolutions) {
  std::vector<EnvelopeRecipient> open = std::exchange(dialog_.transaction->open_recipients, {});
  CHECK(open.size() == resolutions.size());
  for (size_t i = 0; i < open.size(); ++i) {
    if (i > 0) ++dialog_.command_count;
    Action action = Bounded(commands::RcptResolved(dialog_, std::move(open[i]), resolutions[i]));
    // Too many mistakes: nothing behind this one is answered.
    if (!std::holds_alternative<NextCommandAction>(action)) return action;
  }
  return NextCommandAction{};
}

Action Session::OnSendReserved(bool reserved) {
  return Bounded(commands::MailSendReserved(dialog_, reserved));
}

Action Session::OnSenderChecked(const absl::StatusOr<bool>& allowed) {
  if (IsLoginEnded(allowed.status())) {
    OnLoginEnded();
    return *LeaveWhenLoginEnded();
  }
  return Bounded(commands::MailSenderChecked(dialog_, allowed));
}

Action Session::OnLoginChallenge(absl::string_view challenge) {
  return Bounded(commands::AuthChallenged(dialog_, challenge));
}

Action Session::OnLoggedIn(absl::string_view account) {
  return Bounded(commands::AuthSucceeded(dialog_, account));
}

Action Session::OnLoginRefused(sasl::Verdict verdict) {
  return Bounded(commands::AuthRefused(dialog_, verdict));
}

Action Session::OnLoginFailed() { return Bounded(commands::AuthFailed(dialog_)); }

Action Session::OnStored(absl::string_view delivery_id) {
  dialog_.EndTransaction();
  dialog_.Say(ReplyId::kStored, delivery_id);
  return NextCommandAction{};
}

Action Session::OnMessageRefused(absl::string_view delivery_id, MessageDefect defect, uint64_t line) {
  const ReplyId reply = ReplyForDefect(defect);
  dialog_.Say(reply, defect == MessageDefect::kLongLine ? absl::StrCat(line) : MaxMessageBytes());
  dialog_.journal.MessageRefused(dialog_.transaction->sender, delivery_id, reply);
  dialog_.EndTransaction();
  return Bounded(NextCommandAction{});
}

Action Session::OnStoreFailed(absl::string_view delivery_id, const absl::Status& status) {
  if (IsLoginEnded(status)) {
    dialog_.journal.MessageNotStored(dialog_.transaction->sender, delivery_id, ReplyId::kLoginEnded);
    OnLoginEnded();
    return *LeaveWhenLoginEnded();
  }
  const ReplyId reply = ReplyForStoreFailure(status);
  dialog_.Say(reply, IsSendingRefused(status) ? std::string(status.message()) : MaxMessageBytes());
  dialog_.journal.MessageNotStored(dialog_.transaction->sender, delivery_id, reply);
  dialog_.EndTransaction();
  return Bounded(NextCommandAction{});
}

std::string Session::MaxMessageBytes() const { return absl::StrCat(dialog_.config.limits.max_message_bytes); }

Action Session::OnChunkTaken(uint64_t size_bytes) {
  dialog_.Say(ReplyId::kChunkTaken, absl::StrCat(size_bytes));
  return NextCommandAction{};
}

Action Session::OnChunkSwallowed() {
  dialog_.Say(dialog_.swallowed_reply, dialog_.swallowed_detail);
  return Bounded(NextCommandAction{});
}

Action Session::CloseWith(ReplyId id) {
  dialog_.EndTransaction();
  dialog_.Say(id, dialog_.config.hostname);
  return CloseAction{};
}

Action Session::Bounded(Action action) {
  // An action that reads octets or ends an exchange is performed first; the next event comes back here.
  if (!std::holds_alternative<NextCommandAction>(action)) return action;
  if (dialog_.error_count > dialog_.config.limits.max_errors) return CloseWith(ReplyId::kTooManyErrors);
  return action;
}

}  // namespace mailstead::smtp
