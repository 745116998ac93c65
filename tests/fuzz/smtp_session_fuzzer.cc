// A whole SMTP session: lines from the front of the input, what the store and the network answer from its end.
#include <deque>
#include <variant>
#include <vector>

#include "common/base/check.h"
#include "common/text/utf8.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/session/session.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using smtp::Action;
using smtp::ReplyId;

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

// SECURITY: what is told goes to the log and the metrics; a name is one line.
class CheckingJournal : public smtp::SessionJournal {
 public:
  void Replied(ReplyId) override {}
  void SenderRefused(absl::string_view sender, ReplyId) override { CHECK(IsValidUtf8(sender)); }
  void RecipientRefused(absl::string_view sender, absl::string_view recipient, ReplyId) override {
    CHECK(IsValidUtf8(sender) && IsValidUtf8(recipient));
  }
  void MessageRefused(absl::string_view sender, absl::string_view, ReplyId) override { CHECK(!sender.empty()); }
  void MessageNotStored(absl::string_view sender, absl::string_view, ReplyId) override { CHECK(!sender.empty()); }
  void Authenticated(absl::string_view mechanism, absl::string_view) override { CheckMechanism(mechanism); }
  void AuthenticationRefused(absl::string_view mechanism) override { CheckMechanism(mechanism); }
  void AuthenticationFailed(absl::string_view mechanism) override { CheckMechanism(mechanism); }
  void AuthenticationCancelled(absl::string_view mechanism) override { CheckMechanism(mechanism); }
  void MechanismRefused(absl::string_view mechanism) override { CHECK(IsValidUtf8(mechanism)); }
  void LoginEnded(absl::string_view) override {}

 private:
  // One of those that are offered: a peer must not make new time series.
  void CheckMechanism(absl::string_view mechanism) {
    CHECK(mechanism == "PLAIN" || mechanism == "LOGIN" || mechanism == "SCRAM-SHA-256" ||
          mechanism == "SCRAM-SHA-256-PLUS");
  }
};

class Client {
 public:
  Client(const smtp::SessionConfig& config, absl::string_view& choices)
      : config_(config), session_(config, journal_), choices_(choices) {
    if (config.kind == smtp::ListenerKind::kSubmissions) session_.OnTlsStarted(true);
    session_.Greet();
    TakeReplies();
  }

