#include "pop3d/session/session.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/text/base64.h"
#include "pop3d/commands/commands.h"
#include "pop3d/store_errors.h"

namespace mailstead::pop3 {

Reply Session::Greeting() const { return Reply{.id = ReplyId::kGreeting, .arguments = {options_->hostname}}; }

Step Session::Line(absl::string_view line) {
  if (in_auth_exchange_) return Judge(AuthResponse(line));
  return Judge(Dispatch(line));
}

Step Session::LineTooLong() {
  last_verb_ = "";
  Step step = Step::Mistake(ReplyId::kLineTooLong);
  if (std::exchange(in_auth_exchange_, false)) step.action = AbandonAuthAction{};
  return Judge(std::move(step));
}

Step Session::BareLineEnd() {
  last_verb_ = "";
  Step step = Step::Mistake(ReplyId::kBareLineEnd);
  if (std::exchange(in_auth_exchange_, false)) step.action = AbandonAuthAction{};
  return Judge(std::move(step));
}

void Session::TlsStarted(Protection protection) {
  // Failed logins still count: STLS is no way to get more tries.
  const int login_failures = login_failures_;
  *this = Session(*options_, protection);
  login_failures_ = login_failures;
}

Step Session::Dispatch(absl::string_view line) {
  last_verb_ = "";
  const std::optional<Command> command = ParseCommand(line);
  if (!command.has_value()) return Step::Mistake(ReplyId::kUnknownCommand);
  const Verb* verb = FindVerb(command->keyword);
  if (verb == nullptr) return Step::Mistake(ReplyId::kUnknownCommand);
  last_verb_ = verb->keyword;
  const AllowedStates now = state_ == State::kAuthorization ? kInAuthorization : kInTransaction;
  if ((verb->states & now) == 0) {
    return Step::Mistake(now == kInAuthorization ? ReplyId::kNotAuthenticated
                                                 : ReplyId::kAlreadyAuthenticated);
  }
  // Trailing spaces are forgiven.
  const bool has_words = command->argument.find_first_not_of(' ') != absl::string_view::npos;
  if (has_words && !verb->takes_argument) return commands::Usage(*command);
  return verb->handler(*this, *command);
}

Step Session::Judge(Step step) {
  if (!step.is_mistake) {
    errors_in_a_row_ = 0;
    return step;
  }
  if (++errors_in_a_row_ < options_->limits.max_errors) return step;
  return Step::Say(ReplyId::kTooManyErrors).Then(CloseAction{CloseCause::kErrors});
}

std::vector<absl::string_view> Session::Mechanisms() const {
  std::vector<absl::string_view> mechanisms;
  if (!may_log_in()) return mechanisms;
  if (protection_.channel_binding) mechanisms.push_back("SCRAM-SHA-256-PLUS");
  mechanisms.insert(mechanisms.end(), {"SCRAM-SHA-256", "PLAIN", "LOGIN"});
  return mechanisms;
}

Step Session::BeginAuth(absl::string_view mechanism, std::string sasl_mechanism,
                        std::optional<std::string> initial_response) {
  mechanism_ = mechanism;
  // A failed try starts over with USER (RFC 1939 section 7: PASS comes right behind a successful USER).
  user_name_.clear();
  return Step::Do(BeginAuthAction{.mechanism = std::move(sasl_mechanism),
                                  .initial_response = std::move(initial_response)});
}

// RFC 5034 section 4.
Step Session::AuthResponse(absl::string_view line) {
  if (line == "*") {
    in_auth_exchange_ = false;
    return Step::Say(ReplyId::kAuthCancelled).Then(AbandonAuthAction{});
  }
  std::optional<std::string> response = DecodeBase64(line);
  if (!response.has_value()) {
    in_auth_exchange_ = false;
    return Step::Mistake(ReplyId::kBadBase64).Then(AbandonAuthAction{});
  }
  return Step::Do(ContinueAuthAction{.response = *std::move(response)});
}

Step Session::AuthStepped(const absl::StatusOr<rpc::AuthStep>& step) {
  using Kind = rpc::AuthStep::Kind;
  if (!step.ok()) {
    in_auth_exchange_ = false;
    return Step::Say(AuthError(step.status())).Then(AbandonAuthAction{});
  }
  in_auth_exchange_ = step->kind == Kind::kChallenge;
  switch (step->kind) {
    case Kind::kChallenge:
      return Step::Say(ReplyId::kChallenge, {absl::Base64Escape(step->challenge)});
    case Kind::kOk:
      account_ = step->address;
      return Step::Do(OpenMaildropAction{.mailbox_id = step->mailbox_id});
    case Kind::kInvalidCredentials:
      return LoginFailed(ReplyId::kBadCredentials);
    case Kind::kDisabled:
      return LoginFailed(ReplyId::kAccountDisabled);
    case Kind::kMalformed:
      return LoginFailed(ReplyId::kAuthMalformed);
    case Kind::kUnsupportedMechanism:
      return LoginFailed(ReplyId::kUnknownMechanism);
  }
  CHECK(false);
}

Step Session::LoginFailed(ReplyId id) {
  if (++login_failures_ < options_->limits.max_login_failures) return Step::Say(id);
  if (id == ReplyId::kBadCredentials) id = ReplyId::kBadCredentialsClosing;
  return Step::Say(id).Then(CloseAction{CloseCause::kLoginFailures});
}

Step Session::MaildropOpened(Maildrop maildrop) {
  maildrop_ = std::move(maildrop);
  state_ = State::kTransaction;
  return Step::Say(ReplyId::kMaildrop,
                   {absl::StrCat(maildrop_.kept_count()), absl::StrCat(maildrop_.kept_bytes())});
}

Step Session::MaildropRefused(const absl::Status& status) {
  account_.clear();
  const ReplyId id = OpenError(status);
  if (id != ReplyId::kLoginDelay) return Step::Say(id);
  return Step::Say(id, {absl::StrCat(absl::ToInt64Seconds(options_->login_delay))});
}

Reply Session::MessageReply(const SendMessageAction& action) const {
  if (action.top_lines.has_value()) return Reply{.id = ReplyId::kTopOfMessage};
  return Reply{.id = ReplyId::kMessage, .arguments = {absl::StrCat(action.size_bytes)}};
}

Reply Session::MessageRefused(const absl::Status& status) const { return Reply{.id = FetchError(status)}; }

Step Session::Committed(const absl::Status& status) {
  if (!status.ok()) return Step::Say(CommitError(status)).Then(CloseAction{});
  return Step::Say(ReplyId::kGoodbyeDeleted, {absl::StrCat(maildrop_.deleted_count())}).Then(CloseAction{});
}

std::optional<Maildrop::Message> Session::FindMessage(const Command& command, absl::string_view word,
                                                      Step& refusal) const {
  const std::optional<uint64_t> number = ParseNumber(word);
  if (!number.has_value()) {
    refusal = commands::Usage(command);
    return std::nullopt;
  }
  const std::optional<Maildrop::Message> message = maildrop_.Find(MessageNumber{*number});
  if (!message.has_value()) {
    refusal = Step::Say(ReplyId::kNoSuchMessage, {absl::StrCat(maildrop_.count())});
    return std::nullopt;
  }
  if (message->deleted) {
    refusal = Step::Say(ReplyId::kMessageDeleted, {absl::StrCat(*number)});
    return std::nullopt;
  }
  return message;
}

}  // namespace mailstead::pop3
