#include "pop3d/connection.h"

#include <chrono>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/chat_client.h"
#include "tests/unit/pop3d/connection_fixture.h"

namespace mailstead::pop3 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Duration kSoon = absl::Seconds(10);

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() { service_.context.session.allow_plaintext_auth = true; }

  // A client whose receive buffer is small, so that back-pressure comes soon.
  void Connect() {
    asio::ip::tcp::acceptor acceptor(service_.io, {asio::ip::address_v4::loopback(), 0});
    asio::ip::tcp::socket client(service_.io);
    client.open(asio::ip::tcp::v4());
    client.set_option(asio::socket_base::receive_buffer_size(16384));
    client.connect(acceptor.local_endpoint());
    asio::ip::tcp::socket socket = acceptor.accept();
    socket.set_option(asio::socket_base::send_buffer_size(16384));
    running_ = true;
    asio::co_spawn(service_.io, service_.Serve(std::move(socket)),
                   [this](std::exception_ptr) { running_ = false; });
    client_ = std::make_unique<test::ChatClient>(service_.io, std::move(client));
  }
  void Send(absl::string_view bytes) { ASSERT_TRUE(client_->Send(bytes).ok()); }
  std::string Line() {
    std::string line;
    const absl::Status status = client_->ReadLine(line, kSoon);
    return status.ok() ? line : std::string(status.message());
  }
  std::string Ask(absl::string_view command) {
    Send(absl::StrCat(command, "\r\n"));
    return Line();
  }
  void LogIn() {
    Connect();
    EXPECT_EQ(Line(), "+OK mail.example.test POP3 server ready");
    EXPECT_EQ(Ask("USER demo@example.test"), "+OK send PASS");
    EXPECT_TRUE(absl::StartsWith(Ask("PASS secret"), "+OK maildrop has "));
    EXPECT_EQ(service_.store.locked_count(), 1u);
  }
  // What comes until the server closes.
  std::string Rest() {
    std::string rest;
    EXPECT_TRUE(client_->ReadToEnd(rest, kSoon).ok());
    return rest;
  }
  // Runs the server until it is so.
  testing::AssertionResult Until(const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + kSoon;
    while (!done()) {
      if (absl::Now() > deadline) return testing::AssertionFailure() << "not in time";
      if (service_.io.stopped()) service_.io.restart();
      service_.io.run_one_for(std::chrono::milliseconds(5));
    }
    return testing::AssertionSuccess();
  }
  // The session has ended, and has left nothing behind.
  void ExpectGone() {
    EXPECT_TRUE(Until([&] { return !running_; }));
    EXPECT_EQ(service_.store.locked_count(), 0u);
    EXPECT_EQ(service_.store.fetches_running, 0u);
    EXPECT_EQ(service_.store.exchanges_running, 0u);
    EXPECT_EQ(service_.counter.count(), 0u);
    EXPECT_EQ(service_.metrics.connections.Value(), 0);
    EXPECT_EQ(service_.metrics.maildrops_open.Value(), 0);
  }
  // Reads a multi-line response up to its dot; dots are taken off again.
  std::string Multiline() {
    std::string text;
    for (std::string line = Line(); line != "."; line = Line()) {
      if (absl::StartsWith(line, "connection closed") || absl::StartsWith(line, "no answer")) return line;
      absl::string_view content = line;
      if (!content.empty() && content.front() == '.') content.remove_prefix(1);
      absl::StrAppend(&text, content, "\r\n");
    }
    return text;
  }
  uint64_t demo() const { return service_.store.demo(); }

  PopService service_;
  std::unique_ptr<test::ChatClient> client_;
  bool running_ = false;
};

// Lines of many lengths, some of which begin with dots.
std::string BigMessage(size_t bytes) {
  std::string message = "Subject: big\r\n\r\n";
  for (size_t i = 0; message.size() < bytes; ++i) {
    absl::StrAppend(&message, i % 7 == 0 ? "." : "", i, std::string(i % 120, 'x'), "\r\n");
  }
  return message;
}

