#include "smtpd/outbound/client_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/text/base64.h"
#include "common/text/utf8.h"
#include "smtpd/protocol/command_writer.h"

namespace mailstead::smtp::outbound {
namespace {

// RFC 5321 section 4.2.1: the host is shutting down this connection.
constexpr int kServiceNotAvailable = 421;
constexpr int kExceededAllocation = 552;

// Our own words.
RecipientOutcome OurRefusal(absl::string_view enhanced, absl::string_view text) {
  return {.kind = RecipientOutcome::Kind::kFailed,
          .enhanced = std::string(enhanced),
          .text = std::string(text),
          .stage = Stage::kIdle};
}

RecipientOutcome::Kind KindOf(const PeerReply& reply, Stage stage) {
  if (reply.code_class() == 2) return RecipientOutcome::Kind::kDelivered;
  if (reply.code_class() != 5) return RecipientOutcome::Kind::kDeferred;
  const bool too_many_recipients = stage == Stage::kRcpt && reply.code == kExceededAllocation &&
                                   (reply.enhanced.empty() || reply.enhanced == "5.5.3");
  return too_many_recipients ? RecipientOutcome::Kind::kDeferred : RecipientOutcome::Kind::kFailed;
}

RecipientOutcome OutcomeOf(const PeerReply& reply, Stage stage) {
  return {.kind = KindOf(reply, stage),
          .code = reply.code,
          .enhanced = reply.enhanced,
          .text = reply.Text(),
          .stage = stage};
}

// Whether an address has a local part that only SMTPUTF8 can name. One that is no address is refused later.
bool NeedsSmtpUtf8(absl::string_view text) {
  if (IsAscii(text)) return false;
  const absl::StatusOr<Address> address = ParseAddress(text);
  return address.ok() && !IsAscii(address->local_part);
}

}  // namespace

struct ClientSession::OpenTransaction {
  enum class Standing : uint8_t { kOpen, kAccepted, kDecided };
  struct Rcpt {
    // Of the recipient in the envelope.
    size_t index = 0;
    // Its command.
    std::string line;
  };

  Transaction transaction;
  TransactionOutcome outcome;
  // Of each recipient: kDecided has its outcome.
  std::vector<Standing> standings;
  std::string mail_line;
  // Those that are offered to the host, in order.
  std::vector<Rcpt> rcpts;
  size_t written_count = 0;
  size_t answered_count = 0;
  size_t accepted_count = 0;
  bool mail_accepted = false;
  bool mail_refused = false;
  bool data_written = false;
  // Octets of the message that were not asked for yet, and those of them that belong to the chunk.
  uint64_t left_bytes = 0;
  uint64_t chunk_left_bytes = 0;
  LineCheck lines;
  DotEncoder dots;

