// A whole POP3 session: lines from the front of the input, what the store and the network answer from its
// end.
#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/text/utf8.h"
#include "pop3d/protocol/limits.h"
#include "pop3d/session/session.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using pop3::Action;
using pop3::State;

constexpr int64_t kFirstMessageId = 100;
constexpr int64_t kMessageCount = 4;
constexpr AccountId kAccount{7};

pop3::Maildrop MakeMaildrop() {
  pop3::ListingBuilder builder;
  for (int64_t i = 0; i < kMessageCount; ++i) {
    CHECK(builder.Add(MessageId{kFirstMessageId + i}, 10 * (i + 1),
                      std::string(1, static_cast<char>('a' + i))));
  }
  return pop3::Maildrop(std::move(builder).Build());
}

// Holds what it is told to what can be.
class CheckingJournal : public pop3::SessionJournal {
 public:
  void Replied(pop3::ReplyId) override { ++reply_count; }
  void LoginRefused(absl::string_view mechanism, pop3::ReplyId reply) override {
    CHECK(!mechanism.empty() && pop3::StatusOf(reply) == pop3::ReplyStatus::kError);
  }
  void LoginEnded(const pop3::LoginName& login, store::LoginEnd) override {
    CHECK(login.account == kAccount);
  }
  void LoggedIn(const pop3::LoginName& login, const pop3::Maildrop& maildrop) override {
    CHECK(!login.mechanism.empty() && !login.address.empty() && login.account == kAccount);
    CHECK(maildrop.count() == static_cast<size_t>(kMessageCount));
  }
  void OpenRefused(const pop3::LoginName& login, pop3::ReplyId reply, const absl::Status& why) override {
    CHECK(login.account == kAccount && pop3::StatusOf(reply) == pop3::ReplyStatus::kError && !why.ok());
  }
  void Committed(const pop3::LoginName& login, size_t deleted_count) override {
    CHECK(login.account == kAccount && deleted_count > 0);
  }
  void CommitFailed(const pop3::LoginName& login, pop3::ReplyId reply, const absl::Status& why) override {
    CHECK(login.account == kAccount && pop3::StatusOf(reply) == pop3::ReplyStatus::kError && !why.ok());
  }

  size_t reply_count = 0;
};

class Client {
 public:
  Client(const pop3::SessionConfig& config, pop3::Protection protection, absl::string_view& choices)
      : session_(config, journal_, protection), choices_(choices) {
    session_.Greet();
    Show();
  }

  // False when the session ends.
  bool Send(absl::string_view line) {
    Action action = session_.OnLine(line);
    for (;;) {
      Show();
      if (std::holds_alternative<pop3::NextCommandAction>(action)) return true;
      if (std::holds_alternative<pop3::CloseAction>(action)) return false;
      action = std::visit([this](const auto& wanted) { return Perform(wanted); }, action);
    }
  }

 private:
  // SECURITY: whatever a peer sends, replies stay lines of the grammar (RFC 1939 section 3), and each is told
  // to the journal.
  void Show() {
    const std::string shown = std::exchange(session_.output(), std::string());
    CHECK(shown.empty() == (std::exchange(journal_.reply_count, 0) == 0));
    if (shown.empty()) return;
    CHECK(absl::StartsWith(shown, "+OK") || absl::StartsWith(shown, "-ERR") || absl::StartsWith(shown, "+ "));
    CHECK(absl::EndsWith(shown, "\r\n") && IsValidUtf8(shown));
    CHECK(shown.find("\r\n") + 2 <= pop3::kMaxReplyLineBytes);
    CHECK(shown.find("\r\n") + 2 == shown.size() || absl::EndsWith(shown, "\r\n.\r\n"));
    for (size_t i = 0; i < shown.size(); ++i) {
      const auto c = static_cast<unsigned char>(shown[i]);
      CHECK((c >= ' ' && c != 0x7f) || (c == '\r' && shown[i + 1] == '\n') ||
            (c == '\n' && shown[i - 1] == '\r'));
    }
  }

  absl::Status Failure(uint8_t choice) {
    return absl::Status(static_cast<absl::StatusCode>(1 + choice % 16), "the store's words");
  }

  Action Perform(const pop3::NextCommandAction&) { CHECK(false); }
  Action Perform(const pop3::CloseAction&) { CHECK(false); }