  // Takes the first of `lines`, and those that the session takes ahead, off them. False when the session ends.
  bool Send(std::deque<absl::string_view>& lines) {
    Action action = session_.OnLine(lines.front());
    lines.pop_front();
    for (;;) {
      TakeReplies();
      if (dialog().transaction == nullptr) receiving_ = false;
      if (std::holds_alternative<smtp::CloseAction>(action)) return false;
      if (std::holds_alternative<smtp::NextCommandAction>(action)) return true;
      if (std::holds_alternative<smtp::ResolveRecipientsAction>(action)) {
        while (!lines.empty() && session_.TakeRecipientAhead(lines.front())) lines.pop_front();
      }
      action = std::visit([this](const auto& wanted) { return Perform(wanted); }, action);
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

  Action Perform(const smtp::NextCommandAction&) { CHECK(false); }
  Action Perform(const smtp::CloseAction&) { CHECK(false); }

  Action Perform(const smtp::ResolveRecipientsAction&) {
    CHECK(!config_.is_submission() || logged_in());
    // Replies come in order: nothing is said before these are answered.
    CHECK(session_.output().empty());
    std::vector<absl::StatusOr<store::Resolution>> resolutions;
    size_t taken_count = 0;
    for (const EnvelopeRecipient& recipient : session_.open_recipients()) {
      CHECK(!recipient.address.empty() && IsValidUtf8(recipient.address));
      const uint8_t choice = TakeChoice(choices_);
      if (choice % 8 > 6) {
        resolutions.push_back(Failure(choice));
        continue;
      }
      const auto outcome = static_cast<store::Resolution::Outcome>(choice % 8);
      resolutions.push_back(store::Resolution{.outcome = outcome, .mailbox_count = choice});
      const bool is_sent_on = outcome == store::Resolution::Outcome::kRemote && config_.is_submission();
      if (outcome <= store::Resolution::Outcome::kAlias || is_sent_on) ++taken_count;
    }
    CHECK(!resolutions.empty());
    const size_t before = dialog().transaction->envelope.recipients.size();
    const Action action = session_.OnResolved(resolutions);
    // SECURITY: no relay but for who has logged in, whatever form the address had.
    if (dialog().transaction == nullptr) return action;
    CHECK(dialog().transaction->envelope.recipients.size() == before + taken_count);
    CHECK(before + taken_count <= config_.limits.max_recipients);
    return action;
  }

  Action Perform(const smtp::ReserveSendAction& reserve) {
    CHECK(config_.is_submission() && logged_in() && reserve.account == dialog().account);
    return session_.OnSendReserved(TakeChoice(choices_) % 8 != 1);
  }

  Action Perform(const smtp::CheckSenderAction& check) {
    CHECK(config_.is_submission() && logged_in() && check.account == dialog().account);
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 4 == 0) return session_.OnSenderChecked(Failure(choice));
    return session_.OnSenderChecked(choice % 2 == 1);
  }

  Action Perform(const smtp::BeginAuthAction&) {
    // SECURITY: no password in the clear, and none where none is asked for.
    CHECK(config_.is_submission() && (dialog().tls || config_.allow_plaintext_auth) && !logged_in());
    return StepAuth();
  }
  Action Perform(const smtp::ContinueAuthAction&) {
    CHECK(config_.is_submission() && !logged_in());
    return StepAuth();
  }
  Action StepAuth() {
    const uint8_t choice = TakeChoice(choices_);
    const Action action = choice % 8 > 6    ? session_.OnLoginFailed()
                          : choice % 8 == 0 ? session_.OnLoginChallenge("challenge")
                          : choice % 8 == 1
                              ? session_.OnLoggedIn("demo@example.test")
                              : session_.OnLoginRefused(static_cast<sasl::Verdict>(choice % 8 - 1));
    CHECK(logged_in() == (choice % 8 == 1));
    return action;
  }
  Action Perform(const smtp::EndAuthAction&) {
    CHECK(!dialog().in_auth);
    return session_.OnAuthEnded();
  }

  Action Perform(const smtp::StartTlsAction&) {
    CHECK(!dialog().tls);
    session_.OnTlsStarted(TakeChoice(choices_) % 2 == 0);
    // SECURITY: nothing from before the handshake is left.
    CHECK(session_.output().empty() && dialog().helo.empty() && !logged_in() &&
          dialog().transaction == nullptr);
    return smtp::NextCommandAction{};
  }

  Action Perform(const smtp::ReceiveDataAction&) {
    TakeEnvelope();
    return EndMessage();
  }
  Action Perform(const smtp::ReceiveChunkAction& chunk) {
    CHECK(dialog().transaction != nullptr);
    if (!receiving_) TakeEnvelope();
    receiving_ = true;
    if (!chunk.last && TakeChoice(choices_) % 2 == 0) return session_.OnChunkTaken(chunk.size_bytes);
    return EndMessage();
  }
  Action Perform(const smtp::SwallowChunkAction&) { return session_.OnChunkSwallowed(); }

  void TakeEnvelope() {
    const Envelope envelope = session_.TakeEnvelope();
    CHECK(!envelope.recipients.empty() && envelope.recipients.size() <= config_.limits.max_recipients);
  }
  Action EndMessage() {
    CHECK(!config_.is_submission() || logged_in());
    CHECK(dialog().transaction != nullptr);
    receiving_ = false;
    const uint8_t choice = TakeChoice(choices_);
    const Action action =
        choice % 4 == 0 ? session_.OnStoreFailed(kDeliveryId, Failure(choice))
        : choice % 4 == 1
            ? session_.OnMessageRefused(kDeliveryId, static_cast<smtp::MessageDefect>(choice / 4 % 8))
            : session_.OnStored(kDeliveryId);
    CHECK(dialog().transaction == nullptr);
    return action;
  }

  static constexpr absl::string_view kDeliveryId = "0123456789abcdefghjkmnpqrs";

  const smtp::SessionConfig& config_;
  CheckingJournal journal_;
  smtp::Session session_;
  // Set between the chunks of a message.
  bool receiving_ = false;
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
  absl::string_view choices =
      lines_end == absl::string_view::npos ? absl::string_view() : input.substr(lines_end + 1);
  absl::string_view lines = input.substr(0, lines_end == absl::string_view::npos ? 0 : lines_end + 1);
  std::deque<absl::string_view> sent;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    if (lines.substr(0, end).find('\r') == absl::string_view::npos) sent.push_back(lines.substr(0, end));
    lines.remove_prefix(end + 1);
  }
  Client client(config, choices);
  while (!sent.empty() && client.Send(sent)) {
  }
}

}  // namespace mailstead::fuzz
