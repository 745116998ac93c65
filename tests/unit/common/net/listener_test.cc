#include "common/net/listener.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "common/net/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"

namespace mailstead::net {
namespace {

using asio::ip::tcp;

// Sends back what comes until the end.
asio::awaitable<void> Echo(tcp::socket socket) {
  Stream stream(std::move(socket));
  std::string buffer(4096, '\0');
  for (;;) {
    absl::StatusOr<size_t> count = co_await stream.ReadSome(absl::MakeSpan(buffer), absl::Seconds(10));
    if (!count.ok()) co_return;
    absl::Status written = co_await stream.Write(absl::string_view(buffer.data(), *count), absl::Seconds(10));
    if (!written.ok()) co_return;
  }
}

asio::awaitable<void> OutOfMemory(tcp::socket socket) {
  Stream stream(std::move(socket));
  throw std::bad_alloc();
  co_return;
}

std::unique_ptr<Listener> StartOrDie(IoThreads& threads, Listener::Serve serve,
                                     const std::string& address = "127.0.0.1:0") {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Start(threads, {.address = address}, serve);
  EXPECT_TRUE(listener.ok()) << listener.status();
  return std::move(listener).value();
}

std::string RoundTrip(uint16_t port, absl::string_view text) {
  Client client;
  if (!client.Connect(port) || !client.Send(text)) return "";
  return client.Receive();
}

bool WaitUntil(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

TEST(IoThreadsTest, ZeroIsOneForEachCore) {
  IoThreads threads(0);
  EXPECT_GE(threads.count(), 1u);
}

TEST(IoThreadsTest, GoesRound) {
  IoThreads threads(3);
  std::vector<asio::io_context*> turns;
  for (int i = 0; i < 6; ++i) turns.push_back(&threads.Next());
  EXPECT_EQ(turns[0], turns[3]);
  EXPECT_EQ(turns[1], turns[4]);
  EXPECT_NE(turns[0], turns[1]);
  EXPECT_NE(turns[1], turns[2]);
}

TEST(IoThreadsTest, AHandlerThatThrowsDoesNotEndItsThread) {
  IoThreads threads(1);
  asio::post(threads.first(), [] { throw std::bad_alloc(); });
  std::atomic<bool> ran{false};
  asio::post(threads.first(), [&] { ran = true; });
  EXPECT_TRUE(WaitUntil([&] { return ran.load(); }));
}

int Number(int socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(socket, level, name, &value, &size), 0);
  return value;
}

TEST(ListenerTest, NoticesAPeerThatHasGoneWithoutAWord) {
  struct Options {
    int keepalive, idle, interval, count, user_timeout;
    bool operator==(const Options&) const = default;
  };
  const auto options_of_accepted = [](absl::Duration peer_timeout) {
    IoThreads threads(1);
    std::promise<Options> seen;
    const auto look = [&seen](tcp::socket socket) -> asio::awaitable<void> {
      const int fd = socket.native_handle();
      seen.set_value({Number(fd, SOL_SOCKET, SO_KEEPALIVE), Number(fd, IPPROTO_TCP, TCP_KEEPIDLE),
                      Number(fd, IPPROTO_TCP, TCP_KEEPINTVL), Number(fd, IPPROTO_TCP, TCP_KEEPCNT),
                      Number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT)});
      co_return;
    };
    const auto listener =
        *Listener::Start(threads, {.address = "127.0.0.1:0", .peer_timeout = peer_timeout}, look);
    Client client;
    EXPECT_TRUE(client.Connect(listener->port()));
    return seen.get_future().get();
  };
  EXPECT_EQ(options_of_accepted(absl::Seconds(90)), (Options{1, 30, 15, 4, 90'000}));
  EXPECT_EQ(options_of_accepted(kLeastPeerTimeout), (Options{1, 1, 1, 4, 3'000}));
  EXPECT_EQ(options_of_accepted(absl::ZeroDuration()).keepalive, 0);
  EXPECT_EQ(options_of_accepted(absl::ZeroDuration()).user_timeout, 0);
}

TEST(ListenerTest, ServesManyAtOnce) {
  IoThreads threads(2);
  const auto listener = StartOrDie(threads, Echo);
  ASSERT_NE(listener->port(), 0);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<Client>());
    ASSERT_TRUE(clients.back()->Connect(listener->port()));
    ASSERT_TRUE(clients.back()->Send(absl::StrCat("hello ", i)));
  }
  for (int i = 0; i < 200; ++i) EXPECT_EQ(clients[i]->Receive(), absl::StrCat("hello ", i));
}

asio::awaitable<void> NoteThread(tcp::socket socket, absl::Mutex& mutex, std::vector<std::thread::id>& ids) {
  {
    absl::MutexLock lock(&mutex);
    ids.push_back(std::this_thread::get_id());
  }
  co_await Echo(std::move(socket));
}

// The threads on which connections were served, in their order.
class ListenerThreadsTest : public testing::Test {
 protected:
  // Its connection is served when it has answered.
  std::unique_ptr<Client> Connect() {
    auto client = std::make_unique<Client>();
    EXPECT_TRUE(client->Connect(listener_->port()));
    EXPECT_TRUE(client->Send("x"));
    EXPECT_EQ(client->Receive(), "x");
    return client;
  }
  std::thread::id Thread(size_t connection) {
    absl::MutexLock lock(&mutex_);
    return ids_.at(connection);
  }

  absl::Mutex mutex_;
  std::vector<std::thread::id> ids_;
  IoThreads threads_{2};
  const std::unique_ptr<Listener> listener_ = StartOrDie(
      threads_, [this](tcp::socket socket) { return NoteThread(std::move(socket), mutex_, ids_); });
};

TEST_F(ListenerThreadsTest, ConnectionsAreSpreadOverTheThreads) {
  const std::unique_ptr<Client> clients[] = {Connect(), Connect(), Connect(), Connect()};
  EXPECT_NE(Thread(0), Thread(1));
  EXPECT_NE(Thread(2), Thread(3));
}

TEST_F(ListenerThreadsTest, OneThatHasEndedMakesRoomOnItsThread) {
  std::unique_ptr<Client> first = Connect();
  const std::unique_ptr<Client> second = Connect();
  const std::thread::id thread = Thread(1);
  ASSERT_NE(Thread(0), thread);
  // A moment later than the client has gone.
  first.reset();
  ASSERT_TRUE(WaitUntil([&] { return &threads_.TakePlace().context() == &threads_.first(); }));
  const std::unique_ptr<Client> third = Connect();
  EXPECT_EQ(Thread(2), Thread(0));
}

TEST_F(ListenerThreadsTest, ConnectionsThatComeAloneStayOnTheThreadThatAccepts) {
  for (int i = 0; i < 4; ++i) {
    Connect();
    const auto it_has_gone = [&] {
      const IoThreads::Place one = threads_.TakePlace();
      const IoThreads::Place other = threads_.TakePlace();
      return &one.context() == &threads_.first() && &other.context() != &threads_.first();
    };
    ASSERT_TRUE(WaitUntil(it_has_gone));
    EXPECT_EQ(Thread(i), Thread(0));
  }
}

TEST(ListenerTest, AnyAddressTakesIpv4) {
  IoThreads threads(1);
  const auto listener = StartOrDie(threads, Echo, "[::]:0");
  EXPECT_EQ(RoundTrip(listener->port(), "four"), "four");
  EXPECT_THAT(listener->address(), ::testing::AnyOf("::", "0.0.0.0"));
}

TEST(ListenerTest, BadAddressesAreNamed) {
  IoThreads threads(1);
  for (const char* bad :
       {"", ":25", "25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:2x",
        "::1:25", "[127.0.0.1]:25", "[::1]", "localhost:25", "127.0.0.1:000025"}) {
    const absl::Status status = Listener::Start(threads, {.address = bad}, Echo).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(bad));
  }
}

TEST(ListenerTest, ATakenPortIsUnavailable) {
  IoThreads threads(1);
  const auto first = StartOrDie(threads, Echo);
  const absl::Status status =
      Listener::Start(threads, {.address = absl::StrCat("127.0.0.1:", first->port())}, Echo).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(absl::StrCat(first->port())));
}

TEST(ListenerTest, StopEndsAcceptingAndLeavesConnections) {
  IoThreads threads(2);
  const auto listener = StartOrDie(threads, Echo);
  Client before;
  ASSERT_TRUE(before.Connect(listener->port()));
  ASSERT_TRUE(before.Send("a"));
  ASSERT_EQ(before.Receive(), "a");
  listener->Stop();
  listener->Stop();
  EXPECT_TRUE(WaitUntil([&] { return RoundTrip(listener->port(), "x").empty(); }));
  ASSERT_TRUE(before.Send("b"));
  EXPECT_EQ(before.Receive(), "b");
  // The port can be had again at once.
  const auto next = StartOrDie(threads, Echo, absl::StrCat("127.0.0.1:", listener->port()));
  EXPECT_EQ(RoundTrip(next->port(), "c"), "c");
}

TEST(ListenerTest, AServerThatThrowsLosesThatConnectionOnly) {
  ::testing::internal::CaptureStderr();
  {
    IoThreads threads(1);
    std::atomic<int> calls{0};
    const auto listener = StartOrDie(threads, [&](tcp::socket socket) {
      return calls++ == 0 ? OutOfMemory(std::move(socket)) : Echo(std::move(socket));
    });
    EXPECT_EQ(RoundTrip(listener->port(), "x"), "");
    EXPECT_EQ(RoundTrip(listener->port(), "y"), "y");
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("event=connection_failed"));
}

TEST(ListenerTest, ListenersAndThreadsMayGoWhileSessionsWait) {
  Client client;
  IoThreads threads(2);
  {
    const auto listener = StartOrDie(threads, Echo);
    ASSERT_TRUE(client.Connect(listener->port()));
    ASSERT_TRUE(client.Send("a"));
    ASSERT_EQ(client.Receive(), "a");
  }
  ASSERT_TRUE(client.Send("b"));
  EXPECT_EQ(client.Receive(), "b");
  // And ~IoThreads destroys the session where it waits.
}

// Descriptors run out when the process has as many as the limit allows: the lowest free number is the limit.
// UBSan itself needs descriptors, to look whether an object has the type that it should have, and takes it for a bad one
// where there are none.
#if !defined(__SANITIZE_ADDRESS__)
TEST(ListenerTest, PausesWhenDescriptorsRunOutAndGoesOn) {
  IoThreads threads(1);
  const auto listener = StartOrDie(threads, Echo);
  Client client;
  const int next_descriptor = ::fcntl(client.fd(), F_DUPFD_CLOEXEC, 0);
  ASSERT_GE(next_descriptor, 0);
  ::close(next_descriptor);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none_left{static_cast<rlim_t>(next_descriptor), before.rlim_max};

  ::testing::internal::CaptureStderr();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  const bool connected = client.Connect(listener->port()) && client.Send("patience");
  rusage usage_before;
  ::getrusage(RUSAGE_SELF, &usage_before);
  absl::SleepFor(absl::Milliseconds(350));
  rusage usage_after;
  ::getrusage(RUSAGE_SELF, &usage_after);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const std::string answer = client.Receive();
  const std::string log = ::testing::internal::GetCapturedStderr();

  EXPECT_TRUE(connected);
  EXPECT_EQ(answer, "patience");
  EXPECT_EQ(std::vector<std::string>(absl::StrSplit(log, "event=accept_failed")).size(), 2u)
      << "said once: " << log;
  const double spent =
      static_cast<double>(usage_after.ru_utime.tv_sec - usage_before.ru_utime.tv_sec) +
      static_cast<double>(usage_after.ru_utime.tv_usec - usage_before.ru_utime.tv_usec) / 1e6;
  EXPECT_LT(spent, 0.2) << "it spun";
}
#endif

}  // namespace
}  // namespace mailstead::net
