#include "pop3d/connection.h"

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/chat_client.h"
#include "tests/unit/pop3d/connection_fixture.h"

namespace mailstead::pop3 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Duration kSoon = absl::Seconds(20);

// The ids of messages `first` to `last`.
std::vector<MessageId> Ids(int64_t first, int64_t last) {
  std::vector<MessageId> ids;
  for (int64_t id = first; id <= last; ++id) ids.push_back(MessageId{id});
  return ids;
}

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
  testing::AssertionResult Until(const std::function<bool()>& done) { return service_.Until(done); }
  // The session has ended, and has left nothing behind.
  void ExpectGone() {
    EXPECT_TRUE(Until([&] { return !running_; }));
    // Nobody waits for the release, but it is on its way.
    EXPECT_TRUE(Until([&] { return service_.store.locked_count() == 0; }));
    EXPECT_EQ(service_.store.way.fetches_running, 0u);
    EXPECT_EQ(service_.store.way.exchanges_running, 0u);
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
  AccountId demo() const { return service_.store.demo(); }

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
  EXPECT_THAT(service_.store.commits(), IsEmpty());
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
  EXPECT_TRUE(Until([&] { return service_.store.way.fetched_bytes > 0; }));
  for (size_t before = 0; before != service_.store.way.fetched_bytes;) {
    before = service_.store.way.fetched_bytes;
    const absl::Time end = absl::Now() + absl::Milliseconds(200);
    EXPECT_TRUE(Until([&] { return absl::Now() > end; }));
  }
  EXPECT_GT(service_.store.way.fetched_bytes, 0u);
  EXPECT_LT(service_.store.way.fetched_bytes, size_t{6} << 20);
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
  EXPECT_THAT(service_.store.commits(), IsEmpty());
}

TEST_F(ConnectionTest, PiecesOfEverySizeGiveTheSameMessage) {
  service_.context.max_whole_message_bytes = 0;
  const std::string message = BigMessage(3000);
  service_.store.Deliver(demo(), message);
  LogIn();
  for (const size_t piece_bytes : {1, 2, 3, 7, 64, 1000, 65536}) {
    service_.store.way.piece_bytes = piece_bytes;
    EXPECT_EQ(Ask("RETR 1"), absl::StrCat("+OK ", message.size(), " octets"));
    EXPECT_EQ(Multiline(), message) << piece_bytes;
    EXPECT_EQ(Ask("TOP 1 3"), "+OK top of message follows");
    EXPECT_EQ(Multiline(), "Subject: big\r\n\r\n.0\r\n1x\r\n2xx\r\n") << piece_bytes;
  }
}

TEST_F(ConnectionTest, TopFetchesNoMoreThanItNeeds) {
  service_.store.Deliver(demo(), BigMessage(20 << 20));
  service_.store.way.piece_bytes = 1000;
  LogIn();
  EXPECT_EQ(Ask("TOP 1 0"), "+OK top of message follows");
  EXPECT_EQ(Multiline(), "Subject: big\r\n\r\n");
  EXPECT_EQ(service_.store.way.fetched_bytes, 1000u);
  EXPECT_EQ(service_.store.way.fetches_running, 0u);
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
  ASSERT_EQ(service_.store.way.fetches.size(), 5u);
  EXPECT_EQ(service_.store.way.fetches[1], Ids(2, 5));
  EXPECT_EQ(service_.store.way.fetches[3].size(), 16u);
  EXPECT_EQ(service_.metrics.messages_retrieved.Value(), 40);
  // The same again: it is asked for again, as nothing of it is kept.
  Ask("RETR 1");
  Multiline();
  EXPECT_EQ(service_.store.way.fetches.back(), Ids(1, 1));
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
  EXPECT_EQ(service_.store.way.fetches.size(), 2u);
}

TEST_F(ConnectionTest, TopIsServedFromTheWholeMessageToo) {
  service_.store.Deliver(demo(), "N: 1\r\n\r\na\r\nb\r\n");
  LogIn();
  EXPECT_EQ(Ask("TOP 1 1"), "+OK top of message follows");
  EXPECT_EQ(Multiline(), "N: 1\r\n\r\na\r\n");
  EXPECT_EQ(service_.store.way.fetches.size(), 1u);
}

