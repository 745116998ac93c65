// The dialogs in this folder against the real connection, with the store in this process
// (tests/support/fake_store.h), a clock that stands still and identifiers that count.
//
// Its directory: example.test is ours, with the accounts postmaster, alice (password "secret"), bob and ünï
// (and plus addressing), the alias team (alice and bob), closed (disabled, password "secret"), full (over
// quota), small (may have 50 bytes), and the aliases mixed (alice and small) and waiting (alice and full). alice may send as herself and as team. Every other domain is remote. A dialog that speaks of
// user1@example.test has a thousand such aliases of one account.
//
// Directives beside those of tests/support/chat.h:
//   ! listener mx|submission|submissions   which listener the next connection is for (mx at first)
//   ! option NAME VALUE                    a limit or setting, as the flag of the same name; before the first
//                                          connection
//   ! store fail CALL CODE [REASON] [xN]   the next N calls, or all from now on, fail: resolve, sender,
//                                          deliver, piece (of a message in pieces), settle, auth or all; they
//                                          were perhaps sent, but for those of all
//   ! store lose-answer                    the next message is stored, and the answer is lost
//   ! store mend                           nothing fails any more
//   ! stored N                             so many messages are in the store
//   ! tries N                              so many times the store was asked to take a message
//   ! settled N                            so many times it was asked what became of one
//   ! abandoned N                          so many messages in pieces ended without their last piece
//   ! envelope TEXT                        of the last message: from=<> to=<>,<> and what else is
//                                          not empty
//   ! trace TEXT                           of the last message, what stands in front of its content; \r\n as
//                                          in C+
//   ! content TEXT                         of the last message, trace and content
//   ! body TEXT                            likewise, without the Received field and the empty line that may
//                                          end the trace
//   ! body-bytes N pieces M                its size, and how many pieces it came in
//   ! advance DURATION                     the clock of deadlines moves
//   ! drain                                as on SIGTERM
#include <prometheus/registry.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/reason.h"
#include "common/frontend/connection_set.h"
#include "common/net/connection_counter.h"
#include "common/net/network_list.h"
#include "common/net/tls_context.h"
#include "common/store/store_api.h"
#include "smtpd/inbound/account_rates.h"
#include "smtpd/inbound/connection.h"
#include "smtpd/inbound/metrics.h"
#include "tests/golden/smtp/recorder.h"
#include "tests/support/chat.h"
#include "tests/support/chat_script.h"
#include "tests/support/fake_store.h"
#include "tests/support/faulty_transport.h"

namespace mailstead::smtp {
namespace {

namespace v1 = ::mailstead::store::v1;
using Words = std::vector<std::string>;
using test::When;

constexpr int kUserCount = 1000;

// Identifiers of the running dialog: 1, 2, 3 with zeros in front. The new_id of a context is a plain
// function.
int next_id = 1;
std::string CountingId(size_t size) {
  return absl::StrCat(absl::Dec(next_id++, absl::kZeroPad16), std::string(size - 16, 'x'));
}

const net::TlsContext& TestTls() {
  static const std::unique_ptr<net::TlsContext> tls = [] {
    net::TlsOptions options;
    options.self_signed_name = "mx.example.test";
    auto created = net::TlsContext::Create(options);
    CHECK(created.ok());
    return *std::move(created);
  }();
  return *tls;
}

absl::StatusCode CodeNamed(absl::string_view name) {
  for (int code = 1; code <= 16; ++code) {
    if (absl::StatusCodeToString(static_cast<absl::StatusCode>(code)) == name)
      return static_cast<absl::StatusCode>(code);
  }
  return absl::StatusCode::kUnknown;
}

absl::Status Expect(bool holds, absl::string_view actual) {
  return holds ? absl::OkStatus() : absl::InternalError(absl::StrCat("it is: ", actual));
}

class SmtpServer : public test::ChatServer {
 public:
  explicit SmtpServer(const std::string& path) {
    next_id = 1;
    limits_.command_timeout = absl::Seconds(20);
    limits_.data_timeout = absl::Seconds(20);
    FillDirectory();
    std::ostringstream dialog;
    dialog << std::ifstream(path, std::ios::binary).rdbuf();
    if (absl::StrContains(dialog.str(), "user")) AddUsers();
  }
  ~SmtpServer() override { store_.AwaitThread(); }

  asio::io_context& io() override { return io_; }

  asio::awaitable<void> Serve(asio::ip::tcp::socket socket) override {
    if (counter_ == nullptr) {
      counter_ = std::make_unique<net::ConnectionCounter>(max_connections_, max_per_address_);
      rates_ = std::make_unique<AccountRates>(max_per_hour_, clock_);
    }
    contexts_.push_back(std::make_unique<ConnectionContext>(MakeContext()));
    return ServeOne(*contexts_.back(), connections_, std::move(socket));
  }