  void Decide(size_t index, const RecipientOutcome& decided) {
    standings[index] = Standing::kDecided;
    outcome.recipients[index] = decided;
  }
  // Of what was decided, only our own words stay.
  void ForgetReplies() {
    for (size_t i = 0; i < standings.size(); ++i) {
      if (outcome.recipients[i].code != 0) standings[i] = Standing::kOpen;
    }
  }
};

ClientSession::ClientSession(const ClientConfig& config) : config_(config) {}
ClientSession::~ClientSession() = default;

// ---- Ends

absl::Duration ClientSession::write_timeout() const {
  const Timeouts& timeouts = config_.timeouts;
  const bool body = open_ != nullptr &&
                    (state_ == State::kBody || (!awaited_.empty() && awaited_.front() >= Awaited::kChunk));
  return timeouts.Capped(body ? timeouts.data_block : timeouts.mail);
}

Stage ClientSession::StageNow() const {
  switch (state_) {
    case State::kHandshake:
      return Stage::kHandshake;
    case State::kAuth:
      return Stage::kAuth;
    case State::kBody:
      return Stage::kBody;
    case State::kResting:
      return Stage::kIdle;
    case State::kClosed:
      return connection_.stage;
    case State::kTalking:
      break;
  }
  CHECK(!awaited_.empty());
  switch (awaited_.front()) {
    case Awaited::kGreeting:
      return Stage::kGreeting;
    case Awaited::kEhlo:
    case Awaited::kHelo:
      return Stage::kEhlo;
    case Awaited::kStartTls:
      return Stage::kStartTls;
    case Awaited::kAuth:
    case Awaited::kAuthCancel:
      return Stage::kAuth;
    case Awaited::kMail:
      return Stage::kMail;
    case Awaited::kRcpt:
      return Stage::kRcpt;
    case Awaited::kData:
    case Awaited::kLoneDot:
      return Stage::kData;
    case Awaited::kChunk:
      return Stage::kBody;
    case Awaited::kFinal:
      return Stage::kFinalDot;
    case Awaited::kReset:
      return Stage::kReset;
  }
  return Stage::kIdle;
}

void ClientSession::Settle(const RecipientOutcome& outcome, bool accepted_only) {
  using Standing = OpenTransaction::Standing;
  for (size_t i = 0; i < open_->standings.size(); ++i) {
    const bool open = open_->standings[i] == Standing::kOpen;
    if (open_->standings[i] == Standing::kAccepted || (open && !accepted_only)) open_->Decide(i, outcome);
  }
  open_->accepted_count = 0;
}

Action ClientSession::End(ConnectionOutcome outcome) {
  // A host that cannot do what it has offered is lost at STARTTLS, or after the handshake before it says a word: that is
  // as good as a handshake that fails.
  const bool starting_tls = outcome.stage == Stage::kStartTls || (tls_ && !hello_since_tls_);
  if (starting_tls && outcome.kind != ConnectionOutcome::Kind::kClosing) {
    outcome.kind = ConnectionOutcome::Kind::kTlsBroken;
  }
  if (outcome.kind == ConnectionOutcome::Kind::kTlsBroken && !outcome.tls_failure.has_value()) {
    outcome.tls_failure = mailauth::TlsFailure::kValidationFailure;
  }
  if (open_ != nullptr) {
    // A 421 to the end of the message is an answer; so is what we did not end.
    open_->outcome.unknown = outcome.stage == Stage::kFinalDot &&
                             outcome.kind != ConnectionOutcome::Kind::kClosing && open_->accepted_count > 0;
    Settle({.kind = RecipientOutcome::Kind::kDeferred,
            .code = outcome.code,
            .enhanced = outcome.enhanced,
            .text = outcome.text,
            .stage = outcome.stage},
           /*accepted_only=*/false);
    outcome_ = std::move(open_->outcome);
    open_.reset();
  }
  connection_ = std::move(outcome);
  state_ = State::kClosed;
  awaited_.clear();
  output_.clear();
  return CloseAction{};
}

Action ClientSession::Refused(Stage stage, const PeerReply& reply) {
  const bool closing = reply.code == kServiceNotAvailable;
  Action action =
      End({.kind = closing ? ConnectionOutcome::Kind::kClosing : ConnectionOutcome::Kind::kRefused,
           .stage = stage,
           .code = reply.code,
           .enhanced = reply.enhanced,
           .text = reply.Text()});
  if (!closing) output_ = std::string(kQuitLine);
  return action;
}

Action ClientSession::Broken(absl::string_view text) {
  return End({.kind = ConnectionOutcome::Kind::kBroken,
              .stage = StageNow(),
              .enhanced = "4.5.0",
              .text = PrintableUtf8(text, kMaxPeerTextBytes)});
}

Action ClientSession::NotAReplyToThis(const PeerReply& reply) {
  return Broken(absl::StrCat("the host answered what does not fit: ", reply.code, " ", reply.Text()));
}

Action ClientSession::OnLost(const absl::Status& status, absl::string_view last_words) {
  if (state_ == State::kClosed) return CloseAction{};
  if (absl::IsCancelled(status)) {
    Action action = End({.kind = ConnectionOutcome::Kind::kBroken,
                         .stage = StageNow(),
                         .enhanced = "4.3.2",
                         .text = "we are shutting down"});
    connection_.kind = ConnectionOutcome::Kind::kBroken;
    return action;
  }
  std::string words = absl::IsDeadlineExceeded(status)
                          ? "the host did not answer in time"
                          : absl::StrCat("the connection was lost: ", status.message());
  if (parser_.Feed(last_words).kind == ReplyParser::Kind::kReply) {
    const PeerReply reply = parser_.Take();
    if (reply.code == kServiceNotAvailable) return Refused(StageNow(), reply);
    absl::StrAppend(&words, "; its last words: ", reply.code, " ", reply.enhanced,
                    reply.enhanced.empty() ? "" : " ", reply.Text());
  }
  return End({.kind = ConnectionOutcome::Kind::kBroken,
              .stage = StageNow(),
              .enhanced = "4.4.2",
              .text = PrintableUtf8(words, kMaxPeerTextBytes)});
}

// ---- Replies

void ClientSession::Command(absl::string_view line, Awaited awaited) {
  absl::StrAppend(&output_, line);
  awaited_.push_back(awaited);
  state_ = State::kTalking;
}

Action ClientSession::Await(bool first) const {
  const Timeouts& timeouts = config_.timeouts;
  CHECK(!awaited_.empty());
  absl::Duration timeout;
  switch (awaited_.front()) {
    case Awaited::kGreeting:
      timeout = timeouts.greeting;
      break;
    case Awaited::kEhlo:
    case Awaited::kHelo:
    case Awaited::kStartTls:
    case Awaited::kAuth:
    case Awaited::kAuthCancel:
      timeout = timeouts.hello;
      break;
    case Awaited::kMail:
      timeout = timeouts.mail;
      break;
    case Awaited::kRcpt:
      timeout = timeouts.rcpt;
      break;
    case Awaited::kData:
      timeout = timeouts.data;
      break;
    case Awaited::kChunk:
      timeout = timeouts.chunk;
      break;
    case Awaited::kLoneDot:
    case Awaited::kFinal:
      timeout = timeouts.final_dot;
      break;
    case Awaited::kReset:
      timeout = timeouts.reset;
      break;
  }
  return AwaitReplyAction{.timeout = timeouts.Capped(timeout), .first = first, .stage = StageNow()};
}

Action ClientSession::Begin() {
  if (config_.tls.implicit) return BeginHandshake();
  awaited_.push_back(Awaited::kGreeting);
  return Await(/*first=*/true);
}

Action ClientSession::OnBytes(absl::string_view bytes) {
  CHECK(!bytes.empty());
  Action action = CloseAction{};
  if (state_ == State::kClosed) return action;
  bool replied = false;
  while (!bytes.empty()) {
    if (state_ != State::kTalking) return OnEarly(bytes);
    const ReplyParser::Result result = parser_.Feed(bytes);
    bytes.remove_prefix(result.consumed);
    if (result.kind == ReplyParser::Kind::kNeedMore) break;
    if (result.kind == ReplyParser::Kind::kTooLong) return Broken("the host's reply has no end");
    if (result.kind == ReplyParser::Kind::kMalformed) {
      return Broken(absl::StrCat("the host said what is no reply: ", parser_.garbage()));
    }
    const PeerReply reply = parser_.Take();
    if (reply.code == kServiceNotAvailable) return Refused(StageNow(), reply);
    const bool last = awaited_.size() == 1;
    action = OnReply(awaited_.front(), reply);
    if (state_ == State::kClosed) return action;
    // What was written since cannot have been answered yet.
    if (last && state_ == State::kTalking && !bytes.empty()) return OnEarly(bytes);
    replied = true;
  }
  return state_ == State::kTalking ? Await(replied) : action;
}

Action ClientSession::OnEarly(absl::string_view bytes) {
  // SECURITY: in the clear, behind the host's 220: somebody wants us to take his words for the host's under TLS
  // (CVE-2011-0411, from the other side).
  if (state_ == State::kHandshake) {
    return Broken(config_.tls.implicit ? "the host speaks in the clear where TLS is from the first byte"
                                       : "bytes in the clear between STARTTLS and the handshake");
  }
  const ReplyParser::Result result = parser_.Feed(bytes);
  const bool may_wait = state_ == State::kResting || state_ == State::kBody;
  if (result.kind == ReplyParser::Kind::kNeedMore && may_wait) {
    if (state_ == State::kBody) return NextPiece();
    return RestAction{};
  }
  std::string words = parser_.garbage();
  if (result.kind == ReplyParser::Kind::kReply) {
    const PeerReply reply = parser_.Take();
    if (reply.code == kServiceNotAvailable) return Refused(StageNow(), reply);
    words = absl::StrCat(reply.code, " ", reply.Text());
  }
  // Replies and commands have come apart: what this host has said of a recipient may have been said of another.
  if (open_ != nullptr) open_->ForgetReplies();
  return Broken(absl::StrCat("the host said what was not asked: ", words));
}

Action ClientSession::OnReply(Awaited awaited, const PeerReply& reply) {
  // A reply that fits nothing is told with the stage of its command.
  const bool fits = reply.code_class() != 3 || awaited == Awaited::kData || awaited == Awaited::kAuth ||
                    awaited == Awaited::kAuthCancel;
  if (!fits || (awaited == Awaited::kData && reply.code_class() == 2)) return NotAReplyToThis(reply);
  awaited_.pop_front();
  switch (awaited) {
    case Awaited::kGreeting:
      return OnGreeting(reply);
    case Awaited::kEhlo:
    case Awaited::kHelo:
      return OnHello(awaited, reply);
    case Awaited::kStartTls:
      return OnStartTlsReply(reply);
    case Awaited::kAuth:
      return OnAuthReply(reply);
    case Awaited::kAuthCancel: {
      Action action = Refused(Stage::kAuth, PeerReply());
      connection_.enhanced = "4.7.0";
      connection_.text = auth_failure_;
      return action;
    }
    case Awaited::kMail:
      return OnMailReply(reply);
    case Awaited::kRcpt:
      return OnRcptReply(reply);
    case Awaited::kData:
      return OnDataReply(reply);
    case Awaited::kLoneDot:
      return EndTransaction(/*reset=*/true);
    case Awaited::kChunk:
      return OnChunkReply(reply);
    case Awaited::kFinal:
      return OnFinalReply(reply);
    case Awaited::kReset:
      return OnResetReply(reply);
  }
  return CloseAction{};
}

// ---- The opening

Action ClientSession::SayHello(Awaited awaited) {
  std::string line;
  const absl::Status written =
      AppendHello(awaited == Awaited::kEhlo ? "EHLO" : "HELO", config_.helo_name, line);
  // The name is a flag's or a route's, which are checked when they are set.
  CHECK(written.ok());
  Command(line, awaited);
  return Await(/*first=*/true);
}

Action ClientSession::OnGreeting(const PeerReply& reply) {
  if (reply.code_class() != 2) return Refused(Stage::kGreeting, reply);
  return SayHello(Awaited::kEhlo);
}

Action ClientSession::OnHello(Awaited awaited, const PeerReply& reply) {
  extensions_ = Extensions();
  if (reply.code_class() == 2) {
    hello_since_tls_ = tls_;
    if (awaited == Awaited::kEhlo) extensions_ = ParseExtensions(reply);
    return GoOnAfterHello();
  }
  // RFC 5321 section 3.2: an old server. Under TLS there is none.
  if (awaited == Awaited::kEhlo && reply.code_class() == 5 && !tls_) return SayHello(Awaited::kHelo);
  return Refused(Stage::kEhlo, reply);
}

Action ClientSession::GoOnAfterHello() {
  const bool wants_tls = config_.tls.level != TlsPolicy::Level::kNone && !tls_ && !clear_is_fine_;
  if (wants_tls && extensions_.starttls) {
    Command(kStartTlsLine, Awaited::kStartTls);
    return Await(/*first=*/true);
  }
  if (wants_tls && config_.tls.needs_tls()) {
    Action action = End({.kind = ConnectionOutcome::Kind::kTlsBroken,
                         .stage = Stage::kStartTls,
                         .enhanced = "4.7.10",
                         .text = "TLS is needed, and the host does not offer it",
                         .tls_failure = mailauth::TlsFailure::kStartTlsNotSupported});
    output_ = std::string(kQuitLine);
    return action;
  }
  if (!config_.auth_mechanisms.empty()) return BeginAuth();
  return Rest();
}

Action ClientSession::Rest() {
  state_ = State::kResting;
  return RestAction{};
}

Action ClientSession::OnStartTlsReply(const PeerReply& reply) {
  if (reply.code_class() == 2) {
    // RFC 3207 section 4.2: what was said before the handshake is not to be believed.
    extensions_ = Extensions();
    parser_.Reset();
    return BeginHandshake();
  }
  if (!config_.tls.needs_tls()) {
    clear_is_fine_ = true;
    return GoOnAfterHello();
  }
  Action action = Refused(Stage::kStartTls, reply);
  connection_.kind = ConnectionOutcome::Kind::kTlsBroken;
  connection_.tls_failure = mailauth::TlsFailure::kStartTlsNotSupported;
  return action;
}

Action ClientSession::BeginHandshake() {
  state_ = State::kHandshake;
  return ShakeHandsAction{.timeout = config_.timeouts.Capped(config_.timeouts.handshake)};
}

Action ClientSession::OnTlsStarted(bool authenticated) {
  CHECK(state_ == State::kHandshake);
  tls_ = true;
  authenticated_tls_ = authenticated;
  if (!config_.tls.implicit) return SayHello(Awaited::kEhlo);
  // Its first word is the greeting: what it says of itself there, and afterwards, is not about TLS.
  hello_since_tls_ = true;
  state_ = State::kTalking;
  awaited_.push_back(Awaited::kGreeting);
  return Await(/*first=*/true);
}

Action ClientSession::OnTlsFailed(const absl::Status& status, mailauth::TlsFailure failure) {
  CHECK(state_ == State::kHandshake);
  return End({.kind = absl::IsCancelled(status) ? ConnectionOutcome::Kind::kBroken
                                                : ConnectionOutcome::Kind::kTlsBroken,
              .stage = Stage::kHandshake,
              .enhanced = "4.7.5",
              .text = PrintableUtf8(absl::StrCat("the TLS handshake failed: ", status.message()),
                                    kMaxPeerTextBytes),
              .tls_failure = failure});
}

Action ClientSession::BeginAuth() {
  const auto cannot = [this](absl::string_view why) -> Action {
    Action action = End({.kind = ConnectionOutcome::Kind::kRefused,
                         .stage = Stage::kAuth,
                         .enhanced = "4.7.0",
                         .text = std::string(why)});
    output_ = std::string(kQuitLine);
    return action;
  };
  if (!authenticated_tls_ && !config_.allow_auth_without_verified_tls) {
    return cannot("no login: the host is not authenticated by TLS");
  }
  for (const std::string& mechanism : config_.auth_mechanisms) {
    if (!extensions_.OffersMechanism(mechanism)) continue;
    mechanism_ = mechanism;
    state_ = State::kAuth;
    return BeginAuthAction{.mechanism = mechanism};
  }
  return cannot("no login: the host offers no mechanism that may be used");
}

Action ClientSession::OnAuthResponse(const std::optional<std::string>& response) {
  CHECK(state_ == State::kAuth);
  std::string line;
  if (auth_step_count_++ > 0) {
    AppendAuthResponse(response.value_or(""), line);
  } else {
    // It is one of ours, not the host's word.
    CHECK(AppendAuth(mechanism_, response, line).ok());
  }
  Command(line, Awaited::kAuth);
  return Await(/*first=*/true);
}

Action ClientSession::OnAuthReply(const PeerReply& reply) {
  state_ = State::kAuth;
  if (reply.code_class() == 2) return EndAuthAction{};
  if (reply.code_class() != 3) return Refused(Stage::kAuth, reply);
  if (auth_step_count_ > kMaxAuthSteps) return CancelAuth("no login: the exchange has no end");
  const std::optional<std::string> challenge =
      reply.lines.size() == 1 ? DecodeBase64(reply.lines.front()) : std::nullopt;
  if (!challenge.has_value()) return CancelAuth("no login: the host's challenge is not base64");
  return ContinueAuthAction{.challenge = *challenge};
}

Action ClientSession::CancelAuth(absl::string_view why) {
  auth_failure_ = PrintableUtf8(why, kMaxPeerTextBytes);
  Command(kCancelAuthLine, Awaited::kAuthCancel);
  return Await(/*first=*/true);
}

Action ClientSession::OnAuthFailed(const absl::Status& status) {
  CHECK(state_ == State::kAuth);
  const std::string why = absl::StrCat("no login: ", status.message());
  // There is nothing to cancel yet.
  if (auth_step_count_ == 0) {
    return End({.kind = ConnectionOutcome::Kind::kRefused,
                .stage = Stage::kAuth,
                .enhanced = "4.7.0",
                .text = PrintableUtf8(why, kMaxPeerTextBytes)});
  }
  return CancelAuth(why);
}

Action ClientSession::OnAuthEnded(bool complete) {
  CHECK(state_ == State::kAuth);
  if (complete) return Rest();
  // SECURITY: with SCRAM the host proves that it knows the password too; one that says 235 without it does not.
  return End({.kind = ConnectionOutcome::Kind::kRefused,
              .stage = Stage::kAuth,
              .enhanced = "4.7.0",
              .text = "no login: the host has not proved that it knows the password"});
}

// ---- A transaction

Action ClientSession::Send(Transaction transaction) {
  CHECK(state_ == State::kResting && !transaction.envelope.recipients.empty());
  outcome_ = TransactionOutcome();
  const size_t count = transaction.envelope.recipients.size();
  open_ = std::make_unique<OpenTransaction>();
  open_->transaction = std::move(transaction);
  open_->standings.resize(count, OpenTransaction::Standing::kOpen);
  open_->outcome.recipients.resize(count);
  open_->outcome.dsn_passed_on = extensions_.dsn;
  // A part of a reply has come while nothing was asked.
  if (parser_.in_reply()) return Broken("the host said what was not asked");
  if (RefuseHere()) return EndTransaction(/*reset=*/false);
  WriteEnvelope();
  if (open_->rcpts.empty()) return EndTransaction(/*reset=*/false);
  Command(open_->mail_line, Awaited::kMail);
  if (extensions_.pipelining) Pipeline();
  return Await(/*first=*/true);
}

bool ClientSession::RefuseHere() {
  const Content& content = open_->transaction.content;
  const Envelope& envelope = open_->transaction.envelope;
  const auto refuse = [this](absl::string_view enhanced, absl::string_view text) {
    Settle(OurRefusal(enhanced, text), /*accepted_only=*/false);
    return true;
  };
  if (content.bad_octets) {
    return refuse("5.6.0", "the message has a NUL, or a CR or LF that is not part of a CRLF");
  }
  if (envelope.require_tls && !(authenticated_tls_ && extensions_.require_tls)) {
    return refuse("5.7.30",
                  "the sender asks for REQUIRETLS, which this host does not offer over verified TLS");
  }
  if (extensions_.max_size_bytes > 0 && content.size_bytes > extensions_.max_size_bytes) {
    return refuse("5.3.4", absl::StrCat("the message has ", content.size_bytes,
                                        " octets, and the host takes ", extensions_.max_size_bytes));
  }
  if (!extensions_.smtputf8 && (content.utf8_header || NeedsSmtpUtf8(envelope.reverse_path))) {
    return refuse("5.6.7", "the message or its sender needs SMTPUTF8, which the host does not offer");
  }
  if (content.eight_bit && !extensions_.eight_bit_mime) {
    return refuse("5.6.3", "the message has octets over 127, and the host does not offer 8BITMIME");
  }
  return false;
}

void ClientSession::WriteEnvelope() {
  const Transaction& transaction = open_->transaction;
  const Envelope& envelope = transaction.envelope;
  const bool utf8_recipient =
      std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                  [](const EnvelopeRecipient& recipient) { return NeedsSmtpUtf8(recipient.address); });
  MailLine mail;
  mail.reverse_path = envelope.reverse_path;
  if (extensions_.size) mail.size_bytes = transaction.content.size_bytes;
  mail.eight_bit_mime = transaction.content.eight_bit;
  mail.smtputf8 = extensions_.smtputf8 &&
                  (transaction.content.utf8_header || utf8_recipient || NeedsSmtpUtf8(envelope.reverse_path));
  if (extensions_.dsn) {
    mail.dsn_return = envelope.dsn_return;
    mail.dsn_envelope_id = envelope.dsn_envelope_id;
  }
  mail.require_tls = envelope.require_tls;
  if (!config_.auth_mechanisms.empty()) mail.auth = transaction.auth;
  if (const absl::Status written = AppendMail(mail, open_->mail_line); !written.ok()) {
    return Settle(OurRefusal("5.5.4", absl::StrCat("MAIL cannot be written: ", written.message())),
                  /*accepted_only=*/false);
  }
  for (size_t i = 0; i < envelope.recipients.size(); ++i) {
    const EnvelopeRecipient& recipient = envelope.recipients[i];
    if (!extensions_.smtputf8 && NeedsSmtpUtf8(recipient.address)) {
      open_->Decide(
          i, OurRefusal("5.6.7", "the recipient's address needs SMTPUTF8, which the host does not offer"));
      continue;
    }
    RcptLine rcpt;
    rcpt.forward_path = recipient.address;
    rcpt.smtputf8 = mail.smtputf8;
    if (extensions_.dsn) {
      rcpt.notify = recipient.notify;
      rcpt.original_recipient = recipient.original_recipient;
    }
    std::string line;
    if (const absl::Status written = AppendRcpt(rcpt, line); !written.ok()) {
      open_->Decide(i, OurRefusal("5.5.4", absl::StrCat("RCPT cannot be written: ", written.message())));
      continue;
    }
    open_->rcpts.push_back({.index = i, .line = std::move(line)});
  }
}