TEST_F(ConnectionTest, AMessageThatFailedInAGroupIsAskedForAgain) {
  for (int i = 1; i <= 6; ++i) service_.store.Deliver(demo(), absl::StrCat("N: ", i, "\r\n\r\n"));
  LogIn();
  const auto retrieve = [this](int i) {
    EXPECT_TRUE(absl::StartsWith(Ask(absl::StrCat("RETR ", i)), "+OK "));
    EXPECT_EQ(Multiline(), absl::StrCat("N: ", i, "\r\n\r\n"));
  };
  retrieve(1);
  service_.store.way.message_failures[MessageId{4}] = absl::UnavailableError("away");
  retrieve(2);
  EXPECT_EQ(service_.store.way.fetches.back(), Ids(2, 5));
  retrieve(3);
  EXPECT_EQ(service_.store.way.fetches.size(), 2u);
  EXPECT_EQ(Ask("RETR 4"), "-ERR [SYS/TEMP] message cannot be read now, try again later");
  ASSERT_EQ(service_.store.way.fetches.size(), 3u);
  EXPECT_EQ(service_.store.way.fetches.back().front(), MessageId{4});
  service_.store.way.message_failures.clear();
  for (const int i : {4, 5, 6}) retrieve(i);
  EXPECT_EQ(service_.metrics.messages_retrieved.Value(), 6);
}

TEST_F(ConnectionTest, AWholeMessageOfAnotherSizeIsNotGiven) {
  service_.store.Deliver(demo(), "N: 1\r\n\r\nbody\r\n");
  service_.store.way.fetch_ends_after = 8;
  LogIn();
  EXPECT_EQ(Ask("RETR 1"), "-ERR [SYS/TEMP] message cannot be read now, try again later");
  EXPECT_EQ(Ask("NOOP"), "+OK done");
}

TEST_F(ConnectionTest, AMessageOfAnotherSizeThatWasReadAheadIsNotGiven) {
  service_.store.Deliver(demo(), "N: 1\r\n\r\n");
  service_.store.Deliver(demo(), "N: 2\r\n\r\n");
  service_.store.Deliver(demo(), "N: 3\r\n\r\nbody\r\n");
  service_.store.way.fetch_ends_after = 8;
  LogIn();
  for (const int i : {1, 2}) {
    EXPECT_EQ(Ask(absl::StrCat("RETR ", i)), "+OK 8 octets");
    EXPECT_EQ(Multiline(), absl::StrCat("N: ", i, "\r\n\r\n"));
  }
  EXPECT_EQ(service_.store.way.fetches.back(), Ids(2, 3));
  EXPECT_EQ(Ask("RETR 3"), "-ERR [SYS/TEMP] message cannot be read now, try again later");
  EXPECT_EQ(Ask("NOOP"), "+OK done");
}

TEST_F(ConnectionTest, AMessageOverTheLimitIsStreamed) {
  const std::string at_limit(store::kWholeMessageBytes, 'x');
  const std::string over_limit(store::kWholeMessageBytes + 1, 'x');
  service_.store.Deliver(demo(), at_limit);
  service_.store.Deliver(demo(), over_limit);
  LogIn();
  EXPECT_EQ(Ask("RETR 1"), "+OK 65536 octets");
  EXPECT_EQ(Multiline(), at_limit + "\r\n");
  EXPECT_EQ(service_.store.way.fetched_bytes, 0u);
  EXPECT_EQ(service_.store.way.fetches.size(), 1u);
  EXPECT_EQ(Ask("RETR 2"), "+OK 65537 octets");
  EXPECT_EQ(Multiline(), over_limit + "\r\n");
  EXPECT_EQ(service_.store.way.fetched_bytes, over_limit.size());
  EXPECT_EQ(service_.store.way.fetches.size(), 1u);
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
  service_.store.store.way().Fail("CommitMaildrop", test::When::kBefore, absl::UnavailableError("restarting"),
                                  1);
  service_.store.store.way().Fail("CommitMaildrop", test::When::kBefore, absl::DeadlineExceededError("slow"),
                                  2);
  LogIn();
  Ask("DELE 1");
  EXPECT_EQ(Ask("QUIT"), "+OK bye, 1 messages deleted");
  ExpectGone();
  const std::vector<fv1::CommitMaildropRequest> commits = service_.store.commits();
  ASSERT_EQ(commits.size(), 3u);
  EXPECT_NE(commits[0].token(), "");
  EXPECT_EQ(commits[0].token(), commits[2].token());
  EXPECT_THAT(commits[2].message_ids(), ElementsAre(1));
  EXPECT_THAT(service_.store.Kept(demo()), IsEmpty());
}

