// A whole SMTP session: lines from the front of the input, what the store and the network answer from its end.
#include "smtpd/session/session.h"

#include <variant>

#include "common/base/check.h"
#include "common/text/utf8.h"
#include "smtpd/protocol/limits.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using smtp::Action;

// SECURITY: whatever a peer sends, replies stay lines of the grammar (RFC 5321 section 4.2), one code each.
void CheckReplies(absl::string_view output) {
  absl::string_view code;
  while (!output.empty()) {
    const size_t end = output.find("\r\n");
    CHECK(end != absl::string_view::npos && end + 2 <= smtp::kMaxReplyLineBytes && end >= 4);
    const absl::string_view line = output.substr(0, end);
    for (const char c : line) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
    CHECK(IsValidUtf8(line));
    CHECK(line[0] >= '2' && line[0] <= '5' && (line[3] == '-' || line[3] == ' '));
    CHECK(code.empty() || line.substr(0, 3) == code);
    code = line[3] == '-' ? line.substr(0, 3) : "";
    output.remove_prefix(end + 2);
  }
  CHECK(code.empty());
}

class Client {
 public:
  Client(const smtp::SessionConfig& config, absl::string_view& choices)
      : config_(config), session_(config), choices_(choices) {
    if (config.kind == smtp::ListenerKind::kSubmissions) session_.OnTlsStarted(true);
    session_.Greet();
    TakeReplies();
  }

  // False when the session ends.
  bool Send(absl::string_view line) {
    Action action = session_.OnLine(line);
    for (;;) {
      TakeReplies();
      if (std::holds_alternative<smtp::Close>(action)) return false;
      if (std::holds_alternative<smtp::NextCommand>(action)) return true;
      action = std::visit([this](const auto& wanted) { return Act(wanted); }, action);
    }
  }

 private:
  const smtp::Dialog& dialog() const { return session_.dialog(); }
  bool logged_in() const { return !dialog().account.empty(); }

  void TakeReplies() {
    CheckReplies(session_.output());
    session_.output().clear();
  }

  absl::Status Failure(uint8_t choice) {
    return absl::Status(static_cast<absl::StatusCode>(1 + choice % 16), "the store's words");
  }

  Action Act(const smtp::NextCommand&) { CHECK(false); }
  Action Act(const smtp::Close&) { CHECK(false); }

  Action Act(const smtp::ResolveRecipient& resolve) {
    CHECK(!config_.is_submission() || logged_in());
    CHECK(!resolve.address.empty() && IsValidUtf8(resolve.address));
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 8 > 5) return session_.OnResolved(Failure(choice));
    const size_t recipients = dialog().transaction->recipients.size();
    smtp::Resolution resolution{.outcome = static_cast<smtp::Resolution::Outcome>(choice % 8), .mailbox_ids = {choice}};
    const bool local = resolution.outcome <= smtp::Resolution::Outcome::kAlias;
    const Action action = session_.OnResolved(resolution);
    // SECURITY: no relay, whatever form the address had.
    if (dialog().transaction != nullptr) CHECK(dialog().transaction->recipients.size() == recipients + (local ? 1 : 0));
    return action;
  }

  Action Act(const smtp::CheckSender& check) {
    CHECK(config_.is_submission() && logged_in() && check.account == dialog().account);
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 4 == 0) return session_.OnSenderChecked(Failure(choice));
    return session_.OnSenderChecked(choice % 2 == 1);
  }

  Action Act(const smtp::BeginAuth&) {
    // SECURITY: no password in the clear, and none where none is asked for.
    CHECK(config_.is_submission() && (dialog().tls || config_.allow_plaintext_auth) && !logged_in());
    return StepAuth();
  }
  Action Act(const smtp::ContinueAuth&) {
    CHECK(config_.is_submission() && !logged_in());
    return StepAuth();
  }
  Action StepAuth() {
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 8 > 5) return session_.OnAuthStep(Failure(choice));
    rpc::AuthStep step;
    step.kind = static_cast<rpc::AuthStep::Kind>(choice % 8);
    step.challenge = "challenge";
    step.address = "demo@example.test";
    const Action action = session_.OnAuthStep(step);
    CHECK(logged_in() == (step.kind == rpc::AuthStep::Kind::kOk));
    return action;
  }
  Action Act(const smtp::EndAuth&) {
    CHECK(!dialog().in_auth);
    return session_.OnAuthEnded();
  }

  Action Act(const smtp::StartTls&) {
    CHECK(!dialog().tls);
    session_.OnTlsStarted(TakeChoice(choices_) % 2 == 0);
    // SECURITY: nothing from before the handshake is left.
    CHECK(session_.output().empty() && dialog().helo.empty() && !logged_in() && dialog().transaction == nullptr);
    return smtp::NextCommand{};
  }

  Action Act(const smtp::ReceiveData&) { return EndMessage(); }
  Action Act(const smtp::ReceiveChunk& chunk) {
    CHECK(dialog().transaction != nullptr);
    if (!chunk.last && TakeChoice(choices_) % 2 == 0) return session_.OnChunkTaken(chunk.size_bytes);
    return EndMessage();
  }
  Action Act(const smtp::SwallowChunk&) { return session_.OnChunkSwallowed(); }

  Action EndMessage() {
    CHECK(!config_.is_submission() || logged_in());
    CHECK(dialog().transaction != nullptr && !dialog().transaction->recipients.empty());
    CHECK(dialog().transaction->recipients.size() <= config_.limits.max_recipients);
    const uint8_t choice = TakeChoice(choices_);
    const Action action = choice % 4 == 0   ? session_.OnStoreFailed(Failure(choice))
                          : choice % 4 == 1 ? session_.OnMessageRefused(static_cast<smtp::MessageDefect>(choice / 4 % 5))
                                            : session_.OnStored("0123456789abcdefghjkmnpqrs");
    CHECK(dialog().transaction == nullptr);
    return action;
  }

  const smtp::SessionConfig& config_;
  smtp::Session session_;
  absl::string_view& choices_;
};

}  // namespace

void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  smtp::SessionConfig config;
  config.kind = static_cast<smtp::ListenerKind>(choice % 3);
  config.hostname = "mail.example.test";
  config.allow_plaintext_auth = (choice & 0x80) != 0;
  config.limits.max_errors = 12;
  config.limits.max_recipients = 3;
  config.limits.max_commands = (choice & 0x40) != 0 ? 20 : 0;

  // The framer gives lines without CR and LF. What follows the last LF are choices.
  const size_t lines_end = input.rfind('\n');
  absl::string_view choices = lines_end == absl::string_view::npos ? absl::string_view() : input.substr(lines_end + 1);
  absl::string_view lines = input.substr(0, lines_end == absl::string_view::npos ? 0 : lines_end + 1);
  Client client(config, choices);
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    if (lines.substr(0, end).find('\r') == absl::string_view::npos && !client.Send(lines.substr(0, end))) return;
    lines.remove_prefix(end + 1);
  }
}

}  // namespace mailstead::fuzz