void ClientSession::WriteNextRcpt() { Command(open_->rcpts[open_->written_count++].line, Awaited::kRcpt); }

void ClientSession::WriteData() {
  open_->data_written = true;
  Command(kDataLine, Awaited::kData);
}

void ClientSession::Pipeline() {
  // Many commands in one segment: not one for each reply.
  if (awaited_.size() > kMaxPipelinedCommands / 2 || open_->mail_refused || open_->data_written) return;
  while (awaited_.size() < kMaxPipelinedCommands && open_->written_count < open_->rcpts.size())
    WriteNextRcpt();
  const bool all_written = open_->written_count == open_->rcpts.size();
  // BDAT comes with octets: these wait until somebody is there to take them.
  if (all_written && !SendsChunks() && awaited_.size() < kMaxPipelinedCommands) WriteData();
}

Action ClientSession::GoOnInTransaction() {
  if (extensions_.pipelining) Pipeline();
  if (!awaited_.empty()) return Await(/*first=*/true);
  if (open_->mail_refused) return EndTransaction(/*reset=*/true);
  if (open_->written_count < open_->rcpts.size()) {
    WriteNextRcpt();
    return Await(/*first=*/true);
  }
  if (open_->accepted_count == 0) return EndTransaction(/*reset=*/true);
  if (SendsChunks()) return BeginBody();
  WriteData();
  return Await(/*first=*/true);
}

