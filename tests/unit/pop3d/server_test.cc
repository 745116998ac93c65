#include "pop3d/server.h"

#include <future>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "asio/connect.hpp"
#include "asio/read_until.hpp"
#include "asio/streambuf.hpp"
#include "asio/write.hpp"
#include "gtest/gtest.h"
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
    EXPECT_TRUE(server_.Listen("pop3", {"127.0.0.1:0"}, false).ok());
  }

  ~ServerTest() override {
    EXPECT_TRUE(server_.Drain(absl::Seconds(10)));
    threads_.reset();
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
  std::unique_ptr<net::IoThreads> threads_ = std::make_unique<net::IoThreads>(1);
  PopService service_;
  Server server_{*threads_, service_.context};
};

TEST_F(ServerTest, ServesAndDrains) {
  asio::ip::tcp::socket idle = Connect();
  EXPECT_EQ(ReadLine(idle), "+OK mail.example.test POP3 server ready");
  EXPECT_EQ(Ask(idle, "USER demo@example.test"), "+OK send PASS");
  EXPECT_TRUE(absl::StartsWith(Ask(idle, "PASS secret"), "+OK"));
  const uint16_t port = server_.port();
  EXPECT_TRUE(server_.Drain(absl::Seconds(10)));
  EXPECT_EQ(ReadLine(idle), "closed");
  EXPECT_EQ(service_.store.locked_count(), 0u);
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
  EXPECT_EQ(service_.store.locked_count(), 0u);
}

TEST_F(ServerTest, AnAddressInUseIsSaid) {
  const absl::Status status = server_.Listen("pop3", {absl::StrCat("127.0.0.1:", server_.port())}, false);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::IsInvalidArgument(server_.Listen("pop3", {"nonsense"}, false)));
}

}  // namespace
}  // namespace mailstead::pop3
