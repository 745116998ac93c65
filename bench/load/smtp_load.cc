#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "bench/load/load.h"

namespace mailstead::bench {
namespace {

// What the sessions of one run share; they run on one thread.
struct Run {
  const Options& options;
  std::string message;
  size_t next = 0;
  absl::Time begin;
  Result result;
};

asio::awaitable<void> SendOne(Client& client, Run& run, size_t number, absl::Time begin) {
  const Options& options = run.options;
  std::string commands =
      absl::StrCat("MAIL FROM:<", options.user.empty() ? "bench@example.test" : options.user, ">\r\n");
  for (size_t i = 0; i < options.recipients_per_message; ++i) {
    const size_t mailbox = (number * options.recipients_per_message + i) % options.mailboxes;
    absl::StrAppend(&commands, "RCPT TO:<", Numbered(options.recipient, mailbox), ">\r\n");
  }
  absl::StrAppend(&commands, "DATA\r\n");
  co_await client.Write(commands);
  for (size_t i = 0; i < options.recipients_per_message + 1; ++i) co_await client.ExpectSmtp('2');
  co_await client.ExpectSmtp('3');
  co_await client.Write(run.message);
  co_await client.ExpectSmtp('2');
  run.result.latencies.push_back(absl::Now() - begin);
  run.result.bytes += run.message.size();
  ++run.result.done;
}

asio::awaitable<void> Session(asio::io_context& io, Run& run) {
  const Options& options = run.options;
  SSL_SESSION* tls_session = nullptr;
  while (run.next < options.count) {
    Client client(io.get_executor());
    co_await client.Connect(options.target, &tls_session);
    co_await client.ExpectSmtp('2');
    co_await client.Write("EHLO bench.example.test\r\n");
    co_await client.ExpectSmtp('2');
    if (options.target.tls == Tls::kStartTls) {
      co_await client.Write("STARTTLS\r\n");
      co_await client.ExpectSmtp('2');
      co_await client.StartTls();
      co_await client.Write("EHLO bench.example.test\r\n");
      co_await client.ExpectSmtp('2');
    }
    if (!options.user.empty()) {
      const std::string login = absl::StrCat(absl::string_view("\0", 1), options.user,
                                             absl::string_view("\0", 1), options.password);
      co_await client.Write(absl::StrCat("AUTH PLAIN ", absl::Base64Escape(login), "\r\n"));
      co_await client.ExpectSmtp('2');
    }
    const size_t limit =
        options.messages_per_connection == 0 ? options.count : options.messages_per_connection;
    for (size_t sent = 0; sent < limit && run.next < options.count; ++sent) {
      const size_t number = run.next++;
      absl::Time due = absl::Now();
      if (options.rate > 0) {
        due = run.begin + absl::Seconds(static_cast<double>(number) / options.rate);
        asio::steady_timer timer(io, absl::ToChronoMicroseconds(due - absl::Now()));
        co_await timer.async_wait(asio::use_awaitable);
      }
      co_await SendOne(client, run, number, due);
    }
    co_await client.Write("QUIT\r\n");
    co_await client.ExpectSmtp('2');
    client.Close();
  }
}

}  // namespace

Result DeliverBySmtp(asio::io_context& io, const Options& options) {
  Run run{.options = options, .message = absl::StrCat(MakeMessage(options.message_bytes, 1), ".\r\n")};
  run.begin = absl::Now();
  RunSessions(io, options.sessions, [&](size_t) { return Session(io, run); });
  run.result.elapsed = absl::Now() - run.begin;
  return std::move(run.result);
}

}  // namespace mailstead::bench