Action ClientSession::OnMailReply(const PeerReply& reply) {
  open_->mail_accepted = reply.code_class() == 2;
  open_->mail_refused = !open_->mail_accepted;
  if (open_->mail_refused) Settle(OutcomeOf(reply, Stage::kMail), /*accepted_only=*/false);
  return GoOnInTransaction();
}

Action ClientSession::OnRcptReply(const PeerReply& reply) {
  const size_t index = open_->rcpts[open_->answered_count++].index;
  if (open_->mail_accepted) {
    if (reply.code_class() == 2) {
      open_->standings[index] = OpenTransaction::Standing::kAccepted;
      ++open_->accepted_count;
    } else {
      open_->Decide(index, OutcomeOf(reply, Stage::kRcpt));
    }
  }
  return GoOnInTransaction();
}

Action ClientSession::OnDataReply(const PeerReply& reply) {
  if (reply.code_class() != 3) {
    Settle(OutcomeOf(reply, Stage::kData), /*accepted_only=*/true);
    return EndTransaction(/*reset=*/true);
  }
  if (open_->accepted_count > 0) return BeginBody();
  // The host takes DATA although it took no recipient, and waits for a message: RFC 2920 section 3.1.
  Command(".\r\n", Awaited::kLoneDot);
  return Await(/*first=*/true);
}

