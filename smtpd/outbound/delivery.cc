#include "smtpd/outbound/delivery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/text/utf8.h"
#include "smtpd/outbound/asked_wait.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp::outbound {
namespace {

using Kind = RecipientOutcome::Kind;

// RFC 3207 section 4: STARTTLS must come first.
constexpr int kMustUseTls = 530;

// What is known of one recipient so far.
struct Standing {
  RecipientOutcome outcome;
  std::string host;
  bool dsn_relayed = false;
  // Nothing more is tried for it in this attempt.
  bool done = false;
  // Some host said something at all.
  bool heard = false;
};

store::QueueOutcome::Kind KindOf(Kind kind) {
  switch (kind) {
    case Kind::kDelivered:
      return store::QueueOutcome::Kind::kDelivered;
    case Kind::kFailed:
      return store::QueueOutcome::Kind::kFailed;
    case Kind::kDeferred:
      break;
  }
  return store::QueueOutcome::Kind::kDeferred;
}

// RFC 3463 section 2: what stands for a reply that brought none.
std::string StatusOf(const RecipientOutcome& outcome) {
  if (!outcome.enhanced.empty()) return outcome.enhanced;
  switch (outcome.kind) {
    case Kind::kDelivered:
      return "2.0.0";
    case Kind::kFailed:
      return "5.0.0";
    case Kind::kDeferred:
      break;
  }
  return "4.0.0";
}

class Attempt {
 public:
  explicit Attempt(Delivery& delivery) : delivery_(delivery), standing_(delivery.attempt.envelope.recipients.size()) {}

  asio::awaitable<DeliveryResult> Run() {
    for (const Way& way : delivery_.ways) {
      if (AllDone() || transaction_count_ >= kMaxTransactions) break;
      co_await Try(way);
    }
    DeliveryResult result;
    result.report = Report();
    result.host = std::move(last_host_);
    result.protection = std::move(last_protection_);
    result.tls_sessions = std::move(tls_sessions_);
    co_return result;
  }

 private:
  bool AllDone() const {
    return std::all_of(standing_.begin(), standing_.end(), [](const Standing& one) { return one.done; });
  }

  asio::awaitable<void> Try(const Way& way) {
    if (!way.decision.policy.has_value()) {
      NotNow(way);
      co_return;
    }
    tried_ = true;
    const Ended ended = co_await TryOnce(way);
    if (ended != Ended::kTlsBroken || way.key.tls.level != TlsPolicy::Level::kMay ||
        delivery_.attempt.envelope.require_tls) {
      co_return;
    }
    Way in_the_clear = way;
    in_the_clear.key.tls.level = TlsPolicy::Level::kNone;
    fell_back_ = true;
    const Ended ended_in_the_clear = co_await TryOnce(in_the_clear);
    fell_back_ = false;
    if (ended_in_the_clear == Ended::kTaken) tls_ = store::QueueReport::Tls::kBroken;
  }

  // How a connection has ended.
  enum class Ended {
    kNotConnected,
    kTlsBroken,
    // The host has taken the mail for some recipient.
    kTaken,
    kOtherwise,
    // It was closed at rest: the host has seen nothing of the mail.
    kNotOffered,
  };
  asio::awaitable<Ended> TryOnce(const Way& way) {
    const Ended over_any = co_await TryConnection(way, Hosts::Age::kAny);
    if (over_any != Ended::kNotOffered) co_return over_any;
    co_return co_await TryConnection(way, Hosts::Age::kFresh);
  }
  asio::awaitable<Ended> TryConnection(const Way& way, Hosts::Age age) {
    Hosts::Found found = co_await delivery_.hosts.Connect(way.key, way.password, age);
    // In the clear it is the second try, of which nothing new is to be told; over an old connection it is no session of its own.
    if (found.fresh && !fell_back_) {
      Tell(SessionsOf(way.host, way.key.address, way.decision, found.outcome, found.protection));
    }
    if (found.host == nullptr) {
      NoTransaction(way, found.outcome);
      co_return found.outcome.kind == ConnectionOutcome::Kind::kTlsBroken ? Ended::kTlsBroken
                                                                          : Ended::kNotConnected;
    }
    answered_ = true;
    if (found.host->protection().encrypted() && tls_ == store::QueueReport::Tls::kNone) {
      tls_ = store::QueueReport::Tls::kUsed;
    }
    std::vector<size_t> places;
    Transaction transaction = MakeTransaction(places);
    const absl::Status rewound = co_await delivery_.body.Rewind();
    if (!rewound.ok()) {
      // The store does not give it now. The connection is as it was.
      Mark(places, OurWords(Kind::kDeferred, "4.3.0", absl::StrCat("the message could not be read: ", rewound.message())));
      delivery_.hosts.GiveBack(way.key, std::move(found.host));
      co_return Ended::kOtherwise;
    }
    TransactionOutcome outcome = co_await found.host->Send(std::move(transaction), delivery_.body);
    if (age == Hosts::Age::kAny && NotOffered(outcome)) co_return Ended::kNotOffered;
    ++transaction_count_;
    last_host_ = way.host;
    last_protection_ = found.host->protection();
    if (!last_protection_.encrypted() && (fell_back_ || delivery_.attempt.tls_broken)) MindWantedTls(outcome);
    Take(way, places, outcome, found.host->connection());
    if (found.host->connection().usable()) delivery_.hosts.GiveBack(way.key, std::move(found.host));
    const bool taken = std::any_of(outcome.recipients.begin(), outcome.recipients.end(),
                                   [](const RecipientOutcome& one) { return one.kind == Kind::kDelivered; });
    co_return taken ? Ended::kTaken : Ended::kOtherwise;
  }