TEST_F(ConnectionTest, ACommitWhoseAnswerWasLostIsConfirmedByTheNext) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  service_.store.store.way().Fail("CommitMaildrop", test::When::kAfter,
                                  absl::UnavailableError("connection lost"));
  LogIn();
  Ask("DELE 1");
  EXPECT_EQ(Ask("QUIT"), "+OK bye, 1 messages deleted");
  ExpectGone();
}

TEST_F(ConnectionTest, ACommitThatTookTooLongIsAskedForAgain) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  LogIn();
  // A try may take longer than a commit is tried again for.
  service_.context.timeouts.store_call = absl::Milliseconds(20);
  service_.context.timeouts.commit_retry_for = absl::ZeroDuration();
  service_.store.store.way().Hold("CommitMaildrop", test::When::kAfter);
  Ask("DELE 1");
  EXPECT_EQ(Ask("QUIT"), "+OK bye, 1 messages deleted");
  ExpectGone();
}

TEST_F(ConnectionTest, QuitGivesUpOnAStoreThatStaysAway) {
  service_.store.Deliver(demo(), "A: b\r\n\r\n");
  service_.context.timeouts.commit_retry_for = absl::Milliseconds(50);
  LogIn();
  Ask("DELE 1");
  service_.store.SetAway(rpc::NotSent(absl::UnavailableError("gone")));
  EXPECT_EQ(Ask("QUIT"), "-ERR [SYS/TEMP] mail store is not available, deletions are not confirmed");
  EXPECT_EQ(Rest(), "");
  EXPECT_TRUE(Until([&] { return !running_; }));
  EXPECT_THAT(service_.store.Kept(demo()), ElementsAre(1));
  // The lock goes when the store is back: the heartbeat sees to it.
  EXPECT_EQ(service_.store.locked_count(), 1u);
  service_.store.SetAway(absl::OkStatus());
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

TEST_F(ConnectionTest, CloseCutsOffWhatDoesNotEnd) {
  service_.store.Deliver(demo(), BigMessage(20 << 20));
  LogIn();
  Send("RETR 1\r\n");
  client_->LetServerRun();
  service_.Tell(&Connection::Drain);
  client_->LetServerRun();
  EXPECT_TRUE(running_);
  service_.Tell(&Connection::Close);
  ExpectGone();
}

TEST_F(ConnectionTest, AnAuthExchangeThatIsLeftEndsAtTheStoreToo) {
  Connect();
  Line();
  EXPECT_EQ(Ask("AUTH LOGIN"), "+ VXNlcm5hbWU6");
  EXPECT_EQ(service_.store.way.exchanges_running, 1u);
  client_->Close();
  ExpectGone();
}

TEST_F(ConnectionTest, WhatTheStoreIsToldOfAClient) {
  Connect();
  Line();
  Ask("AUTH PLAIN");
  const std::vector<fv1::AuthenticateStart> starts = service_.store.auth_starts();
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].mechanism(), "PLAIN");
  EXPECT_FALSE(starts[0].has_initial_response());
  EXPECT_EQ(starts[0].client_address(), "127.0.0.1");
  EXPECT_EQ(starts[0].tls_exporter(), "");
  EXPECT_EQ(starts[0].maildrop().lease_id(), service_.leases.lease_id());
  EXPECT_EQ(service_.store.store.way().seen("Authenticate")[0].session_id.size(), 20u);
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
  service_.context.implicit_tls = true;
  Connect();
  Send(kFirst);
  EXPECT_EQ(Rest(), "");
  service_.context.implicit_tls = false;
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

// --- What a poll costs, and what is remembered between sessions