bool ClientSession::SendsChunks() const { return extensions_.chunking && config_.use_chunking; }

Action ClientSession::BeginBody() {
  open_->left_bytes = open_->transaction.content.size_bytes;
  if (SendsChunks()) return BeginChunk();
  state_ = State::kBody;
  open_->chunk_left_bytes = open_->left_bytes;
  if (open_->left_bytes == 0) return EndBody();
  return NextPiece();
}

Action ClientSession::BeginChunk() {
  state_ = State::kBody;
  const uint64_t size = std::min(open_->left_bytes, std::max<uint64_t>(config_.max_chunk_bytes, 1));
  open_->chunk_left_bytes = size;
  AppendBdat(size, size == open_->left_bytes, output_);
  if (size == 0) return EndBody();
  return NextPiece();
}

Action ClientSession::NextPiece() const {
  return NextPieceAction{.max_bytes = std::min(kMaxPieceBytes, open_->chunk_left_bytes)};
}

Action ClientSession::OnPiece(absl::string_view octets) {
  CHECK(state_ == State::kBody && !octets.empty() && octets.size() <= open_->chunk_left_bytes);
  open_->left_bytes -= octets.size();
  open_->chunk_left_bytes -= octets.size();
  open_->lines.Feed(octets);
  if (open_->left_bytes == 0) open_->lines.Finish();
  if (open_->lines.saw_bare_line_end() || open_->lines.saw_nul()) {
    // SECURITY: what was said of the content is not so. A bare CR or LF that gets out could end the message at a host
    // that reads line ends loosely, and begin another (SMTP smuggling).
    Settle(OurRefusal("5.6.0", "the message has a NUL, or a CR or LF that is not part of a CRLF"),
           /*accepted_only=*/true);
    return Broken("the message is not fit to be sent");
  }
  if (SendsChunks()) {
    absl::StrAppend(&output_, octets);
  } else {
    open_->dots.Encode(octets, output_);
  }
  if (open_->chunk_left_bytes > 0) return NextPiece();
  return EndBody();
}