  Action Perform(const pop3::StartTlsAction&) {
    CHECK(!session_.protection().tls && session_.state() == State::kAuthorization);
    session_.OnTlsStarted({.tls = true, .channel_binding = TakeChoice(choices_) % 2 == 0});
    // SECURITY: nothing from before the handshake is left.
    CHECK(session_.user_name().empty() && session_.login().address.empty() && !session_.utf8_mode());
    CHECK(session_.language() == pop3::Language::kDefault && !session_.in_auth());
    return pop3::NextCommandAction{};
  }

  Action Perform(const pop3::BeginAuthAction& begin) {
    // SECURITY: no password in the clear.
    CHECK(session_.may_log_in() && session_.state() == State::kAuthorization);
    CHECK(!begin.mechanism.empty());
    return StepAuth();
  }
  Action Perform(const pop3::ContinueAuthAction&) { return StepAuth(); }
  Action StepAuth() {
    const uint8_t choice = TakeChoice(choices_);
    switch (choice % 8) {
      case 0:
        return session_.OnLoginChallenge("challenge");
      case 1: {
        Action next = session_.OnLoggedIn("demo@example.test", kAccount);
        CHECK(std::holds_alternative<pop3::OpenMaildropAction>(next));
        return next;
      }
      case 2:
        return session_.OnLoginRefused(sasl::Verdict::kInvalidCredentials);
      case 3:
        return session_.OnLoginRefused(sasl::Verdict::kDisabled);
      case 4:
        return session_.OnLoginRefused(sasl::Verdict::kMalformed);
      case 5:
        return session_.OnLoginRefused(sasl::Verdict::kUnsupportedMechanism);
      default:
        return session_.OnLoginFailed(Failure(choice));
    }
  }
  Action Perform(const pop3::EndAuthAction&) {
    CHECK(!session_.in_auth());
    return pop3::NextCommandAction{};
  }

  Action Perform(const pop3::OpenMaildropAction& open) {
    CHECK(open.account == kAccount && session_.state() == State::kAuthorization);
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 4 == 0) {
      Action next = session_.OnMaildropRefused(Failure(choice));
      CHECK(session_.state() == State::kAuthorization && session_.login().address.empty());
      return next;
    }
    return session_.OnMaildropOpened(MakeMaildrop());
  }

  Action Perform(const pop3::SendListingAction&) {
    CHECK(session_.state() == State::kTransaction);
    return pop3::NextCommandAction{};
  }
  Action Perform(const pop3::SendMessageAction& send) {
    CHECK(session_.state() == State::kTransaction);
    // A message that is there, and not a deleted one.
    CHECK(send.id.value >= kFirstMessageId && send.id.value < kFirstMessageId + kMessageCount);
    const std::vector<MessageId> deleted = session_.maildrop().Deletions();
    CHECK(std::find(deleted.begin(), deleted.end(), send.id) == deleted.end());
    CHECK(send.size_bytes == static_cast<uint64_t>(10 * (send.id.value - kFirstMessageId + 1)));
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 2 != 0) return session_.OnMessageRefused(Failure(choice));
    session_.OnMessageOpened(send);
    Show();
    return pop3::NextCommandAction{};
  }
  Action Perform(const pop3::CommitAction& commit) {
    CHECK(session_.state() == State::kUpdate);
    CHECK(!commit.deletions.empty() && commit.deletions == session_.maildrop().Deletions());
    const uint8_t choice = TakeChoice(choices_);
    return session_.OnCommitted(choice % 2 == 0 ? absl::OkStatus() : Failure(choice));
  }

  CheckingJournal journal_;
  pop3::Session session_;
  absl::string_view& choices_;
};

}  // namespace

void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  pop3::SessionConfig config;
  config.hostname = "mail.example.test";
  config.limits.max_errors = 12;
  config.allow_plaintext_auth = (choice & 1) != 0;
  config.tls_available = (choice & 2) == 0;
  config.login_delay = (choice & 4) != 0 ? absl::Seconds(60) : absl::ZeroDuration();
  const pop3::Protection protection{.tls = (choice & 8) != 0, .channel_binding = (choice & 24) == 24};

  // The framer gives lines without CR and LF. What follows the last LF are choices.
  const size_t lines_end = input.rfind('\n');
  absl::string_view choices =
      lines_end == absl::string_view::npos ? absl::string_view() : input.substr(lines_end + 1);
  absl::string_view lines = input.substr(0, lines_end == absl::string_view::npos ? 0 : lines_end + 1);
  Client client(config, protection, choices);
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    if (lines.substr(0, end).find('\r') == absl::string_view::npos && !client.Send(lines.substr(0, end)))
      return;
    lines.remove_prefix(end + 1);
  }
}

}  // namespace mailstead::fuzz
