// The client's side of an SMTP dialog: the input is what the host says, its last bytes are how everything else goes.
#include <string>
#include <utility>
#include <variant>

#include "common/base/check.h"
#include "common/text/utf8.h"
#include "smtpd/outbound/client_session.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using namespace smtp::outbound;  // NOLINT: all of it is about this

constexpr absl::string_view kMessage = "Subject: a\r\n\r\n.text\r\n..\r\n";

void CheckShown(absl::string_view text) {
  CHECK(text.size() <= smtp::kMaxPeerTextBytes && IsValidUtf8(text));
  for (const char c : text) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

class Host {
 public:
  Host(const ClientConfig& config, absl::string_view& choices) : session_(config), choices_(choices) {
    Follow(session_.Begin());
  }

  bool closed() const { return closed_; }
  void Say(absl::string_view bytes) { Follow(session_.OnBytes(bytes)); }
  void Leave() {
    Follow(session_.OnLost(absl::UnavailableError("connection closed")));
    CHECK(closed_ && !sending_);
  }

 private:
  void Follow(Action action) {
    while (true) {
      CheckOutput();
      if (sending_ &&
          (std::holds_alternative<RestAction>(action) || std::holds_alternative<CloseAction>(action))) {
        CheckOutcome(session_.TakeOutcome());
      }
      if (std::holds_alternative<CloseAction>(action)) {
        CHECK(!session_.connection().usable() && !session_.resting());
        CheckShown(session_.connection().text);
        closed_ = true;
        return;
      }
      if (std::holds_alternative<AwaitReplyAction>(action)) return;
      if (std::holds_alternative<RestAction>(action)) {
        CHECK(session_.resting());
        // Twenty transactions at most: each takes a byte of the choices, or ends the dialog.
        if (++transaction_count_ > 20) return;
        sending_ = true;
        action = session_.Send(MakeTransaction());
        continue;
      }
      action = std::visit([this](const auto& wanted) { return this->Perform(wanted); }, action);
    }
  }

  static Action Perform(const AwaitReplyAction&) { CHECK(false); }
  static Action Perform(const RestAction&) { CHECK(false); }
  static Action Perform(const CloseAction&) { CHECK(false); }
  Action Perform(const ShakeHandsAction&) {
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 4 == 0) return session_.OnTlsFailed(absl::UnavailableError("bad record mac"));
    tls_ = true;
    return session_.OnTlsStarted(choice % 4 == 1);
  }
  Action Perform(const BeginAuthAction&) {
    CHECK(tls_);
    return Respond();
  }
  Action Perform(const ContinueAuthAction&) { return Respond(); }
  Action Perform(const EndAuthAction&) { return session_.OnAuthEnded(TakeChoice(choices_) % 2 == 0); }
  Action Respond() {
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 4 == 0) return session_.OnAuthFailed(absl::InvalidArgumentError("no"));
    return session_.OnAuthResponse(choice % 4 == 1 ? std::nullopt : std::optional<std::string>("response"));
  }
  Action Perform(const NextPieceAction& piece) {
    const uint8_t choice = TakeChoice(choices_);
    if (choice % 16 == 15) return session_.OnBodyFailed(absl::DataLossError("cut"));
    const absl::string_view octets =
        kMessage.substr(given_, std::min<uint64_t>(piece.max_bytes, choice % 16 + 1));
    given_ += octets.size();
    return session_.OnPiece(octets);
  }

  Transaction MakeTransaction() {
    const uint8_t choice = TakeChoice(choices_);
    Transaction transaction;
    transaction.envelope.reverse_path = choice % 2 == 0 ? "" : "from@example.test";
    transaction.envelope.recipients.resize(choice % 5 + 1);
    for (EnvelopeRecipient& recipient : transaction.envelope.recipients) {
      recipient.address =
          "to@b\xc3\xbc"
          "cher.test";
    }
    if (choice & 0x40) transaction.envelope.recipients.front().address = "j\xc3\xb6@example.test";
    transaction.content = {.size_bytes = kMessage.size(), .eight_bit = (choice & 0x20) != 0};
    recipient_count_ = transaction.envelope.recipients.size();
    given_ = 0;
    return transaction;
  }

  // SECURITY: whatever the host says, what we write is lines that end in CRLF.
  void CheckOutput() {
    std::string& output = session_.output();
    CHECK(output.size() <= 65'536);
    bool after_cr = last_ == '\r';
    for (const char c : output) {
      CHECK((c == '\n') == after_cr);
      after_cr = c == '\r';
    }
    if (!output.empty()) last_ = output.back();
    output.clear();
  }

  void CheckOutcome(const TransactionOutcome& outcome) {
    sending_ = false;
    CHECK(outcome.recipients.size() == recipient_count_);
    for (const RecipientOutcome& recipient : outcome.recipients) {
      CheckShown(recipient.text);
      if (recipient.kind == RecipientOutcome::Kind::kDelivered) {
        CHECK(recipient.code / 100 == 2 && recipient.stage == Stage::kFinalDot && !outcome.unknown);
        CHECK(given_ == kMessage.size());
      }
      if (recipient.kind == RecipientOutcome::Kind::kFailed)
        CHECK(recipient.code == 0 || recipient.code / 100 == 5);
    }
    if (outcome.unknown) CHECK(given_ == kMessage.size());
  }

  ClientSession session_;
  absl::string_view& choices_;
  bool closed_ = false;
  bool sending_ = false;
  bool tls_ = false;
  int transaction_count_ = 0;
  size_t recipient_count_ = 0;
  size_t given_ = 0;
  char last_ = '\0';
};

}  // namespace

void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  ClientConfig config;
  config.helo_name = "mail.example.test";
  config.tls.level = static_cast<TlsPolicy::Level>(choice % 4);
  if (choice & 0x10) config.auth_mechanisms = {"SCRAM-SHA-256", "PLAIN"};
  config.use_chunking = (choice & 0x20) == 0;
  config.max_chunk_bytes = 7;
  // The choices stand behind the last line.
  const size_t end = input.rfind('\n');
  absl::string_view choices = end == absl::string_view::npos ? absl::string_view() : input.substr(end + 1);
  Host host(config, choices);
  ForPieces(input.substr(0, end == absl::string_view::npos ? 0 : end + 1), choice >> 6 == 0 ? 1 : choice,
            [&](absl::string_view piece) {
              if (!host.closed()) host.Say(piece);
            });
  if (!host.closed()) host.Leave();
}

}  // namespace mailstead::fuzz