Action ClientSession::EndBody() {
  // A part of a reply has come, which is no answer to what we are about to say.
  if (parser_.in_reply()) {
    open_->ForgetReplies();
    return Broken("the host said what was not asked");
  }
  if (!SendsChunks()) open_->dots.Finish(output_);
  Command("", open_->left_bytes > 0 ? Awaited::kChunk : Awaited::kFinal);
  return Await(/*first=*/true);
}

Action ClientSession::OnBodyFailed(const absl::Status& status) {
  CHECK(state_ == State::kBody);
  return End({.kind = ConnectionOutcome::Kind::kBroken,
              .stage = Stage::kBody,
              .enhanced = "4.3.0",
              .text = PrintableUtf8(absl::StrCat("the message cannot be read: ", status.message()),
                                    kMaxPeerTextBytes)});
}

Action ClientSession::OnChunkReply(const PeerReply& reply) {
  if (reply.code_class() == 2) return BeginChunk();
  Settle(OutcomeOf(reply, Stage::kBody), /*accepted_only=*/true);
  return EndTransaction(/*reset=*/true);
}

Action ClientSession::OnFinalReply(const PeerReply& reply) {
  Settle(OutcomeOf(reply, Stage::kFinalDot), /*accepted_only=*/true);
  return EndTransaction(/*reset=*/reply.code_class() != 2);
}

Action ClientSession::EndTransaction(bool reset) {
  outcome_ = std::move(open_->outcome);
  open_.reset();
  if (!reset) return Rest();
  Command(kRsetLine, Awaited::kReset);
  return Await(/*first=*/true);
}

Action ClientSession::OnResetReply(const PeerReply& reply) {
  // What the host keeps of the last transaction would go with the next one.
  if (reply.code_class() != 2) return Refused(Stage::kReset, reply);
  return Rest();
}

Action ClientSession::Quit() {
  if (state_ == State::kClosed) return CloseAction{};
  CHECK(state_ == State::kResting);
  Action action = End({.kind = ConnectionOutcome::Kind::kEnded, .stage = Stage::kQuit});
  output_ = std::string(kQuitLine);
  return action;
}

}  // namespace mailstead::smtp::outbound
