// One client's connection, as the sessions of a front-end use it: its bytes with their deadlines, and why it ends.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/base/clock.h"
#include "common/net/stream.h"
#include "common/text/line_framer.h"

namespace mailstead::frontend {

struct ClientLinkOptions {
  // Taken from the socket in one read.
  size_t read_bytes = 16'384;
  // How long, and for how many bytes, a client that still talks is listened to while we close.
  absl::Duration leave_timeout = absl::Seconds(1);
  size_t max_leave_bytes = 65'536;
};

// Belongs to the single-threaded executor of its socket; every function is called there.
class ClientLink {
 public:
  // `steady` and `options` outlive it.
  ClientLink(asio::ip::tcp::socket socket, const Clock& steady, const ClientLinkOptions& options);
  ClientLink(const ClientLink&) = delete;
  ClientLink& operator=(const ClientLink&) = delete;

  net::Stream& stream() { return stream_; }
  const net::Stream& stream() const { return stream_; }
  // What came and was not dealt with.
  InputBuffer& input() { return input_; }

  // While this lives, nothing but the client is waited for: Drain ends the wait.
  class Waiting {
   public:
    explicit Waiting(ClientLink& link) : link_(link) { link_.waiting_for_client_ = true; }
    ~Waiting() { link_.waiting_for_client_ = false; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    ClientLink& link_;
  };
  bool waiting_for_client() const { return waiting_for_client_; }

  // Appends at least one byte to input().
  asio::awaitable<absl::Status> Fill(absl::Duration timeout);
  // The same, with Waiting.
  asio::awaitable<absl::Status> AwaitInput(absl::Duration timeout);
  // The same of what is there now. DeadlineExceeded: nothing is.
  asio::awaitable<absl::Status> FillNow() { return Fill(absl::ZeroDuration()); }
  asio::awaitable<void> WriteAll(std::string bytes, absl::Duration timeout);

  // Ends the connection. The first reason counts; they are literals.
  void End(absl::string_view reason);
  void EndFor(const absl::Status& status, absl::string_view timeout_reason);
  // Empty while the connection goes on.
  absl::string_view end_reason() const { return end_reason_; }
  bool ended() const { return !end_reason_.empty(); }

  // As of frontend::Connection.
  void Drain();
  void Close();
  bool draining() const { return draining_; }

  // The client is perhaps still sending what is not read.
  void set_talked_to(bool yes) { is_talked_to_ = yes; }
  // After the last reply.
  asio::awaitable<void> LeaveGently();

 private:
  net::Stream stream_;
  const Clock& steady_;
  const ClientLinkOptions& options_;
  InputBuffer input_;
  absl::string_view end_reason_ = "";
  // Set and cleared by Waiting.
  bool waiting_for_client_ = false;
  bool is_talked_to_ = false;
  // Set by Drain and Close, for good.
  bool draining_ = false;
  // Set by Close, for good.
  bool closed_ = false;
};

}  // namespace mailstead::frontend
