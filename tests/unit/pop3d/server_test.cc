// Sessions of pop3d behind the listeners of a daemon.
#include <future>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "asio/connect.hpp"
#include "asio/post.hpp"
#include "asio/read_until.hpp"
#include "asio/streambuf.hpp"
#include "asio/write.hpp"
#include "common/frontend/listeners.h"
#include "common/net/listener.h"
#include "gtest/gtest.h"
#include "pop3d/connection.h"
#include "tests/unit/pop3d/connection_fixture.h"

namespace mailstead::pop3 {
namespace {

// The server on a thread of its own.
class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    service_.context.session.allow_plaintext_auth = true;
    service_.store.Deliver(service_.store.demo(), std::string(20 << 20, 'x'));
    // Behind all that: from here on the store belongs to the server's thread.
    EXPECT_TRUE(Listen("127.0.0.1:0").ok());
  }

  ~ServerTest() override {
    EXPECT_TRUE(server_.Drain(absl::Seconds(10)));
    // The last connection has left the set, but may not be destroyed yet.
    std::promise<void> done;
    asio::post(threads_.first(), [&done] { done.set_value(); });
    done.get_future().wait();
  }

  absl::Status Listen(const std::string& address) {
    return server_.Listen<Connection>("pop3", {address}, service_.context);
  }
  // Sessions do not wait for their maildrops to be released.
  testing::AssertionResult NothingIsLocked() {
    const absl::Time end = absl::Now() + absl::Seconds(10);
    while (service_.store.locked_count() != 0) {
      if (absl::Now() > end) return testing::AssertionFailure() << service_.store.locked_count() << " locked";
      absl::SleepFor(absl::Milliseconds(1));
    }
    return testing::AssertionSuccess();
  }
  std::string Ask(asio::ip::tcp::socket& socket, const std::string& command) {
    asio::write(socket, asio::buffer(command + "\r\n"));
    return ReadLine(socket);
  }
  std::string ReadLine(asio::ip::tcp::socket& socket) {
    std::string line;
    asio::error_code error;
    const size_t size = asio::read_until(socket, asio::dynamic_buffer(line), "\r\n", error);
    return error ? "closed" : line.substr(0, size - 2);
  }
  asio::ip::tcp::socket Connect() {
    asio::ip::tcp::socket socket(client_io_);
    socket.connect({asio::ip::address_v4::loopback(), server_.port()});
    return socket;
  }

  asio::io_context client_io_;
  net::IoThreads threads_{1};
  PopService service_;
  frontend::Listeners server_{threads_};
};

TEST_F(ServerTest, ServesAndDrains) {
  asio::ip::tcp::socket idle = Connect();
  EXPECT_EQ(ReadLine(idle), "+OK mail.example.test POP3 server ready");
  EXPECT_EQ(Ask(idle, "USER demo@example.test"), "+OK send PASS");
  EXPECT_TRUE(absl::StartsWith(Ask(idle, "PASS secret"), "+OK"));
  const uint16_t port = server_.port();
  EXPECT_TRUE(server_.Drain(absl::Seconds(10)));
  EXPECT_EQ(ReadLine(idle), "closed");
  EXPECT_TRUE(NothingIsLocked());
  asio::ip::tcp::socket late(client_io_);
  asio::error_code error;
  late.connect({asio::ip::address_v4::loopback(), port}, error);
  EXPECT_EQ(error, asio::error::connection_refused);
}

TEST_F(ServerTest, CutsOffWhoDoesNotEnd) {
  asio::ip::tcp::socket stuck = Connect();
  ReadLine(stuck);
  Ask(stuck, "USER demo@example.test");
  Ask(stuck, "PASS secret");
  EXPECT_TRUE(absl::StartsWith(Ask(stuck, "RETR 1"), "+OK"));
  EXPECT_TRUE(server_.Drain(absl::Milliseconds(100)));
  EXPECT_TRUE(NothingIsLocked());
}

TEST_F(ServerTest, AnAddressInUseIsSaid) {
  const absl::Status status = Listen(absl::StrCat("127.0.0.1:", server_.port()));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::IsInvalidArgument(Listen("nonsense")));
}

}  // namespace
}  // namespace mailstead::pop3
