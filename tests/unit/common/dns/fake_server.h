// A DNS server in the test's own process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/buffer.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/ip/udp.hpp"
#include "asio/read.hpp"
#include "asio/write.hpp"
#include "common/dns/server_list.h"
#include "tests/unit/common/dns/wire.h"

namespace mailstead::dns {

inline constexpr unsigned kResponseFlags = 0x81a0;  // QR, RD, RA, AD

// The number of bytes of a query's header and question.
inline size_t QuestionBytes(const std::string& query) {
  size_t at = 12;
  while (query[at] != 0) at += 1 + static_cast<uint8_t>(query[at]);
  return at + 5;
}

// An answer to a query: what is in it, with one record in the additional section if `opt`.
inline std::string Reply(const std::string& query, const std::vector<std::string>& answer,
                         unsigned flags = kResponseFlags, bool opt = true) {
  std::string reply = absl::StrCat(query.substr(0, 2), U16(flags), U16(1), U16(answer.size()), U16(0),
                                   U16(opt ? 1 : 0), query.substr(12, QuestionBytes(query) - 12));
  for (const std::string& record : answer) reply += record;
  return opt ? reply + OptRr() : reply;
}

inline std::string Address(uint8_t last) {
  return Rr(ToQuestion(), kA, 300, std::string("\xc0\0\2", 3) + U8(last));
}

// One UDP and one TCP port of the same number. An empty reply is none.
class FakeServer {
 public:
  using Answer = std::function<std::string(const std::string& query)>;

  FakeServer(asio::io_context& context, Answer over_udp, Answer over_tcp = nullptr)
      : udp_(context), acceptor_(context), over_udp_(std::move(over_udp)), over_tcp_(std::move(over_tcp)) {
    // A port that is free for UDP may be another's for TCP.
    while (!Bind()) {
    }
    acceptor_.listen();
    ReceiveUdp();
    if (over_tcp_) Accept();
  }

  Server server() const { return {asio::ip::address_v4::loopback(), udp_.local_endpoint().port()}; }
  const std::vector<std::string>& udp_queries() const { return udp_queries_; }
  const std::vector<std::string>& tcp_queries() const { return tcp_queries_; }
  void Close() {
    udp_.close();
    acceptor_.close();
    if (connection_ != nullptr) connection_->close();
  }

 private:
  bool Bind() {
    asio::error_code error;
    udp_.close(error);
    acceptor_.close(error);
    udp_.open(asio::ip::udp::v4());
    udp_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.open(asio::ip::tcp::v4());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind({asio::ip::address_v4::loopback(), udp_.local_endpoint().port()}, error);
    return !error;
  }

  void ReceiveUdp() {
    udp_.async_receive_from(asio::buffer(buffer_), from_, [this](const asio::error_code& error, size_t size) {
      if (error) return;
      udp_queries_.emplace_back(buffer_.data(), size);
      const std::string reply = over_udp_(udp_queries_.back());
      if (!reply.empty()) udp_.send_to(asio::buffer(reply), from_);
      ReceiveUdp();
    });
  }
  void Accept() {
    connection_ = std::make_unique<asio::ip::tcp::socket>(acceptor_.get_executor());
    acceptor_.async_accept(*connection_, [this](const asio::error_code& error) {
      if (error) return;
      asio::async_read(
          *connection_, asio::buffer(buffer_, 2), [this](const asio::error_code& failed, size_t) {
            if (failed) return;
            const size_t size = static_cast<uint8_t>(buffer_[0]) << 8 | static_cast<uint8_t>(buffer_[1]);
            asio::async_read(
                *connection_, asio::buffer(buffer_, size), [this, size](const asio::error_code& cut, size_t) {
                  if (cut) return;
                  tcp_queries_.emplace_back(buffer_.data(), size);
                  const std::string reply = over_tcp_(tcp_queries_.back());
                  asio::write(*connection_, asio::buffer(U16(static_cast<unsigned>(reply.size())) + reply));
                });
          });
    });
  }

  asio::ip::udp::socket udp_;
  asio::ip::tcp::acceptor acceptor_;
  const Answer over_udp_;
  const Answer over_tcp_;
  asio::ip::udp::endpoint from_;
  std::array<char, 4096> buffer_;
  std::unique_ptr<asio::ip::tcp::socket> connection_;
  std::vector<std::string> udp_queries_;
  std::vector<std::string> tcp_queries_;
};

}  // namespace mailstead::dns
