// The dialogs in this folder against the real connection, with a store in memory, a clock that stands still
// and identifiers that count.
//
// Directives beside those of tests/support/chat.h:
//   ! listener mx|submission|submissions   which listener the next connection is for (mx at first)
//   ! option NAME VALUE                    a limit or setting, as the flag of the same name; before the first
//   connection ! store fail CALL CODE [REASON] [xN]   calls of the store fail; see FakeStore::Fail ! store
//   lose-answer | mend             see FakeStore ! stored N                             so many messages are
//   in the store ! tries N                              so many deliveries were begun ! abandoned N so many
//   streams ended without their last piece ! envelope TEXT                        of the last message:
//   from=<> to=<>,<> and what else is not empty ! content TEXT                         of the last message,
//   whole; \r\n as in C+ ! body TEXT                            of the last message, without our Received
//   field ! body-bytes N pieces M                its size, and how many pieces it came in ! drain as on
//   SIGTERM
#include <prometheus/registry.h>

#include <limits>
#include <memory>
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
#include "common/net/connection_counter.h"
#include "common/net/network_list.h"
#include "common/net/tls_context.h"
#include "smtpd/account_rates.h"
#include "smtpd/connection.h"
#include "smtpd/connection_set.h"
#include "smtpd/metrics.h"
#include "tests/golden/smtp/fake_store.h"
#include "tests/support/chat.h"
#include "tests/support/chat_script.h"

namespace mailstead::smtp {
namespace {

using Words = std::vector<std::string>;

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
  SmtpServer() {
    next_id = 1;
    limits_.command_timeout = absl::Seconds(20);
    limits_.data_timeout = absl::Seconds(20);
  }

  asio::io_context& io() override { return io_; }

  asio::awaitable<void> Serve(asio::ip::tcp::socket socket) override {
    if (counter_ == nullptr) {
      counter_ = std::make_unique<net::ConnectionCounter>(max_connections_, max_per_address_);
      rates_ = std::make_unique<AccountRates>(max_per_hour_, clock_);
    }
    contexts_.push_back(std::make_unique<ConnectionContext>(MakeContext()));
    return ServeConnection(*contexts_.back(), std::move(socket));
  }

  absl::Status Directive(absl::string_view text) override {
    const Words words = absl::StrSplit(text, ' ');
    const absl::string_view rest = absl::StripPrefix(text, absl::StrCat(words[0], " "));
    if (words[0] == "listener") return SetListener(words);
    if (words[0] == "option") return SetOption(words);
    if (words[0] == "store") return Store(words);
    if (words[0] == "drain") {
      connections_.Drain();
      return absl::OkStatus();
    }
    if (words[0] == "stored")
      return Expect(words[1] == absl::StrCat(store_.stored().size()), absl::StrCat(store_.stored().size()));
    if (words[0] == "tries")
      return Expect(words[1] == absl::StrCat(store_.deliver_count()), absl::StrCat(store_.deliver_count()));
    if (words[0] == "abandoned") {
      return Expect(words[1] == absl::StrCat(store_.abandoned_count()),
                    absl::StrCat(store_.abandoned_count()));
    }
    if (store_.stored().empty()) return absl::NotFoundError("nothing is stored");
    const FakeStore::Stored& last = store_.stored().back();
    if (words[0] == "envelope") return Expect(rest == Describe(last.envelope), Describe(last.envelope));
    if (words[0] == "content") return Expect(Unescape(rest) == last.content, last.content);
    if (words[0] == "body") return Expect(Unescape(rest) == Body(last.content), Body(last.content));
    if (words[0] == "body-bytes") {
      const std::string actual = absl::StrCat(Body(last.content).size(), " pieces ", last.piece_count);
      return Expect(rest == actual, actual);
    }
    return absl::InvalidArgumentError("no such directive");
  }

