// One TCP connection, plain or under TLS, as a coroutine sees it. Every wait has a deadline.
//
// Reads and writes try the socket first and wait only when it would block, so an idle session holds no buffer
// and a busy one arms no timer. OpenSSL works on the descriptor itself: there is no second copy of the bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"

namespace mailstead::net {

class ClientTls;
struct ClientHandshake;
class TlsContext;

// What a TLS handshake agreed on, for Received and the log.
struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  // The protocol that was chosen by ALPN (RFC 7301); empty: the client named none, or this side offers none.
  std::string alpn;
  // It went on from an earlier session, by a ticket.
  bool resumed = false;
  // The 32 bytes of RFC 9266 that bind a login to the connection (SCRAM-SHA-256-PLUS). Empty when the
  // handshake gives no unique value (TLS 1.2 without the extended master secret): the PLUS mechanisms must
  // not be offered then.
  std::string tls_exporter;
  // The 12 bytes of RFC 5929 section 3, by which clients bind under TLS 1.2. Set with tls_exporter, and empty under TLS
  // 1.3, which has none, and on the client's side, where we do not bind.
  std::string tls_unique;
};

// Used by one coroutine at a time, on the socket's own single-threaded io_context.
// Errors of all waits: Unavailable (the peer closed or reset; message "connection closed" on an orderly end),
// DeadlineExceeded, Cancelled (Close was called, as on shutdown).
class Stream {
 public:
  explicit Stream(asio::ip::tcp::socket socket);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Reads at least one byte into `into`. Waits until `timeout` has passed; with none, what is there now is read.
  asio::awaitable<absl::StatusOr<size_t>> ReadSome(absl::Span<char> into, absl::Duration timeout);
  // As ReadSome, without a buffer of the caller's: at most kMaxReadBytes are given to `take` when they are
  // there, and nothing is held while none are. `take` must live until then and must not suspend.
  static constexpr size_t kMaxReadBytes = 16'384;
  asio::awaitable<absl::Status> ReadInto(absl::FunctionRef<void(absl::string_view)> take, size_t max_bytes,
                                         absl::Duration timeout);
  // As ReadSome, but the bytes stay in the socket. Before StartTls only. It returns at once as long as there
  // are unread bytes: take them with ReadSome before the next call.
  asio::awaitable<absl::StatusOr<size_t>> Peek(absl::Span<char> into, absl::Duration timeout);
  // Waits until bytes or the end can be read (TLS: until a record may be there), without a buffer. For idle
  // sessions.
  asio::awaitable<absl::Status> WaitReadable(absl::Duration timeout);
  // Writes all of `bytes`. The deadline is for each step that makes progress, and `bytes` must live until
  // then.
  asio::awaitable<absl::Status> Write(absl::string_view bytes, absl::Duration timeout);

  // For one coroutine that reads and writes at once, as HTTP/2 must: what can be written without a wait is; how many bytes.
  // What follows the bytes that were not written begins with them.
  absl::StatusOr<size_t> TryWrite(absl::string_view bytes);
  // Waits until more can be read than a read without a timeout has just found, or, with `or_writable`, until something can be
  // written.
  asio::awaitable<absl::Status> WaitForPeer(bool or_writable, absl::Duration timeout);

  // Performs the server's handshake. Once. What was read from the socket before is the caller's to throw
  // away. After an error the stream can only be closed. OpenSSL writes with write(2): the process must ignore
  // SIGPIPE (see BlockSignals).
  asio::awaitable<absl::Status> StartTls(const TlsContext& context, absl::Duration timeout);
  // The client's handshake, in the same way. `tls` outlives the stream. Unavailable says what was wrong with the
  // certificate, where that is why.
  asio::awaitable<absl::Status> StartTls(ClientTls& tls, const ClientHandshake& wanted,
                                         absl::Duration timeout);
  // What the handshake agreed on; null before StartTls.
  const TlsInfo* tls() const;

  // Whether the peer has sent bytes before we spoke (an early talker). Never waits.
  bool HasPendingInput();

  // Whether something that was written still waits for the peer's host to take it.
  bool HasUnsent() const;

  // Ends the wait that is under way, if any, with Cancelled; the stream can be used on. For a last word at
  // shutdown. From the stream's own io_context only.
  void Interrupt();
  // Ends all waits with Cancelled and closes. From the stream's own io_context only.
  void Close();
  // Sends close_notify if under TLS, then shuts down the sending side, without waiting for the peer.
  void ShutdownSend();

  asio::any_io_executor executor();
  // The address and port of the client: the socket's, or what the PROXY header said.
  const asio::ip::tcp::endpoint& peer() const;
  // Its address as AddressText gives it.
  const std::string& peer_address() const;
  const asio::ip::tcp::endpoint& local() const;
  void SetEndpoints(const asio::ip::tcp::endpoint& peer, const asio::ip::tcp::endpoint& local);

 private:
  struct Impl;
  // The stream's state, shared with the timer's handler, which may still be queued when the stream is gone.
  std::shared_ptr<Impl> impl_;
};

// The address as text: "192.0.2.1", "2001:db8::1". An IPv4-mapped IPv6 address is shown as IPv4.
std::string AddressText(const asio::ip::tcp::endpoint& endpoint);

}  // namespace mailstead::net