class PollTest : public ConnectionTest {
 protected:
  // As a heartbeat does it, before the first client comes.
  PollTest() {
    absl::Status renewed = absl::UnknownError("not yet");
    asio::co_spawn(service_.io, service_.leases.RenewNow(),
                   [&](std::exception_ptr, absl::Status status) { renewed = std::move(status); });
    EXPECT_TRUE(Until([&] { return renewed.ok(); }));
  }

  test::FaultyTransport& way() { return service_.store.store.way(); }
  int calls(const std::string& method) { return service_.store.calls(method); }
  // The unique-ids of the listing.
  std::vector<std::string> Uidl() {
    EXPECT_EQ(Ask("UIDL"), "+OK unique-id listing follows");
    std::vector<std::string> ids;
    for (const absl::string_view line : absl::StrSplit(Multiline(), "\r\n", absl::SkipEmpty())) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      EXPECT_EQ(words[0], absl::StrCat(ids.size() + 1));
      ids.push_back(words[1]);
    }
    return ids;
  }
  std::vector<std::string> KeptIds() {
    std::vector<std::string> ids;
    for (const int64_t number : service_.store.Kept(demo())) ids.push_back(absl::StrCat("uid-", number));
    return ids;
  }
  void Quit(const std::string& words = "+OK bye") {
    EXPECT_EQ(Ask("QUIT"), words);
    ExpectGone();
  }
  void Poll() {
    LogIn();
    EXPECT_EQ(Uidl(), KeptIds());
    Quit();
  }
  // What the last login asked for.
  std::string KnownVersionAskedFor() {
    return service_.store.auth_starts().back().maildrop().known_version();
  }
  std::shared_ptr<const Listing> Remembered() {
    const std::optional<KnownListing> known = service_.listings.Find(demo());
    return known.has_value() ? known->listing : nullptr;
  }
  void DeliverMany(int count) {
    for (int i = 0; i < count; ++i) service_.store.Deliver(demo(), "A: b\r\n\r\n");
  }
};

TEST_F(PollTest, IsOneCallAndOneThatNobodyWaitsFor) {
  DeliverMany(3);
  const int before = service_.store.calls();
  LogIn();
  EXPECT_EQ(Ask("STAT"), "+OK 3 24");
  EXPECT_EQ(Uidl().size(), 3u);
  EXPECT_EQ(service_.store.calls() - before, 1);
  EXPECT_EQ(calls("Authenticate"), 1);
  Quit();
  EXPECT_EQ(service_.store.calls() - before, 2);
  EXPECT_EQ(calls("ReleaseMaildrop"), 1);
}

TEST_F(PollTest, QuitDoesNotWaitForTheStore) {
  LogIn();
  way().Hold("ReleaseMaildrop");
  EXPECT_EQ(Ask("QUIT"), "+OK bye");
  EXPECT_EQ(Rest(), "");
  EXPECT_TRUE(Until([&] { return !running_; }));
  EXPECT_EQ(service_.store.locked_count(), 1u);
  EXPECT_EQ(service_.metrics.maildrops_open.Value(), 0);
  way().Release("ReleaseMaildrop");
  ExpectGone();
}

TEST_F(PollTest, QuitOfAStoreThatIsAwayIsAnsweredAtOnceAndReleasedLater) {
  DeliverMany(1);
  LogIn();
  Ask("DELE 1");
  Ask("RSET");
  service_.store.SetAway(absl::UnavailableError("gone"));
  EXPECT_EQ(Ask("QUIT"), "+OK bye");
  EXPECT_EQ(Rest(), "");
  EXPECT_TRUE(Until([&] { return !running_; }));
  EXPECT_EQ(service_.store.locked_count(), 1u);
  service_.store.SetAway(absl::OkStatus());
  service_.leases.Start();
  ExpectGone();
}

TEST_F(PollTest, AClientThatVanishesIsReleasedLaterToo) {
  LogIn();
  service_.store.SetAway(absl::UnavailableError("gone"));
  client_->Close();
  EXPECT_TRUE(Until([&] { return !running_; }));
  EXPECT_EQ(service_.store.locked_count(), 1u);
  service_.store.SetAway(absl::OkStatus());
  service_.leases.Start();
  ExpectGone();
}