TEST_F(ConnectionTest, AnIdleConnectionIsSmall) {
  // Beside it there are the socket, the coroutines (about 1 KB each) and, when open, the listing.
  EXPECT_LE(sizeof(Connection), 1024u);
}

TEST_F(ConnectionTest, SilenceEndsTheSessionWithoutAWordAndWithoutDeleting) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  service_.context.timeouts.idle = absl::Milliseconds(100);
  LogIn();
  EXPECT_EQ(Ask("DELE 1"), "+OK message 1 deleted");
  EXPECT_EQ(Rest(), "");
  ExpectGone();
  EXPECT_THAT(service_.store.Kept(demo()), ElementsAre(1));
  EXPECT_THAT(service_.store.commits, IsEmpty());
}

TEST_F(ConnectionTest, ATricklingClientDoesNotStretchTheTimeout) {
  service_.context.timeouts.idle = absl::Milliseconds(200);
  Connect();
  Line();
  const absl::Time begin = absl::Now();
  // A byte well within each timeout, and never a whole command.
  absl::Time next = begin;
  EXPECT_TRUE(Until([&] {
    if (absl::Now() >= next) {
      next += absl::Milliseconds(20);
      static_cast<void>(client_->Send("x"));
    }
    return !running_;
  }));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(190));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST_F(ConnectionTest, ASlowReaderHoldsTheStoreBack) {
  const std::string message = BigMessage(20 << 20);
  service_.store.Deliver(demo(), message);
  LogIn();
  Send("RETR 1\r\n");
  // It fills the socket's buffers and stops there.
  for (size_t before = SIZE_MAX; before != service_.store.fetched_bytes;) {
    before = service_.store.fetched_bytes;
    client_->LetServerRun();
  }
  EXPECT_GT(service_.store.fetched_bytes, 0u);
  EXPECT_LT(service_.store.fetched_bytes, size_t{6} << 20);
  EXPECT_EQ(Line(), absl::StrCat("+OK ", message.size(), " octets"));
  EXPECT_EQ(Multiline(), message);
  EXPECT_EQ(Ask("QUIT"), "+OK bye");
  ExpectGone();
  EXPECT_EQ(service_.metrics.bytes_retrieved.Value(), message.size());
  EXPECT_EQ(service_.metrics.messages_retrieved.Value(), 1);
}

TEST_F(ConnectionTest, AClientThatReadsNothingIsLeft) {
  service_.store.Deliver(demo(), BigMessage(20 << 20));
  service_.context.timeouts.write = absl::Milliseconds(100);
  LogIn();
  Send("DELE 1\r\nRSET\r\nRETR 1\r\n");
  ExpectGone();
  EXPECT_THAT(service_.store.Kept(demo()), ElementsAre(1));
  EXPECT_EQ(service_.metrics.messages_broken_off.Value(), 1);
  EXPECT_EQ(service_.metrics.messages_retrieved.Value(), 0);
}

TEST_F(ConnectionTest, AClientThatVanishesWhileReadingIsLeft) {
  service_.store.Deliver(demo(), BigMessage(20 << 20));
  LogIn();
  Send("DELE 1\r\nRSET\r\nRETR 1\r\n");
  client_->LetServerRun();
  client_->Close();
  ExpectGone();
  EXPECT_THAT(service_.store.commits, IsEmpty());
}

TEST_F(ConnectionTest, PiecesOfEverySizeGiveTheSameMessage) {
  service_.context.max_whole_message_bytes = 0;
  const std::string message = BigMessage(3000);
  service_.store.Deliver(demo(), message);
  LogIn();
  for (const size_t piece_bytes : {1, 2, 3, 7, 64, 1000, 65536}) {
    service_.store.piece_bytes = piece_bytes;
    EXPECT_EQ(Ask("RETR 1"), absl::StrCat("+OK ", message.size(), " octets"));
    EXPECT_EQ(Multiline(), message) << piece_bytes;
    EXPECT_EQ(Ask("TOP 1 3"), "+OK top of message follows");
    EXPECT_EQ(Multiline(), "Subject: big\r\n\r\n.0\r\n1x\r\n2xx\r\n") << piece_bytes;
  }
}

