// mailsink: another mail host. It takes mail and throws it away, puts some off and refuses some, after a latency, and says
// "done" on its standard output when it has had so many transactions. See bench/README.md.
#include <signal.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <random>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "asio/write.hpp"

ABSL_FLAG(uint16_t, port, 0, "Port on 127.0.0.1; it is printed when it is open.");
ABSL_FLAG(absl::Duration, latency, absl::ZeroDuration(), "Wait before each answer to what came together.");
ABSL_FLAG(double, defer, 0, "Share of the recipients that get a 450.");
ABSL_FLAG(double, refuse, 0, "Share of the recipients that get a 550.");
ABSL_FLAG(uint64_t, count, 0, "Says \"done\" behind so many transactions of whatever outcome; 0: never.");

namespace mailstead::bench {
namespace {

constexpr size_t kReadBytes = 32 * 1024;

struct Sink {
  const double defer = absl::GetFlag(FLAGS_defer);
  const double refuse = absl::GetFlag(FLAGS_refuse);
  const absl::Duration latency = absl::GetFlag(FLAGS_latency);
  const uint64_t count = absl::GetFlag(FLAGS_count);
  // The same draws in every run.
  std::mt19937_64 random{1};
  uint64_t ended = 0;

  // A transaction is over: its message was taken, or its recipient was not.
  void End() {
    if (++ended != count) return;
    std::puts("done");
    std::fflush(stdout);
  }
};

// One connection: commands and messages as they come, and the answers to them.
class Dialog {
 public:
  explicit Dialog(Sink& sink) : sink_(sink) {}

  // Takes what is whole of `input` out of it, and adds the answers. False: QUIT.
  bool Take(std::string& input, std::string& answers) {
    size_t begin = 0;
    bool open = true;
    while (open) {
      const absl::string_view rest = absl::string_view(input).substr(begin);
      if (in_message_) {
        const size_t end = rest.find("\r\n.\r\n");
        if (end == absl::string_view::npos) {
          // The end may have come in part.
          if (rest.size() > 4) begin += rest.size() - 4;
          break;
        }
        begin += end + 5;
        in_message_ = false;
        sink_.End();
        answers += "250 2.0.0 taken\r\n";
        continue;
      }
      const size_t end = rest.find("\r\n");
      if (end == absl::string_view::npos) break;
      begin += end + 2;
      open = Command(rest.substr(0, end), answers);
    }
    input.erase(0, begin);
    return open;
  }

 private:
  bool Command(absl::string_view line, std::string& answers) {
    if (absl::StartsWithIgnoreCase(line, "EHLO")) {
      answers +=
          "250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE\r\n";
    } else if (absl::StartsWithIgnoreCase(line, "MAIL")) {
      recipients_ = 0;
      answers += "250 2.1.0 ok\r\n";
    } else if (absl::StartsWithIgnoreCase(line, "RCPT")) {
      const double dice = std::uniform_real_distribution<double>()(sink_.random);
      if (dice < sink_.defer + sink_.refuse) {
        sink_.End();
        answers += dice < sink_.defer ? "450 4.2.1 come again\r\n" : "550 5.1.1 no such user\r\n";
      } else {
        ++recipients_;
        answers += "250 2.1.5 ok\r\n";
      }
    } else if (absl::StartsWithIgnoreCase(line, "DATA")) {
      in_message_ = recipients_ > 0;
      answers += in_message_ ? "354 go on\r\n" : "554 5.5.1 no valid recipients\r\n";
    } else if (absl::StartsWithIgnoreCase(line, "QUIT")) {
      answers += "221 2.0.0 bye\r\n";
      return false;
    } else {
      answers += "250 2.0.0 ok\r\n";
    }
    return true;
  }

  Sink& sink_;
  int recipients_ = 0;
  bool in_message_ = false;
};

asio::awaitable<void> Answer(asio::ip::tcp::socket& socket, const Sink& sink, std::string answers) {
  if (sink.latency > absl::ZeroDuration()) {
    asio::steady_timer timer(socket.get_executor(), absl::ToChronoMicroseconds(sink.latency));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_await asio::async_write(socket, asio::buffer(answers), asio::use_awaitable);
}

asio::awaitable<void> Serve(asio::ip::tcp::socket socket, Sink& sink) {
  try {
    socket.set_option(asio::ip::tcp::no_delay(true));
    co_await Answer(socket, sink, "220 sink.example.org ESMTP\r\n");
    Dialog dialog(sink);
    std::string input;
    std::string buffer(kReadBytes, '\0');
    bool open = true;
    while (open) {
      const size_t size = co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      input.append(buffer, 0, size);
      std::string answers;
      open = dialog.Take(input, answers);
      if (!answers.empty()) co_await Answer(socket, sink, std::move(answers));
    }
  } catch (const std::exception&) {
    // The client has gone.
  }
}

asio::awaitable<void> Listen(asio::ip::tcp::acceptor& acceptor, Sink& sink) {
  for (;;) {
    asio::ip::tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), Serve(std::move(socket), sink), asio::detached);
  }
}

void Run() {
  asio::io_context io(1);
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), absl::GetFlag(FLAGS_port)});
  acceptor.listen(SOMAXCONN);
  std::printf("%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  Sink sink;
  asio::co_spawn(io, Listen(acceptor, sink), asio::detached);
  io.run();
}

}  // namespace
}  // namespace mailstead::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("mailsink [flags]");
  absl::ParseCommandLine(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  mailstead::bench::Run();
  return 0;
}
