// A whole POP3 session: lines from the front of the input, what the store and the network answer from its end.
#include "pop3d/session/session.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/text/utf8.h"
#include "pop3d/protocol/limits.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::rpc {

// In place of common/rpc's, which comes with gRPC (RFC 4616).
std::string PlainInitialResponse(const std::string& user, const std::string& password) {
  return std::string(1, '\0') + user + '\0' + password;
}

}  // namespace mailstead::rpc

namespace mailstead::fuzz {
namespace {

using pop3::State;
using pop3::Step;

constexpr uint64_t kFirstMessageId = 100;
constexpr uint64_t kMessageCount = 4;

pop3::Maildrop MakeMaildrop() {
  pop3::Maildrop maildrop;
  for (uint64_t i = 0; i < kMessageCount; ++i) {
    CHECK(maildrop.Add(kFirstMessageId + i, 10 * (i + 1), std::string(1, static_cast<char>('a' + i))));
  }
  maildrop.Freeze();
  return maildrop;
}

class Client {
 public:
  Client(const pop3::SessionOptions& options, pop3::Protection protection, absl::string_view& choices)
      : session_(options, protection), choices_(choices) {
    Show(session_.Greeting());
  }

  // False when the session ends.
  bool Send(absl::string_view line) {
    Step step = session_.Line(line);
    for (;;) {
      if (step.reply.has_value()) Show(*step.reply);
      if (std::holds_alternative<std::monostate>(step.action)) return true;
      if (std::holds_alternative<pop3::CloseAction>(step.action)) return false;
      if (std::holds_alternative<pop3::ReleaseAction>(step.action)) {
        CHECK(session_.maildrop().deleted_count() == 0);
        return false;
      }
      step = std::visit([this](const auto& wanted) { return Act(wanted); }, step.action);
    }
  }

 private:
  // SECURITY: whatever a peer sends, replies stay lines of the grammar (RFC 1939 section 3).
  void Show(const pop3::Reply& reply) {
    std::string shown;
    pop3::AppendReply(reply, session_.language(), shown);
    CHECK(absl::StartsWith(shown, "+OK") || absl::StartsWith(shown, "-ERR") || absl::StartsWith(shown, "+ "));
    CHECK(absl::EndsWith(shown, "\r\n") && IsValidUtf8(shown));
    CHECK(shown.find("\r\n") + 2 <= pop3::kMaxReplyLineBytes);
    if (reply.lines.empty()) CHECK(shown.find("\r\n") + 2 == shown.size() || absl::EndsWith(shown, "\r\n.\r\n"));
    for (size_t i = 0; i < shown.size(); ++i) {
      const auto c = static_cast<unsigned char>(shown[i]);
      CHECK((c >= ' ' && c != 0x7f) || (c == '\r' && shown[i + 1] == '\n') || (c == '\n' && shown[i - 1] == '\r'));
    }
  }

  absl::Status Failure(uint8_t choice) {
    return absl::Status(static_cast<absl::StatusCode>(1 + choice % 16), "the store's words");
  }

  Step Act(std::monostate) { CHECK(false); }
  Step Act(const pop3::CloseAction&) { CHECK(false); }
  Step Act(const pop3::ReleaseAction&) { CHECK(false); }

  Step Act(const pop3::StartTlsAction&) {
    CHECK(!session_.protection().tls && session_.state() == State::kAuthorization);
    session_.TlsStarted({.tls = true, .channel_binding = TakeChoice(choices_) % 2 == 0});
    // SECURITY: nothing from before the handshake is left.
    CHECK(session_.user_name().empty() && session_.account().empty() && !session_.utf8_mode());
    CHECK(session_.language() == pop3::Language::kDefault && !session_.in_auth_exchange());
    return Step();
  }

  Step Act(const pop3::BeginAuthAction&) {
    // SECURITY: no password in the clear.
    CHECK(session_.may_log_in() && session_.state() == State::kAuthorization);
    return StepAuth();
  }
  Step Act(const pop3::ContinueAuthAction&) { return StepAuth(); }
  Step StepAuth() {
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 8 > 5) return session_.AuthStepped(Failure(choice));
    rpc::AuthStep step;
    step.kind = static_cast<rpc::AuthStep::Kind>(choice % 8);
    step.challenge = "challenge";
    step.address = "demo@example.test";
    step.mailbox_id = 7;
    Step next = session_.AuthStepped(step);
    const bool opens = std::holds_alternative<pop3::OpenMaildropAction>(next.action);
    CHECK(opens == (step.kind == rpc::AuthStep::Kind::kOk));
    return next;
  }
  Step Act(const pop3::AbandonAuthAction&) {
    CHECK(!session_.in_auth_exchange());
    return Step();
  }

  Step Act(const pop3::OpenMaildropAction& open) {
    CHECK(open.mailbox_id == 7 && session_.state() == State::kAuthorization);
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 4 == 0) {
      Step next = session_.MaildropRefused(Failure(choice));
      CHECK(session_.state() == State::kAuthorization && session_.account().empty());
      return next;
    }
    return session_.MaildropOpened(MakeMaildrop());
  }

  Step Act(const pop3::SendListingAction&) {
    CHECK(session_.state() == State::kTransaction);
    return Step();
  }
  Step Act(const pop3::SendMessageAction& send) {
    CHECK(session_.state() == State::kTransaction);
    // A message that is there, and not a deleted one.
    CHECK(send.message_id >= kFirstMessageId && send.message_id < kFirstMessageId + kMessageCount);
    const std::vector<uint64_t> deleted = session_.maildrop().Deletions();
    CHECK(std::find(deleted.begin(), deleted.end(), send.message_id) == deleted.end());
    CHECK(send.size_bytes == 10 * (send.message_id - kFirstMessageId + 1));
    const uint8_t choice = TakeChoice(choices_);
    Show(choice % 2 == 0 ? session_.MessageReply(send) : session_.MessageRefused(Failure(choice)));
    return Step();
  }
  Step Act(const pop3::CommitAction& commit) {
    CHECK(session_.state() == State::kUpdate);
    CHECK(!commit.deletions.empty() && commit.deletions == session_.maildrop().Deletions());
    const uint8_t choice = TakeChoice(choices_);
    return session_.Committed(choice % 2 == 0 ? absl::OkStatus() : Failure(choice));
  }

  pop3::Session session_;
  absl::string_view& choices_;
};

}  // namespace

void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  pop3::SessionOptions options;
  options.hostname = "mail.example.test";
  options.limits.max_errors = 12;
  options.allow_plaintext_auth = (choice & 1) != 0;
  options.tls_available = (choice & 2) == 0;
  options.login_delay = (choice & 4) != 0 ? absl::Seconds(60) : absl::ZeroDuration();
  const pop3::Protection protection{.tls = (choice & 8) != 0, .channel_binding = (choice & 24) == 24};

  // The framer gives lines without CR and LF. What follows the last LF are choices.
  const size_t lines_end = input.rfind('\n');
  absl::string_view choices = lines_end == absl::string_view::npos ? absl::string_view() : input.substr(lines_end + 1);
  absl::string_view lines = input.substr(0, lines_end == absl::string_view::npos ? 0 : lines_end + 1);
  Client client(options, protection, choices);
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    if (lines.substr(0, end).find('\r') == absl::string_view::npos && !client.Send(lines.substr(0, end))) return;
    lines.remove_prefix(end + 1);
  }
}

}  // namespace mailstead::fuzz