  absl::Status Directive(absl::string_view text) override {
    // What a session that has ended left behind ends a moment later.
    if (io_.stopped()) io_.restart();
    io_.poll();
    const Words words = absl::StrSplit(text, ' ');
    const absl::string_view rest = absl::StripPrefix(text, absl::StrCat(words[0], " "));
    if (words[0] == "listener") return SetListener(words);
    if (words[0] == "option") return SetOption(words);
    if (words[0] == "store") return Store(words);
    if (words[0] == "drain") {
      connections_.Drain();
      return absl::OkStatus();
    }
    if (words[0] == "advance") return Advance(words[1]);
    if (words[0] == "stored") return ExpectCount(words[1], recorder_.stored().size());
    if (words[0] == "settled") return ExpectCount(words[1], way_.calls("SettleDelivery"));
    if (words[0] == "tries") return ExpectCount(words[1], way_.calls("Deliver"));
    if (words[0] == "abandoned") return ExpectCount(words[1], recorder_.abandoned_count());
    if (recorder_.stored().empty()) return absl::NotFoundError("nothing is stored");
    const Recorder::Stored& last = recorder_.stored().back();
    if (words[0] == "envelope") return Expect(rest == Describe(last), Describe(last));
    if (words[0] == "trace") return Expect(Unescape(rest) == last.trace, last.trace);
    if (words[0] == "content") {
      const std::string whole = last.trace + last.content;
      return Expect(Unescape(rest) == whole, whole);
    }
    if (words[0] == "body") return Expect(Unescape(rest) == Body(last), Body(last));
    if (words[0] == "body-bytes") {
      const std::string actual = absl::StrCat(Body(last).size(), " pieces ", last.piece_count);
      return Expect(rest == actual, actual);
    }
    return absl::InvalidArgumentError("no such directive");
  }

 private:
  static asio::awaitable<void> ServeOne(const ConnectionContext& context,
                                        frontend::ConnectionSet& connections, asio::ip::tcp::socket socket) {
    Connection connection(context, std::move(socket));
    const frontend::ConnectionSet::Place place(connections, connection);
    co_await connection.Run();
  }

  void FillDirectory() {
    store_.AddDomain("example.test");
    store_.AddAccount("postmaster@example.test");
    store_.AddAccount("alice@example.test", "secret");
    store_.AddAccount("bob@example.test");
    store_.AddAccount("ünï@example.test");
    store_.AddAccount("closed@example.test", "secret");
    store_.SetDisabled("closed@example.test", true);
    store_.AddAccount("full@example.test");
    store_.AddMessage("full@example.test", "more than it may hold");
    store_.SetQuota("full@example.test", /*bytes=*/1, /*messages=*/0);
    store_.AddAccount("small@example.test");
    store_.SetQuota("small@example.test", /*bytes=*/50, /*messages=*/0);
    store_.AddAlias("mixed@example.test", {"alice@example.test", "small@example.test"});
    store_.AddAlias("waiting@example.test", {"alice@example.test", "full@example.test"});
    store_.AddAccount("b..ob@example.test");
    store_.AddAlias("\"b o b\"@example.test", {"bob@example.test"});
    store_.AddAlias("team@example.test", {"alice@example.test", "bob@example.test"});
  }

  void AddUsers() {
    store_.AddAccount("users@example.test");
    for (int i = 1; i <= kUserCount; ++i) {
      store_.AddAlias(absl::StrCat("user", i, "@example.test"), {"users@example.test"});
    }
  }

  static absl::Status ExpectCount(const std::string& expected, size_t actual) {
    return Expect(expected == absl::StrCat(actual), absl::StrCat(actual));
  }

  absl::Status Advance(const std::string& by) {
    absl::Duration duration;
    if (!absl::ParseDuration(by, &duration)) return absl::InvalidArgumentError("no such duration");
    steady_.Advance(duration);
    return absl::OkStatus();
  }

  ConnectionContext MakeContext() {
    SessionConfig session;
    session.kind = kind_;
    session.hostname = "mx.example.test";
    session.limits = limits_;
    session.strict_ehlo = strict_ehlo_;
    session.check_from = check_from_;
    session.allow_plaintext_auth = allow_plaintext_auth_;
    session.sasl_mechanisms = sasl_mechanisms_;
    return ConnectionContext{.session = std::move(session),
                             .store = api_,
                             .tls = TestTls(),
                             .counter = *counter_,
                             .proxy_networks = proxy_networks_,
                             .rates = *rates_,
                             .metrics = metrics_,
                             .clock = clock_,
                             .steady = steady_,
                             .store_retry_for = store_retry_for_,
                             .outcome_timeout = outcome_timeout_,
                             .new_id = &CountingId};
  }