TEST_F(ConnectionTest, TopFetchesNoMoreThanItNeeds) {
  service_.store.Deliver(demo(), BigMessage(20 << 20));
  service_.store.piece_bytes = 1000;
  LogIn();
  EXPECT_EQ(Ask("TOP 1 0"), "+OK top of message follows");
  EXPECT_EQ(Multiline(), "Subject: big\r\n\r\n");
  EXPECT_EQ(service_.store.fetched_bytes, 1000u);
  EXPECT_EQ(service_.store.fetches_running, 0u);
}

TEST_F(ConnectionTest, SmallMessagesInOrderAreFetchedTogether) {
  for (int i = 1; i <= 40; ++i) service_.store.Deliver(demo(), absl::StrCat("N: ", i, "\r\n\r\n.dot\r\n"));
  LogIn();
  for (int i = 1; i <= 40; ++i) {
    EXPECT_TRUE(absl::StartsWith(Ask(absl::StrCat("RETR ", i)), "+OK "));
    EXPECT_EQ(Multiline(), absl::StrCat("N: ", i, "\r\n\r\n.dot\r\n"));
    if (i % 2 == 0) Ask(absl::StrCat("DELE ", i));
  }
  // 1, 2-5, 6-21, 22-37, 38-40.
  ASSERT_EQ(service_.store.fetches.size(), 5u);
  EXPECT_THAT(service_.store.fetches[1], ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(service_.store.fetches[3].size(), 16u);
  EXPECT_EQ(service_.metrics.messages_retrieved.Value(), 40);
  // The same again: it is asked for again, as nothing of it is kept.
  Ask("RETR 1");
  Multiline();
  EXPECT_THAT(service_.store.fetches.back(), ElementsAre(1));
  EXPECT_EQ(Ask("QUIT"), "+OK bye, 20 messages deleted");
  ExpectGone();
}

TEST_F(ConnectionTest, AMessageThatWasReadAheadAndDeletedIsNotGiven) {
  for (int i = 1; i <= 5; ++i) service_.store.Deliver(demo(), absl::StrCat("N: ", i, "\r\n\r\n"));
  LogIn();
  for (const int i : {1, 2}) {
    Ask(absl::StrCat("RETR ", i));
    EXPECT_EQ(Multiline(), absl::StrCat("N: ", i, "\r\n\r\n"));
  }
  EXPECT_EQ(Ask("DELE 3"), "+OK message 3 deleted");
  EXPECT_TRUE(absl::StartsWith(Ask("RETR 3"), "-ERR"));
  Ask("RETR 4");
  EXPECT_EQ(Multiline(), "N: 4\r\n\r\n");
  EXPECT_EQ(service_.store.fetches.size(), 2u);
}

TEST_F(ConnectionTest, TopIsServedFromTheWholeMessageToo) {
  service_.store.Deliver(demo(), "N: 1\r\n\r\na\r\nb\r\n");
  LogIn();
  EXPECT_EQ(Ask("TOP 1 1"), "+OK top of message follows");
  EXPECT_EQ(Multiline(), "N: 1\r\n\r\na\r\n");
  EXPECT_EQ(service_.store.fetches.size(), 1u);
}

TEST_F(ConnectionTest, AMessageThatFailedInAGroupIsAskedForAgain) {
  for (int i = 1; i <= 6; ++i) service_.store.Deliver(demo(), absl::StrCat("N: ", i, "\r\n\r\n"));
  LogIn();
  const auto retrieve = [this](int i) {
    EXPECT_TRUE(absl::StartsWith(Ask(absl::StrCat("RETR ", i)), "+OK "));
    EXPECT_EQ(Multiline(), absl::StrCat("N: ", i, "\r\n\r\n"));
  };
  retrieve(1);
  service_.store.message_failures[4] = absl::UnavailableError("away");
  retrieve(2);
  EXPECT_THAT(service_.store.fetches.back(), ElementsAre(2, 3, 4, 5));
  retrieve(3);
  EXPECT_EQ(service_.store.fetches.size(), 2u);
  EXPECT_EQ(Ask("RETR 4"), "-ERR [SYS/TEMP] message cannot be read now, try again later");
  ASSERT_EQ(service_.store.fetches.size(), 3u);
  EXPECT_EQ(service_.store.fetches.back().front(), 4u);
  service_.store.message_failures.clear();
  for (const int i : {4, 5, 6}) retrieve(i);
  EXPECT_EQ(service_.metrics.messages_retrieved.Value(), 6);
}

TEST_F(ConnectionTest, AWholeMessageOfAnotherSizeIsNotGiven) {
  service_.store.Deliver(demo(), "N: 1\r\n\r\nbody\r\n");
  service_.store.fetch_ends_after = 8;
  LogIn();
  EXPECT_EQ(Ask("RETR 1"), "-ERR [SYS/TEMP] message cannot be read now, try again later");
  EXPECT_EQ(Ask("NOOP"), "+OK done");
}

TEST_F(ConnectionTest, AMessageOfAnotherSizeThatWasReadAheadIsNotGiven) {
  service_.store.Deliver(demo(), "N: 1\r\n\r\n");
  service_.store.Deliver(demo(), "N: 2\r\n\r\n");
  service_.store.Deliver(demo(), "N: 3\r\n\r\nbody\r\n");
  service_.store.fetch_ends_after = 8;
  LogIn();
  for (const int i : {1, 2}) {
    EXPECT_EQ(Ask(absl::StrCat("RETR ", i)), "+OK 8 octets");
    EXPECT_EQ(Multiline(), absl::StrCat("N: ", i, "\r\n\r\n"));
  }
  EXPECT_THAT(service_.store.fetches.back(), ElementsAre(2, 3));
  EXPECT_EQ(Ask("RETR 3"), "-ERR [SYS/TEMP] message cannot be read now, try again later");
  EXPECT_EQ(Ask("NOOP"), "+OK done");
}

TEST_F(ConnectionTest, AMessageOverTheLimitIsStreamed) {
  const std::string at_limit(kMaxWholeMessageBytes, 'x');
  const std::string over_limit(kMaxWholeMessageBytes + 1, 'x');
  service_.store.Deliver(demo(), at_limit);
  service_.store.Deliver(demo(), over_limit);
  LogIn();
  EXPECT_EQ(Ask("RETR 1"), "+OK 65536 octets");
  EXPECT_EQ(Multiline(), at_limit + "\r\n");
  EXPECT_EQ(service_.store.fetched_bytes, 0u);
  EXPECT_EQ(service_.store.fetches.size(), 1u);
  EXPECT_EQ(Ask("RETR 2"), "+OK 65537 octets");
  EXPECT_EQ(Multiline(), over_limit + "\r\n");
  EXPECT_EQ(service_.store.fetched_bytes, over_limit.size());
  EXPECT_EQ(service_.store.fetches.size(), 1u);
}

TEST_F(ConnectionTest, HundredsOfCommandsInOnePacket) {
  for (int i = 1; i <= 500; ++i) service_.store.Deliver(demo(), "A: b\r\n\r\n");
  LogIn();
  std::string commands;
  for (int i = 1; i <= 500; ++i) absl::StrAppend(&commands, "LIST ", i, "\r\nDELE ", i, "\r\n");
  Send(commands + "STAT\r\nQUIT\r\n");
  for (int i = 1; i <= 500; ++i) {
    ASSERT_EQ(Line(), absl::StrCat("+OK ", i, " 8"));
    ASSERT_EQ(Line(), absl::StrCat("+OK message ", i, " deleted"));
  }
  EXPECT_EQ(Line(), "+OK 0 0");
  EXPECT_EQ(Line(), "+OK bye, 500 messages deleted");
  EXPECT_EQ(Rest(), "");
  ExpectGone();
  EXPECT_THAT(service_.store.Kept(demo()), IsEmpty());
}

TEST_F(ConnectionTest, AMaildropOfAHundredThousand) {
  for (int i = 1; i <= 100'000; ++i) service_.store.Deliver(demo(), "A: b\r\n\r\n");
  LogIn();
  EXPECT_EQ(Ask("DELE 50000"), "+OK message 50000 deleted");
  EXPECT_EQ(Ask("LIST"), "+OK 99999 messages (799992 octets)");
  std::string expected;
  for (int i = 1; i <= 100'000; ++i) {
    if (i != 50'000) absl::StrAppend(&expected, i, " 8\r\n");
  }
  EXPECT_EQ(Multiline(), expected);
  EXPECT_EQ(Ask("UIDL"), "+OK unique-id listing follows");
  const std::string listing = Multiline();
  EXPECT_TRUE(absl::StartsWith(listing, "1 uid-1\r\n2 uid-2\r\n"));
  EXPECT_TRUE(absl::EndsWith(listing, "99999 uid-99999\r\n100000 uid-100000\r\n"));
  EXPECT_FALSE(absl::StrContains(listing, "50000 uid"));
}

TEST_F(ConnectionTest, ACommitIsTriedAgainWithTheSameToken) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  service_.store.commit_failures = {absl::UnavailableError("restarting"),
                                    absl::DeadlineExceededError("slow")};
  LogIn();
  Ask("DELE 1");
  EXPECT_EQ(Ask("QUIT"), "+OK bye, 1 messages deleted");
  ExpectGone();
  ASSERT_EQ(service_.store.commits.size(), 3u);
  EXPECT_EQ(service_.store.commits[0].token, service_.store.commits[2].token);
  EXPECT_THAT(service_.store.commits[2].message_ids, ElementsAre(1));
  EXPECT_THAT(service_.store.Kept(demo()), IsEmpty());
}

TEST_F(ConnectionTest, ACommitWhoseAnswerWasLostIsConfirmedByTheNext) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  service_.store.commit_failures = {absl::UnavailableError("connection lost")};
  service_.store.commit_answers_are_lost = true;
  LogIn();
  Ask("DELE 1");
  EXPECT_EQ(Ask("QUIT"), "+OK bye, 1 messages deleted");
  ExpectGone();
}

TEST_F(ConnectionTest, QuitGivesUpOnAStoreThatStaysAway) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  service_.context.timeouts.commit_retry_for = absl::Milliseconds(50);
  LogIn();
  Ask("DELE 1");
  service_.store.away = absl::UnavailableError("gone");
  EXPECT_EQ(Ask("QUIT"), "-ERR [SYS/TEMP] mail store is not available, deletions are not confirmed");
  EXPECT_EQ(Rest(), "");
  EXPECT_TRUE(Until([&] { return !running_; }));
  EXPECT_THAT(service_.store.Kept(demo()), ElementsAre(1));
  // The lock goes when the store is back: the heartbeat sees to it.
  EXPECT_EQ(service_.store.locked_count(), 1u);
  service_.store.away = absl::OkStatus();
  service_.leases.Start();
  EXPECT_TRUE(Until([&] { return service_.store.locked_count() == 0; }));
}