TEST_F(PollTest, ALoginWithNothingNewSharesTheListing) {
  DeliverMany(1500);
  Poll();
  EXPECT_EQ(KnownVersionAskedFor(), "");
  const std::shared_ptr<const Listing> listing = Remembered();
  ASSERT_NE(listing, nullptr);
  EXPECT_EQ(calls("ListMaildrop"), 1);
  LogIn();
  EXPECT_NE(KnownVersionAskedFor(), "");
  EXPECT_EQ(Uidl(), KeptIds());
  EXPECT_EQ(Remembered(), listing);
  Quit();
  // The listing was neither sent nor made again.
  EXPECT_EQ(calls("ListMaildrop"), 1);
  EXPECT_EQ(calls("OpenMaildrop"), 0);
}

TEST_F(PollTest, OnlyWhatCameIsSent) {
  DeliverMany(1500);
  Poll();
  const std::shared_ptr<const Listing> before = Remembered();
  DeliverMany(2);
  Poll();
  EXPECT_EQ(calls("ListMaildrop"), 1);
  // What did not change is shared.
  EXPECT_EQ(Remembered()->Find({1})->unique_id.data(), before->Find({1})->unique_id.data());
}

TEST_F(PollTest, ACommitIsRememberedToo) {
  DeliverMany(1500);
  LogIn();
  Ask("DELE 2");
  // It is not in this session's listing, but in the next one's.
  DeliverMany(1);
  Quit("+OK bye, 1 messages deleted");
  const std::shared_ptr<const Listing> remembered = Remembered();
  EXPECT_EQ(remembered->count(), 1499u);
  Poll();
  EXPECT_EQ(Remembered()->count(), 1500u);
  EXPECT_EQ(Remembered()->Find({1})->unique_id.data(), remembered->Find({1})->unique_id.data());
  EXPECT_EQ(calls("ListMaildrop"), 1);
}

TEST_F(PollTest, AVersionThatTheStoreDoesNotKnowGivesTheWholeListing) {
  DeliverMany(3);
  ListingBuilder nonsense;
  ASSERT_TRUE(nonsense.Add(MessageId{77}, 7, "nonsense"));
  service_.listings.Remember({demo(), "no version of the store's", std::move(nonsense).Build()},
                             "demo@example.test");
  Poll();
  EXPECT_EQ(KnownVersionAskedFor(), "no version of the store's");
  EXPECT_EQ(Remembered()->count(), 3u);
}

TEST_F(PollTest, ANameThatLeadsToAnotherAccountByNow) {
  DeliverMany(3);
  Poll();
  // Known by this name is an account with one message, and a version that the store knows for it.
  const AccountId other = service_.store.AddAccount("other@example.test", "x");
  service_.store.Deliver(other, "A: b\r\n\r\n");
  std::optional<KnownListing> known = service_.listings.Find(demo());
  ListingBuilder builder;
  ASSERT_TRUE(builder.Add(MessageId{1}, 8, "uid-4"));
  service_.listings.Remember({other, known->version, std::move(builder).Build()}, "demo@example.test");
  Poll();
  // The store took the version for demo's, and was asked again.
  EXPECT_EQ(calls("OpenMaildrop"), 1);
}

TEST_F(PollTest, ALoginThatDoesNotSayItsNameIsSentNoLongListingTwice) {
  DeliverMany(2500);
  const auto log_in = [this] {
    Connect();
    Line();
    EXPECT_EQ(Ask("AUTH LOGIN"), "+ VXNlcm5hbWU6");
    EXPECT_EQ(Ask("ZGVtb0BleGFtcGxlLnRlc3Q="), "+ UGFzc3dvcmQ6");
    EXPECT_EQ(Ask("c2VjcmV0"), "+OK maildrop has 2500 messages (20000 octets)");
    EXPECT_EQ(Uidl(), KeptIds());
    Quit();
  };
  log_in();
  EXPECT_EQ(calls("ListMaildrop"), 2);
  EXPECT_EQ(calls("OpenMaildrop"), 0);
  log_in();
  EXPECT_EQ(calls("ListMaildrop"), 2);
  EXPECT_EQ(calls("OpenMaildrop"), 1);
}

