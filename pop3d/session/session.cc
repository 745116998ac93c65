#include "pop3d/session/session.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/text/base64.h"
#include "pop3d/protocol/command.h"
#include "pop3d/session/store_replies.h"
#include "pop3d/session/verbs.h"

namespace mailstead::pop3 {
namespace {

ReplyId ReplyFor(sasl::Verdict verdict) {
  switch (verdict) {
    case sasl::Verdict::kInvalidCredentials:
      return ReplyId::kBadCredentials;
    case sasl::Verdict::kDisabled:
      return ReplyId::kAccountDisabled;
    case sasl::Verdict::kMalformed:
      return ReplyId::kAuthMalformed;
    case sasl::Verdict::kUnsupportedMechanism:
      return ReplyId::kUnknownMechanism;
    case sasl::Verdict::kOk:
      break;
  }
  CHECK(false);
}

}  // namespace

NextCommandAction Session::Say(ReplyId reply, std::vector<std::string> arguments,
                               std::vector<std::string> lines) {
  journal_->Replied(reply);
  AppendReply(Reply{.id = reply, .arguments = std::move(arguments), .lines = std::move(lines)}, language_,
              output_);
  return NextCommandAction{};
}

NextCommandAction Session::Mistake(ReplyId reply, std::vector<std::string> arguments) {
  mistaken_ = true;
  if (++errors_in_a_row_ >= config_->limits.max_errors) return Say(ReplyId::kTooManyErrors);
  return Say(reply, std::move(arguments));
}

NextCommandAction Session::Usage() {
  CHECK(verb_ != nullptr);
  return Mistake(ReplyId::kBadSyntax, {std::string(verb_->usage)});
}

void Session::Greet() { Say(ReplyId::kGreeting, {config_->hostname}); }

// --- Lines

Action Session::LeaveAfterLoginEnded(store::LoginEnd why) {
  journal_->LoginEnded(login_, why);
  const bool by_operator = why == store::LoginEnd::kSessionEnded;
  Say(by_operator ? ReplyId::kSessionEnded : ReplyId::kLoginEnded);
  return CloseAction{by_operator ? CloseCause::kSessionEnded : CloseCause::kLoginEnded};
}

Action Session::OnLine(absl::string_view line) {
  if (login_end_.has_value()) return LeaveAfterLoginEnded(*login_end_);
  mistaken_ = false;
  return Bounded(in_auth_ ? AuthResponse(line) : Dispatch(line));
}

Action Session::OnLineTooLong() { return Garbled(ReplyId::kLineTooLong); }

Action Session::OnBareLineEnd() { return Garbled(ReplyId::kBareLineEnd); }

Action Session::Garbled(ReplyId reply) {
  if (login_end_.has_value()) return LeaveAfterLoginEnded(*login_end_);
  mistaken_ = false;
  Mistake(reply);
  if (std::exchange(in_auth_, false)) return Bounded(EndAuthAction{});
  return Bounded(NextCommandAction{});
}

Action Session::Bounded(Action action) {
  if (!mistaken_) errors_in_a_row_ = 0;
  if (errors_in_a_row_ >= config_->limits.max_errors) return CloseAction{CloseCause::kErrors};
  return action;
}

Action Session::Dispatch(absl::string_view line) {
  const std::optional<Command> command = ParseCommand(line);
  if (!command.has_value()) return Mistake(ReplyId::kUnknownCommand);
  verb_ = FindVerb(command->keyword);
  if (verb_ == nullptr) return Mistake(ReplyId::kUnknownCommand);
  const AllowedStates now = state_ == State::kAuthorization ? kInAuthorization : kInTransaction;
  if ((verb_->states & now) == 0) {
    return Mistake(now == kInAuthorization ? ReplyId::kNotAuthenticated : ReplyId::kAlreadyAuthenticated);
  }
  // Trailing spaces are forgiven.
  const bool has_words = command->argument.find_first_not_of(' ') != absl::string_view::npos;
  if (has_words && !verb_->takes_argument) return Usage();
  return verb_->handle(*this, *command);
}

std::optional<Maildrop::Message> Session::FindMessage(absl::string_view word) {
  const std::optional<uint64_t> number = ParseNumber(word);
  if (!number.has_value()) {
    Usage();
    return std::nullopt;
  }
  const std::optional<Maildrop::Message> message = maildrop_.Find(MessageNumber{*number});
  if (!message.has_value()) {
    Say(ReplyId::kNoSuchMessage, {absl::StrCat(maildrop_.count())});
    return std::nullopt;
  }
  if (message->deleted) {
    Say(ReplyId::kMessageDeleted, {absl::StrCat(*number)});
    return std::nullopt;
  }
  return message;
}

// --- TLS and logging in

void Session::OnTlsStarted(Protection protection) {
  // Failed logins still count: STLS is no way to get more tries.
  const int login_failures = login_failures_;
  // The store has said it, not the client.
  const absl::Duration retention = retention_;
  *this = Session(*config_, *journal_, protection);
  login_failures_ = login_failures;
  retention_ = retention;
}

std::vector<absl::string_view> Session::Mechanisms() const {
  std::vector<absl::string_view> mechanisms;
  if (!may_log_in()) return mechanisms;
  for (const absl::string_view mechanism :
       {sasl::kScramSha256Plus, sasl::kScramSha256, sasl::kPlain, sasl::kLogin}) {
    if (OffersMechanism(mechanism)) mechanisms.push_back(mechanism);
  }
  return mechanisms;
}

Action Session::StartAuth(absl::string_view mechanism, BeginAuthAction begin) {
  login_.mechanism = mechanism;
  // A failed try starts over with USER (RFC 1939 section 7: PASS comes right behind a successful USER).
  user_name_.clear();
  return begin;
}

// RFC 5034 section 4.
Action Session::AuthResponse(absl::string_view line) {
  if (line == "*") {
    in_auth_ = false;
    Say(ReplyId::kAuthCancelled);
    return ExchangeGivenUp();
  }
  std::optional<std::string> response = DecodeBase64(line);
  if (!response.has_value()) {
    in_auth_ = false;
    Mistake(ReplyId::kBadBase64);
    return ExchangeGivenUp();
  }
  return ContinueAuthAction{.response = *std::move(response)};
}

Action Session::ExchangeGivenUp() {
  if (++login_failures_ >= config_->limits.max_login_failures) return CloseAction{CloseCause::kLoginFailures};
  return EndAuthAction{};
}

Action Session::OnLoginChallenge(absl::string_view challenge) {
  in_auth_ = true;
  return Say(ReplyId::kChallenge, {absl::Base64Escape(challenge)});
}

Action Session::OnLoggedIn(std::string address, AccountId account) {
  in_auth_ = false;
  login_.address = std::move(address);
  login_.account = account;
  return OpenMaildropAction{.account = account};
}

Action Session::OnLoginRefused(sasl::Verdict verdict) {
  in_auth_ = false;
  ReplyId reply = ReplyFor(verdict);
  const bool last = ++login_failures_ >= config_->limits.max_login_failures;
  if (last && reply == ReplyId::kBadCredentials) reply = ReplyId::kBadCredentialsClosing;
  RefuseLogin(reply);
  if (last) return CloseAction{CloseCause::kLoginFailures};
  return NextCommandAction{};
}

Action Session::OnLoginFailed(const absl::Status& status) {
  in_auth_ = false;
  return RefuseLogin(ReplyForFailedLogin(status));
}

Action Session::RefuseLogin(ReplyId reply) {
  journal_->LoginRefused(login_.mechanism, reply);
  return Say(reply);
}

// --- The maildrop

Action Session::OnMaildropOpened(Maildrop maildrop, absl::Duration retention) {
  maildrop_ = std::move(maildrop);
  retention_ = retention;
  state_ = State::kTransaction;
  journal_->LoggedIn(login_, maildrop_);
  return Say(ReplyId::kMaildrop,
             {absl::StrCat(maildrop_.kept_count()), absl::StrCat(maildrop_.kept_bytes())});
}

Action Session::OnMaildropRefused(const absl::Status& status) {
  const ReplyId reply = ReplyForFailedOpen(status);
  journal_->OpenRefused(login_, reply, status);
  login_.address.clear();
  login_.account = AccountId();
  if (reply != ReplyId::kLoginDelay) return Say(reply);
  return Say(reply, {absl::StrCat(absl::ToInt64Seconds(config_->login_delay))});
}

void Session::OnMessageOpened(const SendMessageAction& action) {
  if (action.top_lines.has_value()) {
    Say(ReplyId::kTopOfMessage);
  } else {
    Say(ReplyId::kMessage, {absl::StrCat(action.size_bytes)});
  }
}

Action Session::OnMessageRefused(const absl::Status& status) {
  const ReplyId reply = ReplyForFailedFetch(status);
  if (reply == ReplyId::kLoginEnded) return LeaveAfterLoginEnded(store::LoginEnd::kAccountChanged);
  if (reply == ReplyId::kSessionEnded) return LeaveAfterLoginEnded(store::LoginEnd::kSessionEnded);
  return Say(reply);
}

Action Session::OnCommitted(const absl::Status& status) {
  if (status.ok()) {
    journal_->Committed(login_, maildrop_.deleted_count());
    Say(ReplyId::kGoodbyeDeleted, {absl::StrCat(maildrop_.deleted_count())});
  } else {
    const ReplyId reply = ReplyForFailedCommit(status);
    journal_->CommitFailed(login_, reply, status);
    Say(reply);
  }
  return CloseAction{CloseCause::kQuit};
}

}  // namespace mailstead::pop3