  // In the clear because TLS broke, at a host that takes nothing that way.
  void MindWantedTls(TransactionOutcome& outcome) {
    for (RecipientOutcome& one : outcome.recipients) {
      if (one.kind != Kind::kFailed || one.code != kMustUseTls) continue;
      one.kind = Kind::kDeferred;
      wants_tls_ = true;
    }
  }

  // A connection that ends at rest behind a transaction, as with a 421 right after the 250, has taken it.
  static bool NotOffered(const TransactionOutcome& transaction) {
    return std::all_of(transaction.recipients.begin(), transaction.recipients.end(), [](const RecipientOutcome& outcome) {
      return outcome.kind == Kind::kDeferred && outcome.stage == Stage::kIdle;
    });
  }

  Transaction MakeTransaction(std::vector<size_t>& places) const {
    Transaction transaction;
    const Envelope& envelope = delivery_.attempt.envelope;
    transaction.envelope = envelope;
    transaction.envelope.recipients.clear();
    for (size_t i = 0; i < standing_.size(); ++i) {
      if (standing_[i].done) continue;
      places.push_back(i);
      transaction.envelope.recipients.push_back(envelope.recipients[i]);
    }
    transaction.content = delivery_.body.content();
    return transaction;
  }

  static RecipientOutcome OurWords(Kind kind, absl::string_view status, std::string text) {
    RecipientOutcome outcome;
    outcome.kind = kind;
    outcome.enhanced = std::string(status);
    outcome.text = std::move(text);
    return outcome;
  }

  void Mark(const std::vector<size_t>& places, const RecipientOutcome& outcome) {
    for (const size_t place : places) {
      standing_[place].outcome = outcome;
      standing_[place].done = true;
    }
  }

  void Tell(std::vector<TlsSession> sessions) {
    for (TlsSession& session : sessions) tls_sessions_.push_back(std::move(session));
  }

  // A host that is passed over without a word to it.
  void NotNow(const Way& way) {
    passed_over_ = true;
    Tell(SessionsPassedOver(way.host, way.decision));
    Hear(way, OurWords(Kind::kDeferred, kPassedOverStatus, way.decision.text));
  }

  // A host that was not spoken to as far as the mail: what it said counts where none says more.
  void NoTransaction(const Way& way, const ConnectionOutcome& connection) {
    if (connection.stage > Stage::kGreeting) answered_ = true;
    RecipientOutcome outcome = OutcomeWithoutTransaction(connection);
    if (connection.kind == ConnectionOutcome::Kind::kTlsBroken && !way.decision.text.empty()) {
      outcome.text = PrintableUtf8(absl::StrCat(connection.text, "; ", way.decision.text), kMaxPeerTextBytes);
      // RFC 8689 section 4.2.1 has the last word below.
      if (!delivery_.attempt.envelope.require_tls) passed_over_ = true;
    }
    // RFC 8689 section 4.2.1: a host without TLS that can be verified is one that cannot have this mail, now or later.
    const bool unprotected = connection.kind == ConnectionOutcome::Kind::kTlsBroken;
    if (unprotected && delivery_.attempt.envelope.require_tls) {
      outcome.kind = Kind::kFailed;
      outcome.code = 0;
      outcome.enhanced = "5.7.10";
      outcome.text = absl::StrCat("the sender asks for REQUIRETLS: ", outcome.text);
    }
    Hear(way, outcome);
  }

  void Hear(const Way& way, const RecipientOutcome& outcome) {
    for (Standing& one : standing_) {
      if (one.done) continue;
      // One that says "later" is the better one to believe.
      const bool better = !one.heard || (one.outcome.kind == Kind::kFailed && outcome.kind != Kind::kFailed);
      if (!better) continue;
      one.heard = true;
      one.outcome = outcome;
      one.host = way.host;
    }
  }

