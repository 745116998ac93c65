// mailload: puts a load on an SMTP or POP3 server and prints what it saw as one line of JSON. See
// bench/README.md.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "bench/load/load.h"

ABSL_FLAG(std::string, host, "127.0.0.1", "Address of the server.");
ABSL_FLAG(uint16_t, port, 2525, "Port of the server.");
ABSL_FLAG(bool, tls, false, "TLS from the first byte. Certificates are not checked.");
ABSL_FLAG(bool, starttls, false, "smtp: STARTTLS.");
ABSL_FLAG(std::string, from_address, "0.0.0.0", "Local address to connect from.");
ABSL_FLAG(uint64_t, sessions, 32, "Sessions at once.");
ABSL_FLAG(uint64_t, count, 10'000, "Messages (smtp), sessions (pop3, poll) or connections (idle) in all.");
ABSL_FLAG(uint64_t, message_bytes, 4096, "smtp: size of each message.");
ABSL_FLAG(uint64_t, messages_per_connection, 0, "smtp: messages in each connection; 0 means no limit.");
ABSL_FLAG(double, rate, 0,
          "smtp: messages a second, latencies from when each was due; 0: as fast as it goes.");
ABSL_FLAG(uint64_t, recipients_per_message, 1, "smtp: recipients of each message.");
ABSL_FLAG(std::string, recipient, "demo@example.test",
          "The mailbox; % is replaced by a number below --mailboxes.");
ABSL_FLAG(uint64_t, mailboxes, 1, "How many mailboxes there are. pop3, poll: a multiple of --sessions.");
ABSL_FLAG(std::string, user, "", "smtp: the account that logs in and is the sender; empty: nobody does.");
ABSL_FLAG(std::string, password, "", "pop3, poll: the password of all of them; smtp: that of --user.");
ABSL_FLAG(bool, delete_messages, false, "pop3: delete what was fetched.");
ABSL_FLAG(bool, listings, false, "poll: LIST and UIDL after STAT.");
ABSL_FLAG(uint64_t, max_seconds, 300, "The run is void after this time.");

namespace mailstead::bench {
namespace {

double QuantileUs(std::vector<absl::Duration>& values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return absl::ToDoubleMicroseconds(values[static_cast<size_t>(q * (values.size() - 1))]);
}

void Print(const char* mode, Result result) {
  const double seconds = absl::ToDoubleSeconds(result.elapsed);
  absl::PrintF(
      "{\"mode\":\"%s\",\"done\":%u,\"seconds\":%.3f,\"per_second\":%.1f,\"megabytes_per_second\":%.1f,"
      "\"p50_us\":%.0f,\"p99_us\":%.0f,\"most_us\":%.0f",
      mode, result.done, seconds, result.done / seconds, result.bytes / seconds / 1e6,
      QuantileUs(result.latencies, 0.5), QuantileUs(result.latencies, 0.99), QuantileUs(result.latencies, 1));
  for (auto& [step, latencies] : result.steps) {
    absl::PrintF(",\"%s_p50_us\":%.0f", step, QuantileUs(latencies, 0.5));
  }
  absl::PrintF("}\n");
}

int Main(const std::string& mode) {
  asio::io_context io(1);
  asio::ssl::context tls_context(asio::ssl::context::tls_client);
  Options options;
  options.target.endpoint = {asio::ip::make_address(absl::GetFlag(FLAGS_host)), absl::GetFlag(FLAGS_port)};
  options.target.from = {asio::ip::make_address(absl::GetFlag(FLAGS_from_address)), 0};
  options.target.tls = absl::GetFlag(FLAGS_tls)        ? Tls::kImplicit
                       : absl::GetFlag(FLAGS_starttls) ? Tls::kStartTls
                                                       : Tls::kNone;
  options.target.tls_context = &tls_context;
  options.sessions = absl::GetFlag(FLAGS_sessions);
  options.count = absl::GetFlag(FLAGS_count);
  options.message_bytes = absl::GetFlag(FLAGS_message_bytes);
  options.messages_per_connection = absl::GetFlag(FLAGS_messages_per_connection);
  options.rate = absl::GetFlag(FLAGS_rate);
  options.recipients_per_message = absl::GetFlag(FLAGS_recipients_per_message);
  options.recipient = absl::GetFlag(FLAGS_recipient);
  options.mailboxes = absl::GetFlag(FLAGS_mailboxes);
  options.user = absl::GetFlag(FLAGS_user);
  options.password = absl::GetFlag(FLAGS_password);
  options.delete_messages = absl::GetFlag(FLAGS_delete_messages);
  options.listings = absl::GetFlag(FLAGS_listings);

  if (mode == "smtp") {
    Print("smtp", DeliverBySmtp(io, options));
  } else if (mode == "pop3") {
    Print("pop3", FetchByPop3(io, options));
  } else if (mode == "poll") {
    Print("poll", PollByPop3(io, options));
  } else if (mode == "idle") {
    // Says that all are open, and holds them until its standard input ends.
    Print("idle", HoldIdle(io, options, [] {
            std::puts("held");
            std::fflush(stdout);
            std::cin.get();
          }));
  } else {
    std::fprintf(stderr, "mailload: the mode is smtp, pop3, poll or idle\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace mailstead::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("mailload [flags] smtp|pop3|poll|idle");
  const std::vector<char*> words = absl::ParseCommandLine(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  alarm(static_cast<unsigned>(absl::GetFlag(FLAGS_max_seconds)));
  try {
    return mailstead::bench::Main(words.size() == 2 ? words[1] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mailload: %s\n", error.what());
    return 1;
  }
}
