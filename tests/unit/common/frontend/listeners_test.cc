#include "common/frontend/listeners.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/net/stream.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"

namespace mailstead::frontend {
namespace {

struct Context {
  std::string greeting = "hello\r\n";
  // As a client that will not be told: Drain does nothing.
  bool stubborn = false;
};

// Greets, and waits for the client to go.
class GreetingConnection final : public Connection {
 public:
  GreetingConnection(const Context& context, asio::ip::tcp::socket socket)
      : context_(context), stream_(std::move(socket)) {}

  asio::any_io_executor executor() override { return stream_.executor(); }
  void Drain() override {
    if (!context_.stubborn) stream_.Close();
  }
  void Close() override { stream_.Close(); }

  asio::awaitable<void> Run() {
    const absl::Status written = co_await stream_.Write(context_.greeting, absl::Seconds(10));
    if (!written.ok()) co_return;
    const absl::Status ended = co_await stream_.WaitReadable(absl::Seconds(10));
    EXPECT_FALSE(absl::IsDeadlineExceeded(ended));
  }

 private:
  const Context& context_;
  net::Stream stream_;
};

class ListenersTest : public ::testing::Test {
 protected:
  absl::Status Listen(const std::string& address = "127.0.0.1:0") {
    return listeners.Listen<GreetingConnection>("test", {address}, context);
  }
  ~ListenersTest() override {
    EXPECT_TRUE(listeners.Drain(absl::Seconds(10)));
    threads.Join();
  }

  Context context;
  net::IoThreads threads{1};
  Listeners listeners{threads};
};

TEST_F(ListenersTest, ServesUntilItDrains) {
  ASSERT_TRUE(Listen().ok());
  const uint16_t port = listeners.port();
  net::Client client;
  ASSERT_TRUE(client.Connect(port));
  EXPECT_EQ(client.Receive(), "hello\r\n");
  EXPECT_EQ(listeners.connections().count(), 1u);
  EXPECT_TRUE(listeners.Drain(absl::Seconds(10)));
  EXPECT_EQ(client.Receive(), "");
  EXPECT_EQ(listeners.connections().count(), 0u);
  net::Client late;
  EXPECT_FALSE(late.Connect(port));
}

TEST_F(ListenersTest, CutsOffWhoDoesNotEnd) {
  context.stubborn = true;
  ASSERT_TRUE(Listen().ok());
  net::Client client;
  ASSERT_TRUE(client.Connect(listeners.port()));
  EXPECT_EQ(client.Receive(), "hello\r\n");
  EXPECT_TRUE(listeners.Drain(absl::Milliseconds(20)));
  EXPECT_EQ(client.Receive(), "");
}

TEST_F(ListenersTest, AnAddressInUseIsSaid) {
  ASSERT_TRUE(Listen().ok());
  EXPECT_TRUE(absl::IsUnavailable(Listen(absl::StrCat("127.0.0.1:", listeners.port()))));
  EXPECT_TRUE(absl::IsInvalidArgument(Listen("nonsense")));
}

// As operators write it who know that other servers need both.
TEST_F(ListenersTest, BothFamiliesOfOnePortCanBeNamed) {
  for (const bool v6_first : {false, true}) {
    ASSERT_TRUE(Listen().ok());
    const std::string port = absl::StrCat(listeners.port());
    ASSERT_TRUE(listeners.Drain(absl::Seconds(10)));
    const std::string v4 = "0.0.0.0:" + port;
    const std::string v6 = "[::]:" + port;
    // The port is free a moment after Drain.
    absl::Status listens;
    for (int i = 0; i < 1000; ++i) {
      const std::vector<std::string> both = v6_first ? std::vector{v6, v4} : std::vector{v4, v6};
      listens = listeners.Listen<GreetingConnection>("test", both, context);
      if (listens.ok()) break;
      ASSERT_TRUE(listeners.Drain(absl::Seconds(10)));
      absl::SleepFor(absl::Milliseconds(5));
    }
    ASSERT_TRUE(listens.ok()) << listens;
    net::Client client;
    EXPECT_TRUE(client.Connect(listeners.port()));
    ASSERT_TRUE(listeners.Drain(absl::Seconds(10)));
  }
}

TEST_F(ListenersTest, DrainsWithoutAListener) { EXPECT_TRUE(listeners.Drain(absl::Seconds(10))); }

}  // namespace
}  // namespace mailstead::frontend