 private:
  ConnectionContext MakeContext() {
    SessionConfig session;
    session.kind = kind_;
    session.hostname = "mx.example.test";
    session.limits = limits_;
    session.allow_plaintext_auth = allow_plaintext_auth_;
    session.account_rates = rates_.get();
    session.reply_counter = &metrics_;
    return ConnectionContext{.session = std::move(session),
                             .store = store_,
                             .tls = TestTls(),
                             .counter = *counter_,
                             .proxy_networks = proxy_networks_,
                             .connections = connections_,
                             .metrics = metrics_,
                             .clock = clock_,
                             .store_retry_for = store_retry_for_,
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
      store_.Mend();
    } else if (words[1] == "lose-answer") {
      store_.LoseNextAnswer();
    } else if (words[1] == "fail" && words.size() >= 4) {
      absl::Status status(CodeNamed(words[3]), "made to fail");
      int count = -1;
      for (size_t i = 4; i < words.size(); ++i) {
        absl::string_view word = words[i];
        if (!absl::ConsumePrefix(&word, "x")) {
          status = WithReason(status, words[i]);
        } else if (!absl::SimpleAtoi(word, &count)) {
          return absl::InvalidArgumentError("no such count");
        }
      }
      store_.Fail(words[2], status, count);
    } else {
      return absl::InvalidArgumentError("no such directive for the store");
    }
    return absl::OkStatus();
  }

  static std::string Unescape(absl::string_view text) {
    test::ChatLine line;
    line.kind = test::ChatLine::Kind::kSendRaw;
    line.text = std::string(text);
    return line.WireBytes();
  }

  static std::string Describe(const DeliveryEnvelope& envelope) {
    std::string text = absl::StrCat("from=<", envelope.reverse_path, "> to=");
    absl::StrAppend(
        &text, absl::StrJoin(envelope.recipients, ",", [](std::string* out, const auto& recipient) {
          absl::StrAppend(out, "<", recipient.address, ">[", absl::StrJoin(recipient.mailbox_ids, "+"), "]");
          if (!recipient.dsn_notify.empty()) absl::StrAppend(out, " notify=", recipient.dsn_notify);
          if (!recipient.dsn_orcpt.empty()) absl::StrAppend(out, " orcpt=", recipient.dsn_orcpt);
        }));
    if (!envelope.dsn_ret.empty()) absl::StrAppend(&text, " ret=", envelope.dsn_ret);
    if (!envelope.dsn_envid.empty()) absl::StrAppend(&text, " envid=", envelope.dsn_envid);
    return text;
  }

  // Without the first header field.
  static std::string Body(const std::string& content) {
    size_t end = 0;
    do {
      end = content.find("\r\n", end) + 2;
    } while (end < content.size() && content[end] == '\t');
    return content.substr(end);
  }

  FakeClock clock_;
  FakeStore store_;
  Metrics metrics_{std::make_shared<prometheus::Registry>()};
  ConnectionSet connections_;
  Limits limits_;
  ListenerKind kind_ = ListenerKind::kMx;
  bool allow_plaintext_auth_ = false;
  size_t max_connections_ = 0;
  size_t max_per_address_ = 0;
  size_t max_per_hour_ = 0;
  absl::Duration store_retry_for_ = absl::ZeroDuration();
  net::NetworkList proxy_networks_;
  std::unique_ptr<net::ConnectionCounter> counter_;
  std::unique_ptr<AccountRates> rates_;
  std::vector<std::unique_ptr<ConnectionContext>> contexts_;
  // Last, so that a session that hangs ends before what it uses.
  asio::io_context io_;
};

class SmtpChat : public testing::TestWithParam<test::ChatCase> {};

TEST_P(SmtpChat, GivesTheSameBytes) {
  SmtpServer server;
  test::RunChat(GetParam(), server);
}

INSTANTIATE_TEST_SUITE_P(Golden, SmtpChat, testing::ValuesIn(test::ListChats("tests/golden/smtp")),
                         test::ChatName);

}  // namespace
}  // namespace mailstead::smtp