TEST_F(PollTest, NothingIsRememberedWithoutABudget) {
  ListingCache none(0);
  ConnectionContext context{.session = service_.context.session,
                            .counter = service_.counter,
                            .store = service_.api,
                            .leases = service_.leases,
                            .listings = none,
                            .read_ahead = service_.read_ahead,
                            .metrics = service_.metrics};
  DeliverMany(3);
  for (int i = 0; i < 2; ++i) {
    HeldMaildrop held(context, "session");
    EXPECT_EQ(held.Request("demo@example.test", "192.0.2.1").known_version, "");
  }
}

TEST_F(PollTest, NoMoreThanOnePageIsOnItsWay) {
  DeliverMany(4200);
  way().Hold("ListMaildrop", test::When::kAfter, 2);
  Connect();
  Line();
  Ask("USER demo@example.test");
  Send("PASS secret\r\n");
  EXPECT_TRUE(Until([&] { return way().held_count("ListMaildrop") == 1; }));
  // The first page came with the login, and the second is in the listing, while the third one comes.
  EXPECT_EQ(calls("ListMaildrop"), 2);
  // The listing and its pages are counted before they come: what is missing, too.
  const size_t reserved = service_.listings.memory().used_bytes();
  EXPECT_GT(reserved, Listing::MemoryOf(4200, 6));
  way().Release("ListMaildrop");
  EXPECT_EQ(Line(), "+OK maildrop has 4200 messages (33600 octets)");
  std::vector<int> page_sizes;
  for (const test::SeenCall& call : way().seen("ListMaildrop")) {
    page_sizes.push_back(call.As<fv1::ListMaildropRequest>().page_size());
  }
  EXPECT_EQ(page_sizes, (std::vector<int>{1000, 2000, 4000}));
  // And no more is counted than what is here: the listing, and a bit for each message, to mark it.
  EXPECT_EQ(service_.listings.memory().used_bytes(),
            Remembered()->memory_bytes() - sizeof(Listing) + 4200 / 8);
  EXPECT_LT(service_.listings.memory().used_bytes(), reserved);
  EXPECT_EQ(Uidl(), KeptIds());
  Quit();
  EXPECT_EQ(service_.listings.memory().used_bytes(), Remembered()->memory_bytes() - sizeof(Listing));
}

TEST_F(PollTest, AMaildropAboveTheLimitShowsItsOldestMessages) {
  DeliverMany(2500);
  service_.context.max_maildrop_messages = 2200;
  const std::vector<std::string> all = KeptIds();
  LogIn();
  EXPECT_EQ(Ask("STAT"), "+OK 2200 17600");
  EXPECT_EQ(Uidl(), std::vector<std::string>(all.begin(), all.begin() + 2200));
  EXPECT_EQ(Ask("RETR 2201"), "-ERR no such message, only 2200 messages in maildrop");
  EXPECT_EQ(service_.metrics.maildrops_truncated.Value(), 1);
  // What is not all of it is not remembered.
  EXPECT_EQ(Remembered(), nullptr);
  // What this session deletes is gone, and the next one sees as many more.
  for (int i = 1; i <= 200; ++i) Ask(absl::StrCat("DELE ", i));
  Quit("+OK bye, 200 messages deleted");
  EXPECT_EQ(Remembered(), nullptr);
  LogIn();
  EXPECT_EQ(Uidl(), std::vector<std::string>(all.begin() + 200, all.begin() + 2400));
  for (int i = 1; i <= 100; ++i) Ask(absl::StrCat("DELE ", i));
  Quit("+OK bye, 100 messages deleted");
  EXPECT_EQ(service_.metrics.maildrops_truncated.Value(), 2);
  // Now all of it fits.
  LogIn();
  EXPECT_EQ(Uidl(), std::vector<std::string>(all.begin() + 300, all.end()));
  Quit();
  EXPECT_EQ(service_.metrics.maildrops_truncated.Value(), 2);
  ASSERT_NE(Remembered(), nullptr);
  // What comes then makes it too great again, and the oldest are those that were known.
  DeliverMany(1);
  LogIn();
  EXPECT_EQ(Uidl(), std::vector<std::string>(all.begin() + 300, all.end()));
  Quit();
  EXPECT_EQ(service_.metrics.maildrops_truncated.Value(), 3);
}