TEST_F(ConnectionTest, DrainClosesIdleSessionsAtOnceAndQuietly) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  LogIn();
  Ask("DELE 1");
  client_->LetServerRun();
  service_.Tell(&Connection::Drain);
  EXPECT_EQ(Rest(), "");
  ExpectGone();
  EXPECT_THAT(service_.store.Kept(demo()), ElementsAre(1));
}

TEST_F(ConnectionTest, DrainLetsTheCommandInProgressFinish) {
  const std::string message = BigMessage(8 << 20);
  service_.store.Deliver(demo(), message);
  LogIn();
  Send("RETR 1\r\nDELE 1\r\nQUIT\r\n");
  client_->LetServerRun();
  service_.Tell(&Connection::Drain);
  EXPECT_EQ(Line(), absl::StrCat("+OK ", message.size(), " octets"));
  EXPECT_EQ(Multiline(), message);
  // Commands behind it were not begun.
  EXPECT_EQ(Rest(), "");
  ExpectGone();
  EXPECT_THAT(service_.store.Kept(demo()), ElementsAre(1));
}

TEST_F(ConnectionTest, AbortCutsOffWhatDoesNotEnd) {
  service_.store.Deliver(demo(), BigMessage(20 << 20));
  LogIn();
  Send("RETR 1\r\n");
  client_->LetServerRun();
  service_.Tell(&Connection::Drain);
  client_->LetServerRun();
  EXPECT_TRUE(running_);
  service_.Tell(&Connection::Abort);
  ExpectGone();
}

