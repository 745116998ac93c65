// A program for tests: delivers the file FILE to a host through smtpd/outbound, and says what became of it.
//
//   smtp_client ADDRESS:PORT FILE FROM TO... [--tls=none|may|require|verify] [--name=NAME]
//               [--user=USER --password=PASSWORD] [--no_chunking] [--repeat=N] [--cap=SECONDS]
//
// It writes a line for each recipient of each transaction, then one for the connection:
//   delivered|failed|deferred CODE ENHANCED STAGE TEXT
//   connection KIND CODE ENHANCED STAGE TEXT
// An absent code is 0, an absent enhanced code "-".
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/io_context.hpp"
#include "common/base/worker_pool.h"
#include "common/net/client_tls.h"
#include "common/net/shutdown.h"
#include "smtpd/outbound/client_connection.h"
#include "smtpd/outbound/gsasl_client.h"

namespace mailstead::smtp::outbound {
namespace {

struct Options {
  std::vector<std::string> arguments;
  std::string user;
  std::string password;
  int repeat = 1;
  ClientConfig config;
};

class FileSource : public BodySource {
 public:
  explicit FileSource(const std::string& path) : file_(path, std::ios::binary) {}
  asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) override {
    std::string piece(max_bytes, '\0');
    file_.read(piece.data(), static_cast<std::streamsize>(max_bytes));
    piece.resize(static_cast<size_t>(file_.gcount()));
    co_return piece;
  }

 private:
  std::ifstream file_;
};

Content CheckFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  ContentCheck check;
  std::string piece(65'536, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    check.Feed(absl::string_view(piece).substr(0, static_cast<size_t>(file.gcount())));
  }
  return check.Finish();
}

TlsPolicy::Level LevelOf(absl::string_view name) {
  if (name == "none") return TlsPolicy::Level::kNone;
  if (name == "require") return TlsPolicy::Level::kRequire;
  return name == "verify" ? TlsPolicy::Level::kVerify : TlsPolicy::Level::kMay;
}

Options Parse(int argc, char** argv) {
  Options options;
  options.config.helo_name = "client.example.test";
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    int number = 0;
    if (absl::ConsumePrefix(&argument, "--tls=")) {
      options.config.tls.level = LevelOf(argument);
    } else if (absl::ConsumePrefix(&argument, "--name=")) {
      options.config.tls.server_name = std::string(argument);
      options.config.tls.names = {std::string(argument)};
    } else if (absl::ConsumePrefix(&argument, "--user=")) {
      options.user = std::string(argument);
      options.config.auth_mechanisms = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};
    } else if (absl::ConsumePrefix(&argument, "--password=")) {
      options.password = std::string(argument);
    } else if (absl::ConsumePrefix(&argument, "--repeat=") && absl::SimpleAtoi(argument, &number)) {
      options.repeat = number;
    } else if (absl::ConsumePrefix(&argument, "--cap=") && absl::SimpleAtoi(argument, &number)) {
      options.config.timeouts.cap = absl::Seconds(number);
    } else if (argument == "--no_chunking") {
      options.config.use_chunking = false;
    } else {
      options.arguments.emplace_back(argument);
    }
  }
  return options;
}

template <typename Outcome>
void Print(absl::string_view kind, const Outcome& outcome) {
  const std::string line =
      absl::StrCat(kind, " ", outcome.code, " ", outcome.enhanced.empty() ? "-" : outcome.enhanced, " ",
                   StageName(outcome.stage), " ", outcome.text, "\n");
  std::fputs(line.c_str(), stdout);
}

asio::awaitable<void> Deliver(ClientConnection& connection, const Options& options) {
  static constexpr absl::string_view kRecipientKinds[] = {"delivered", "failed", "deferred"};
  static constexpr absl::string_view kConnectionKinds[] = {"usable",  "refused", "tls_broken",
                                                           "closing", "broken",  "ended"};
  co_await connection.Open();
  for (int i = 0; i < options.repeat; ++i) {
    Transaction transaction;
    transaction.content = CheckFile(options.arguments[1]);
    transaction.envelope.reverse_path = options.arguments[2];
    for (size_t to = 3; to < options.arguments.size(); ++to) {
      EnvelopeRecipient recipient;
      recipient.address = options.arguments[to];
      transaction.envelope.recipients.push_back(recipient);
    }
    FileSource source(options.arguments[1]);
    const TransactionOutcome outcome = co_await connection.Send(std::move(transaction), source);
    for (const RecipientOutcome& recipient : outcome.recipients) {
      Print(kRecipientKinds[static_cast<size_t>(recipient.kind)], recipient);
    }
  }
  co_await connection.Quit();
  const ConnectionOutcome& outcome = connection.outcome();
  Print(absl::StrCat("connection ", kConnectionKinds[static_cast<size_t>(outcome.kind)]), outcome);
}

int Main(int argc, char** argv) {
  net::BlockSignals();
  Options options = Parse(argc, argv);
  int port = 0;
  const size_t colon = options.arguments.empty() ? std::string::npos : options.arguments[0].rfind(':');
  if (options.arguments.size() < 4 || colon == std::string::npos ||
      !absl::SimpleAtoi(options.arguments[0].substr(colon + 1), &port)) {
    std::fputs("usage: smtp_client ADDRESS:PORT FILE FROM TO... [FLAGS]\n", stderr);
    return 2;
  }
  const absl::StatusOr<std::unique_ptr<net::ClientTls>> tls = net::ClientTls::Create();
  if (!tls.ok()) return 1;
  WorkerPool pool(1, 1);
  GsaslClient sasl(options.user, options.password, pool);
  asio::io_context context(1);
  ClientConnection connection(
      context.get_executor(),
      ClientOptions{.session = options.config,
                    .host = {asio::ip::make_address(options.arguments[0].substr(0, colon)),
                             static_cast<uint16_t>(port)},
                    .tls = **tls,
                    .sasl = &sasl});
  asio::co_spawn(context, Deliver(connection, options), asio::detached);
  context.run();
  return 0;
}

}  // namespace
}  // namespace mailstead::smtp::outbound

int main(int argc, char** argv) { return mailstead::smtp::outbound::Main(argc, argv); }