// With memory for two of the listings that are used here, pages on their way included.
class ListingMemoryTest : public PollTest {
 protected:
  static constexpr int kMessages = 1500;

  ListingMemoryTest() {
    service_.context.timeouts.listing_memory = absl::Milliseconds(30);
    DeliverMany(kMessages);
    other_ = service_.store.AddAccount("other@example.test", "secret");
    for (int i = 0; i < kMessages; ++i) service_.store.Deliver(other_, "A: b\r\n\r\n");
  }
  void LogInAs(const std::string& name, const std::string& reply) {
    Connect();
    Line();
    Ask(absl::StrCat("USER ", name, "@example.test"));
    EXPECT_EQ(Ask("PASS secret"), reply);
  }
  // Takes memory as sessions with other listings do, but for so much.
  void LeaveOnly(size_t bytes) {
    const ByteBudget& memory = service_.listings.memory();
    taken_ = service_.listings.Reserve(memory.limit_bytes() - memory.used_bytes() - bytes);
    ASSERT_TRUE(taken_.has_value());
  }

  AccountId other_;
  std::optional<ByteHold> taken_;
};

TEST_F(ListingMemoryTest, ALoginBeyondItIsRefusedForNowAndLeavesNoLock) {
  LeaveOnly(100'000);
  LogInAs("demo", "-ERR [SYS/TEMP] too many large maildrops are open, try again later");
  EXPECT_EQ(service_.store.locked_count(), 0u);
  EXPECT_EQ(service_.listings.memory().used_bytes(), service_.listings.memory().limit_bytes() - 100'000);
  // A short one has room, and so has the great one when the others have gone.
  const AccountId small = service_.store.AddAccount("small@example.test", "secret");
  service_.store.Deliver(small, "A: b\r\n\r\n");
  Ask("USER small@example.test");
  EXPECT_EQ(Ask("PASS secret"), "+OK maildrop has 1 messages (8 octets)");
  Quit();
  taken_.reset();
  LogInAs("demo", "+OK maildrop has 1500 messages (12000 octets)");
  Quit();
}

TEST_F(ListingMemoryTest, ALoginWaitsForOthersToEnd) {
  service_.context.timeouts.listing_memory = absl::Seconds(20);
  LeaveOnly(100'000);
  Connect();
  Line();
  Ask("USER demo@example.test");
  Send("PASS secret\r\n");
  EXPECT_TRUE(Until([&] { return service_.store.locked_count() == 1; }));
  EXPECT_EQ(calls("ListMaildrop"), 0);
  taken_.reset();
  EXPECT_EQ(Line(), "+OK maildrop has 1500 messages (12000 octets)");
  Quit();
}

TEST_F(ListingMemoryTest, WhatIsRememberedGoesFirst) {
  Poll();
  ASSERT_NE(Remembered(), nullptr);
  const size_t each = service_.listings.memory().used_bytes();
  // Enough for the other one in the place of this one.
  LogInAs("other", "+OK maildrop has 1500 messages (12000 octets)");
  const size_t needed = service_.listings.memory().used_bytes() - each;
  Quit();
  EXPECT_EQ(service_.listings.count(), 2u);
  service_.listings.Remember({other_, "gone", Listing::Empty()}, "other@example.test");
  LeaveOnly(needed + 720'000 - each);
  LogInAs("other", "+OK maildrop has 1500 messages (12000 octets)");
  EXPECT_EQ(Remembered(), nullptr);
  Quit();
}

TEST_F(ListingMemoryTest, ACommitThatFindsNoRoomToRememberIsDone) {
  LogIn();
  Ask("DELE 700");
  LeaveOnly(0);
  Quit("+OK bye, 1 messages deleted");
  EXPECT_EQ(service_.store.Kept(demo()).size(), 1499u);
  taken_.reset();
  Poll();
}

TEST_F(PollTest, PagesThatDoNotComeLeaveNoLock) {
  DeliverMany(2500);
  way().Fail("ListMaildrop", test::When::kBefore, absl::UnavailableError("gone"), 2);
  Connect();
  Line();
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "-ERR [SYS/TEMP] mail store is not available, try again later");
  EXPECT_EQ(service_.store.locked_count(), 0u);
  EXPECT_EQ(Remembered(), nullptr);
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "+OK maildrop has 2500 messages (20000 octets)");
  EXPECT_EQ(Uidl(), KeptIds());
  Quit();
}

TEST_F(PollTest, AnOpenWhoseAnswerIsLostIsHarmless) {
  DeliverMany(1);
  service_.store.ForgetLeases();
  way().Fail("OpenMaildrop", test::When::kAfter, absl::UnavailableError("lost"));
  Connect();
  Line();
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "-ERR [SYS/TEMP] mail store is not available, try again later");
  // Neither the same session nor, when it has gone, another one finds a lock.
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "+OK maildrop has 1 messages (8 octets)");
  EXPECT_EQ(service_.store.locked_count(), 1u);
  Ask("DELE 1");
  Quit("+OK bye, 1 messages deleted");
  Poll();
}