TEST_F(ConnectionTest, AnAuthExchangeThatIsLeftEndsAtTheStoreToo) {
  Connect();
  Line();
  EXPECT_EQ(Ask("AUTH LOGIN"), "+ VXNlciBOYW1l");
  EXPECT_EQ(service_.store.exchanges_running, 1u);
  client_->Close();
  ExpectGone();
}

TEST_F(ConnectionTest, WhatTheStoreIsToldOfAClient) {
  Connect();
  Line();
  Ask("AUTH PLAIN");
  ASSERT_EQ(service_.store.auth_starts.size(), 1u);
  const rpc::AuthStart& start = service_.store.auth_starts[0];
  EXPECT_EQ(start.mechanism, "PLAIN");
  EXPECT_FALSE(start.initial_response.has_value());
  EXPECT_EQ(start.client_address, "127.0.0.1");
  EXPECT_EQ(start.service, "pop");
  EXPECT_EQ(start.session_id.size(), 20u);
  EXPECT_EQ(start.tls_exporter, "");
}

TEST_F(ConnectionTest, LimitsOnConnectionsAreToldAndHold) {
  // The fixture allows two from one address, three in all.
  const auto open = [this](const char* proxy_header) {
    Connect();
    Send(proxy_header);
    return Line();
  };
  constexpr char kGreeting[] = "+OK mail.example.test POP3 server ready";
  service_.context.proxy_networks = *net::NetworkList::Parse("127.0.0.0/8");
  constexpr char kFirst[] = "PROXY TCP4 192.0.2.1 192.0.2.9 1000 110\r\n";
  EXPECT_EQ(open(kFirst), kGreeting);
  const auto one = std::move(client_);
  EXPECT_EQ(open(kFirst), kGreeting);
  auto two = std::move(client_);
  EXPECT_EQ(open(kFirst), "-ERR [SYS/TEMP] too many connections from your address");
  EXPECT_EQ(Rest(), "");
  EXPECT_EQ(open("PROXY TCP4 192.0.2.2 192.0.2.9 1000 110\r\n"), kGreeting);
  const auto three = std::move(client_);
  EXPECT_EQ(open("PROXY TCP4 192.0.2.3 192.0.2.9 1000 110\r\n"), "-ERR [SYS/TEMP] too many connections");
  EXPECT_EQ(Rest(), "");
  // With implicit TLS there is nothing to say it in.
  service_.implicit_tls = true;
  Connect();
  Send(kFirst);
  EXPECT_EQ(Rest(), "");
  service_.implicit_tls = false;
  // A place is free again when its client has gone.
  two->Close();
  EXPECT_TRUE(Until([&] { return service_.counter.count() == 2; }));
  EXPECT_EQ(open(kFirst), kGreeting);
}

TEST_F(ConnectionTest, RepliesReachAClientThatStillTalks) {
  service_.context.session.limits.max_errors = 2;
  Connect();
  Line();
  // Far more than is read before the session ends.
  Send(absl::StrCat("XTND\r\nXTND\r\n", std::string(20000, 'x')));
  EXPECT_EQ(Line(), "-ERR unknown command");
  EXPECT_EQ(Line(), "-ERR too many errors, closing");
  EXPECT_EQ(Rest(), "");
  ExpectGone();
}

TEST_F(ConnectionTest, MemoryForALineIsBounded) {
  Connect();
  Line();
  for (int i = 0; i < 50; ++i) Send(std::string(65536, 'x'));
  Send("\r\nCAPA\r\n");
  EXPECT_EQ(Line(), "-ERR line too long");
  EXPECT_EQ(Line(), "+OK capability list follows");
}

}  // namespace
}  // namespace mailstead::pop3