  absl::Status SetListener(const Words& words) {
    for (ListenerKind kind : {ListenerKind::kMx, ListenerKind::kSubmission, ListenerKind::kSubmissions}) {
      if (ListenerName(kind) != words[1]) continue;
      kind_ = kind;
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError("no such listener");
  }

  absl::Status SetOption(const Words& words) {
    const std::string& name = words[1];
    const std::string& value = words[2];
    if (name == "proxy_networks") {
      auto networks = net::NetworkList::Parse(value);
      if (networks.ok()) proxy_networks_ = *networks;
      return networks.status();
    }
    if (name == "bare_line_ends") {
      limits_.bare_line_ends = value == "normalize" ? BareLineEnds::kNormalize : BareLineEnds::kRefuse;
      return absl::OkStatus();
    }
    if (name == "sasl_mechanisms") {
      sasl_mechanisms_ = absl::StrSplit(value, ',');
      return absl::OkStatus();
    }
    if (name == "strict_ehlo") {
      strict_ehlo_ = value == "true";
      return absl::OkStatus();
    }
    if (name == "check_from") {
      check_from_ = value == "true";
      return absl::OkStatus();
    }
    if (name == "allow_plaintext_auth") {
      allow_plaintext_auth_ = value == "true";
      return absl::OkStatus();
    }
    absl::Duration duration;
    if (absl::ParseDuration(value, &duration) && value != "0") return SetDuration(name, duration);
    uint64_t number = 0;
    if (!absl::SimpleAtoi(value, &number)) return absl::InvalidArgumentError("no such value");
    return SetNumber(name, number);
  }

  absl::Status SetDuration(const std::string& name, absl::Duration value) {
    if (name == "command_timeout") {
      limits_.command_timeout = value;
    } else if (name == "data_timeout") {
      limits_.data_timeout = value;
    } else if (name == "message_timeout") {
      limits_.message_timeout = value;
    } else if (name == "greeting_delay") {
      limits_.greeting_delay = value;
    } else if (name == "store_retry_for") {
      store_retry_for_ = value;
    } else if (name == "outcome_timeout") {
      outcome_timeout_ = value;
    } else {
      return absl::InvalidArgumentError("no such option");
    }
    return absl::OkStatus();
  }

  absl::Status SetNumber(const std::string& name, uint64_t value) {
    if (name == "max_message_bytes") {
      limits_.max_message_bytes = value;
    } else if (name == "max_command_bytes") {
      limits_.max_command_bytes = value;
    } else if (name == "max_path_bytes") {
      limits_.max_path_bytes = value;
    } else if (name == "max_recipients") {
      limits_.max_recipients = value;
    } else if (name == "max_errors") {
      limits_.max_errors = value;
    } else if (name == "max_commands") {
      limits_.max_commands = value;
    } else if (name == "max_received_headers") {
      limits_.max_received_headers = value;
    } else if (name == "max_connections") {
      max_connections_ = value;
    } else if (name == "max_connections_per_address") {
      max_per_address_ = value;
    } else if (name == "max_messages_per_account_per_hour") {
      max_per_hour_ = value;
    } else {
      return absl::InvalidArgumentError("no such option");
    }
    return absl::OkStatus();
  }

  absl::Status Store(const Words& words) {
    if (words[1] == "mend") {
      way_.SetAway(absl::OkStatus());
      for (const char* method : {"ResolveRecipient", "CheckSender", "Deliver", "SettleDelivery", "Authenticate"})
        way_.Release(method);
    } else if (words[1] == "lose-answer") {
      way_.Fail("Deliver", When::kAfter, absl::UnavailableError("the answer was lost"));
    } else if (words[1] == "fail" && words.size() >= 4) {
      absl::Status status(CodeNamed(words[3]), "made to fail");
      int count = 0;
      for (size_t i = 4; i < words.size(); ++i) {
        absl::string_view word = words[i];
        if (!absl::ConsumePrefix(&word, "x")) {
          status = WithReason(status, words[i]);
        } else if (!absl::SimpleAtoi(word, &count)) {
          return absl::InvalidArgumentError("no such count");
        }
      }
      return Fail(words[2], status, count);
    } else {
      return absl::InvalidArgumentError("no such directive for the store");
    }
    return absl::OkStatus();
  }

  // A `count` of 0 means all from now on.
  absl::Status Fail(const std::string& call, const absl::Status& status, int count) {
    // These must reach exchanges that have begun.
    if (call == "auth" || call == "all") {
      if (count != 0) return absl::InvalidArgumentError("no count for these");
      way_.SetAway(rpc::NotSent(status));
      return absl::OkStatus();
    }
    const std::string method = call == "resolve"                      ? "ResolveRecipient"
                               : call == "sender"                     ? "CheckSender"
                               : call == "deliver" || call == "piece" ? "Deliver"
                               : call == "settle"                     ? "SettleDelivery"
                                                                      : "";
    if (method.empty()) return absl::InvalidArgumentError("no such call");
    if (count == 0) way_.Fail(method, When::kBefore, status, /*nth=*/0);
    for (int nth = 1; nth <= count; ++nth) way_.Fail(method, When::kBefore, status, nth);
    return absl::OkStatus();
  }

  static std::string Unescape(absl::string_view text) {
    test::ChatLine line;
    line.kind = test::ChatLine::Kind::kSendRaw;
    line.text = std::string(text);
    return line.WireBytes();
  }

  static std::string Describe(const v1::EnvelopeRecipient& recipient) {
    std::string text = absl::StrCat("<", recipient.address(), ">");
    std::vector<absl::string_view> notify;
    for (const int wish : recipient.dsn_notify()) {
      notify.push_back(
          absl::StripPrefix(v1::DsnNotify_Name(static_cast<v1::DsnNotify>(wish)), "DSN_NOTIFY_"));
    }
    if (!notify.empty()) absl::StrAppend(&text, " notify=", absl::StrJoin(notify, ","));
    if (!recipient.dsn_original_recipient().empty()) {
      absl::StrAppend(&text, " orcpt=", recipient.dsn_original_recipient());
    }
    return text;
  }

  static std::string Describe(const Recorder::Stored& message) {
    const v1::Envelope& envelope = message.envelope;
    std::vector<std::string> recipients;
    for (int i = 0; i < envelope.recipients_size(); ++i) {
      recipients.push_back(Describe(envelope.recipients(i)));
    }
    std::string text =
        absl::StrCat("from=<", envelope.reverse_path(), "> to=", absl::StrJoin(recipients, ","));
    if (envelope.dsn_return() == v1::DSN_RETURN_FULL) absl::StrAppend(&text, " ret=FULL");
    if (envelope.dsn_return() == v1::DSN_RETURN_HEADERS) absl::StrAppend(&text, " ret=HDRS");
    if (!envelope.dsn_envelope_id().empty()) absl::StrAppend(&text, " envid=", envelope.dsn_envelope_id());
    return text;
  }

  // Trace and content, without the first header field and without the empty line before text.
  static std::string Body(const Recorder::Stored& message) {
    absl::string_view trace = message.trace;
    if (!absl::ConsumeSuffix(&trace, "\r\n\r\n")) absl::ConsumeSuffix(&trace, "\r\n");
    size_t end = trace.find("\r\n");
    while (end != absl::string_view::npos && trace[end + 2] == '\t') end = trace.find("\r\n", end + 2);
    const absl::string_view others = end == absl::string_view::npos ? "" : trace.substr(end + 2);
    return absl::StrCat(others, others.empty() ? "" : "\r\n", message.content);
  }

  FakeClock clock_;
  FakeClock steady_;
  Metrics metrics_{std::make_shared<prometheus::Registry>()};
  test::FakeStore store_{{.role = stored::kSmtp, .postmaster = "postmaster@example.test"}};
  const std::unique_ptr<rpc::Transport> straight_ = store_.NewWay(test::FakeStore::TokenOf(stored::kSmtp));
  Recorder recorder_{*straight_};
  test::FaultyTransport way_{recorder_};
  store::StoreApi api_{way_, &metrics_};
  frontend::ConnectionSet connections_;
  Limits limits_;
  ListenerKind kind_ = ListenerKind::kMx;
  std::vector<std::string> sasl_mechanisms_ = sasl::DefaultMechanisms();
  bool strict_ehlo_ = false;
  bool check_from_ = true;
  bool allow_plaintext_auth_ = false;
  size_t max_connections_ = 0;
  size_t max_per_address_ = 0;
  size_t max_per_hour_ = 0;
  absl::Duration store_retry_for_ = absl::ZeroDuration();
  absl::Duration outcome_timeout_ = absl::ZeroDuration();
  net::NetworkList proxy_networks_;
  std::unique_ptr<net::ConnectionCounter> counter_;
  std::unique_ptr<AccountRates> rates_;
  std::vector<std::unique_ptr<ConnectionContext>> contexts_;
  // Last, so that a session that hangs ends before what it uses.
  asio::io_context io_;
};

class SmtpChat : public testing::TestWithParam<test::ChatCase> {};

TEST_P(SmtpChat, GivesTheSameBytes) {
  SmtpServer server(GetParam().path);
  test::RunChat(GetParam(), server);
}

INSTANTIATE_TEST_SUITE_P(Golden, SmtpChat, testing::ValuesIn(test::ListChats("tests/golden/smtp")),
                         test::ChatName);

}  // namespace
}  // namespace mailstead::smtp