  void Take(const Way& way, const std::vector<size_t>& places, const TransactionOutcome& transaction,
            const ConnectionOutcome& connection) {
    for (size_t i = 0; i < places.size() && i < transaction.recipients.size(); ++i) {
      const RecipientOutcome& outcome = transaction.recipients[i];
      Standing& one = standing_[places[i]];
      one.heard = true;
      one.outcome = outcome;
      one.host = way.host;
      one.dsn_relayed = transaction.dsn_passed_on;
      one.done = IsLastWord(outcome, transaction, connection);
    }
  }

  // Whether no other host is asked.
  static bool IsLastWord(const RecipientOutcome& outcome, const TransactionOutcome& transaction,
                         const ConnectionOutcome& connection) {
    if (outcome.kind == Kind::kDelivered || transaction.unknown) return true;
    // Our own words: what this host could not be offered, or a connection that was lost before the end of the message.
    if (outcome.code == 0) return false;
    // 421 is about the host.
    return outcome.kind == Kind::kFailed || connection.kind != ConnectionOutcome::Kind::kClosing;
  }

  // A host that was only passed over is not away: its other domains' mail may go there.
  store::QueueReport::Sign Sign() const {
    if (answered_) return store::QueueReport::Sign::kAnswered;
    return tried_ ? store::QueueReport::Sign::kUnreachable : store::QueueReport::Sign::kNone;
  }

  store::QueueReport Report() {
    store::QueueReport report;
    report.message = delivery_.attempt.message;
    report.grant = delivery_.attempt.grant;
    report.tls = wants_tls_ ? store::QueueReport::Tls::kUsed : tls_;
    report.sign = Sign();
    for (size_t i = 0; i < standing_.size(); ++i) {
      Standing& one = standing_[i];
      const bool another_may = delivery_.some_unresolved || passed_over_;
      if (one.outcome.kind == Kind::kFailed && !one.done && another_may) one.outcome.kind = Kind::kDeferred;
      store::QueueOutcome& outcome = report.outcomes.emplace_back();
      outcome.number = delivery_.attempt.recipient_numbers[i];
      outcome.kind = KindOf(one.outcome.kind);
      outcome.code = one.outcome.code;
      outcome.status = StatusOf(one.outcome);
      // A status of another class than the outcome says nothing (RFC 3463 section 2).
      const char class_of = one.outcome.kind == Kind::kDelivered ? '2' : one.outcome.kind == Kind::kFailed ? '5' : '4';
      if (outcome.status.front() != class_of) outcome.status.front() = class_of;
      outcome.text = one.outcome.text;
      outcome.host = one.host;
      outcome.dsn_relayed = one.dsn_relayed;
      // Once: a host that asks again and again is given the schedule.
      const bool first = delivery_.attempt.attempt_count == 0;
      if (one.outcome.kind == Kind::kDeferred && one.outcome.code != 0 && first) {
        outcome.retry_after = AskedWait(one.outcome.text).value_or(absl::ZeroDuration());
      }
    }
    return report;
  }

  Delivery& delivery_;
  std::vector<Standing> standing_;
  int transaction_count_ = 0;
  std::string last_host_;
  Protection last_protection_;
  // At most two of each way.
  std::vector<TlsSession> tls_sessions_;
  // Some host was connected to, or it was tried; some host answered.
  bool tried_ = false;
  bool answered_ = false;
  // What is tried is in the clear because TLS broke.
  bool fell_back_ = false;
  bool wants_tls_ = false;
  // A host that does not come up to what DANE or MTA-STS asks, or of which that is not known: it may take the mail later.
  bool passed_over_ = false;
  store::QueueReport::Tls tls_ = store::QueueReport::Tls::kNone;
};

}  // namespace

asio::awaitable<DeliveryResult> Deliver(Delivery delivery) {
  Attempt attempt(delivery);
  co_return co_await attempt.Run();
}

store::QueueReport ReportWithoutWay(const store::QueueAttempt& attempt, std::string status, std::string text,
                                    store::QueueReport::Sign sign) {
  store::QueueReport report;
  report.message = attempt.message;
  report.grant = attempt.grant;
  report.sign = sign;
  const bool failed = absl::StartsWith(status, "5");
  for (const int32_t number : attempt.recipient_numbers) {
    store::QueueOutcome& outcome = report.outcomes.emplace_back();
    outcome.number = number;
    outcome.kind = failed ? store::QueueOutcome::Kind::kFailed : store::QueueOutcome::Kind::kDeferred;
    outcome.status = status;
    outcome.text = text;
  }
  return report;
}

}  // namespace mailstead::smtp::outbound
