#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/load/load.h"

namespace mailstead::bench {
namespace {

struct Run {
  const Options& options;
  bool fetch;
  size_t next = 0;
  Result result;
};

asio::awaitable<size_t> LogInAndCount(Client& client, Run& run, size_t number) {
  const Options& options = run.options;
  co_await client.ExpectOk();
  co_await client.Write(
      absl::StrCat("USER ", Numbered(options.recipient, number % options.mailboxes), "\r\n"));
  co_await client.ExpectOk();
  const absl::Time begin = absl::Now();
  co_await client.Write(absl::StrCat("PASS ", options.password, "\r\n"));
  co_await client.ExpectOk();
  run.result.steps["login"].push_back(absl::Now() - begin);
  co_await client.Write("STAT\r\n");
  const absl::string_view line = co_await client.ReadLine();
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  size_t count = 0;
  if (words.size() < 3 || words[0] != "+OK" || !absl::SimpleAtoi(words[1], &count)) {
    throw std::runtime_error(absl::StrCat("unexpected reply to STAT: ", line));
  }
  co_return count;
}

asio::awaitable<void> AskListing(Client& client, Run& run, absl::string_view command, const char* step) {
  const absl::Time begin = absl::Now();
  co_await client.Write(command);
  co_await client.ExpectOk();
  co_await client.ReadMultiline();
  run.result.steps[step].push_back(absl::Now() - begin);
}

asio::awaitable<void> OneSession(asio::io_context& io, Run& run, size_t number) {
  const absl::Time begin = absl::Now();
  Client client(io.get_executor());
  co_await client.Connect(run.options.target, nullptr);
  const size_t count = co_await LogInAndCount(client, run, number);
  if (run.fetch) {
    for (size_t i = 1; i <= count; ++i) {
      co_await client.Write(absl::StrCat("RETR ", i, "\r\n"));
      co_await client.ExpectOk();
      const size_t bytes = co_await client.ReadMultiline();
      run.result.bytes += bytes;
      ++run.result.done;
      if (!run.options.delete_messages) continue;
      co_await client.Write(absl::StrCat("DELE ", i, "\r\n"));
      co_await client.ExpectOk();
    }
  } else {
    if (run.options.listings) {
      co_await AskListing(client, run, "LIST\r\n", "list");
      co_await AskListing(client, run, "UIDL\r\n", "uidl");
    }
    ++run.result.done;
  }
  const absl::Time quit = absl::Now();
  co_await client.Write("QUIT\r\n");
  co_await client.ExpectOk();
  run.result.steps["quit"].push_back(absl::Now() - quit);
  client.Close();
  run.result.latencies.push_back(absl::Now() - begin);
}

// Session s polls the mailboxes s, s + sessions, ...: no two sessions hold one maildrop at once.
asio::awaitable<void> Session(asio::io_context& io, Run& run, size_t session) {
  const Options& options = run.options;
  for (size_t number = session; number < options.count; number += options.sessions) {
    co_await OneSession(io, run, number);
  }
}

Result RunPop3(asio::io_context& io, const Options& options, bool fetch) {
  if (options.mailboxes % options.sessions != 0) {
    throw std::runtime_error("pop3: --mailboxes must be a multiple of --sessions");
  }
  Run run{.options = options, .fetch = fetch};
  const absl::Time begin = absl::Now();
  RunSessions(io, options.sessions, [&](size_t session) { return Session(io, run, session); });
  run.result.elapsed = absl::Now() - begin;
  return std::move(run.result);
}

}  // namespace

Result FetchByPop3(asio::io_context& io, const Options& options) { return RunPop3(io, options, true); }
Result PollByPop3(asio::io_context& io, const Options& options) { return RunPop3(io, options, false); }

}  // namespace mailstead::bench