TEST_F(PollTest, ALoginWhoseAnswerIsLostIsHarmlessOnRepeat) {
  DeliverMany(1);
  way().Fail("Authenticate", test::When::kAfter, absl::UnavailableError("lost"));
  Connect();
  Line();
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "-ERR [SYS/TEMP] mail store is not available, try again later");
  // It has locked the maildrop in this session's name.
  EXPECT_EQ(service_.store.locked_count(), 1u);
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "+OK maildrop has 1 messages (8 octets)");
  Ask("DELE 1");
  Quit("+OK bye, 1 messages deleted");
}

TEST_F(PollTest, ALoginWhoseAnswerIsLostLeavesNoLockBehindItsSession) {
  way().Fail("Authenticate", test::When::kAfter, absl::UnavailableError("lost"));
  Connect();
  Line();
  Ask("USER demo@example.test");
  EXPECT_EQ(Ask("PASS secret"), "-ERR [SYS/TEMP] mail store is not available, try again later");
  EXPECT_EQ(service_.store.locked_count(), 1u);
  const std::string lease = service_.leases.lease_id();
  EXPECT_NE(lease, service_.store.auth_starts().back().maildrop().lease_id());
  client_->Close();
  EXPECT_TRUE(Until([&] { return !running_; }));
  // The heartbeat ends the lease that no session needs any more.
  service_.leases.Start();
  ExpectGone();
  EXPECT_EQ(service_.leases.lease_id(), lease);
  Poll();
}

TEST_F(PollTest, AnotherLeaseIsRenewedAndTheMaildropOpenedWithTheGrant) {
  DeliverMany(1500);
  Poll();
  service_.store.ForgetLeases();
  const int before = service_.store.calls();
  LogIn();
  EXPECT_EQ(Uidl(), KeptIds());
  // Authenticate, RenewLease, OpenMaildrop: also then only what changed is sent.
  EXPECT_EQ(service_.store.calls() - before, 3);
  Quit();
}

// Sessions that deliver, delete and poll at random: what a client sees is what is there.
TEST_F(PollTest, RandomSessions) {
  std::mt19937 random(20);
  const auto upto = [&random](size_t n) { return static_cast<int>(random() % (n + 1)); };
  for (int round = 0; round < 40; ++round) {
    DeliverMany(round % 10 == 0 ? 400 : upto(3));
    LogIn();
    const std::vector<std::string> ids = Uidl();
    ASSERT_EQ(ids, KeptIds());
    size_t deleted = 0;
    std::string commands;
    for (size_t i = 1; i <= ids.size(); ++i) {
      if (upto(round % 7 == 0 ? 1 : 50) != 0) continue;
      ++deleted;
      absl::StrAppend(&commands, "DELE ", i, "\r\n");
    }
    Send(commands);
    for (size_t i = 0; i < deleted; ++i) EXPECT_TRUE(absl::StartsWith(Line(), "+OK message"));
    // Mail that comes between the login and the commit.
    DeliverMany(upto(2));
    Quit(deleted == 0 ? "+OK bye" : absl::StrCat("+OK bye, ", deleted, " messages deleted"));
  }
}

}  // namespace
}  // namespace mailstead::pop3
