#include "common/net/stream.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/net/client_tls.h"
#include "common/net/openssl.h"
#include "common/net/tls_context.h"

namespace mailstead::net {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr size_t kExporterBytes = 32;
constexpr SteadyTime kNever = SteadyTime::max();

// What stands in the way of the next byte.
enum class Want { kNothing, kRead, kWrite };

// The result of one try on the socket: bytes moved, or what to wait for, or an error.
struct Step {
  size_t bytes = 0;
  Want want = Want::kNothing;
  absl::Status status;
};

SteadyTime DeadlineAfter(absl::Duration timeout) {
  // A time that is far enough away to be never, and near enough not to overflow.
  const absl::Duration bounded = std::clamp(timeout, absl::ZeroDuration(), absl::Hours(24 * 365));
  return std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(bounded);
}

absl::Status ClosedByPeer() { return absl::UnavailableError("connection closed"); }
absl::Status ClosedByUs() { return absl::CancelledError("connection closed by this side"); }

absl::Status SocketError(int error) {
  return absl::UnavailableError(std::error_code(error, std::system_category()).message());
}

// The end of one recv or send.
Step SocketStep(ssize_t result, Want want) {
  if (result >= 0) return {.bytes = static_cast<size_t>(result)};
  const int error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return {.want = want};
  return {.status = SocketError(error)};
}

// The first Finished message of the handshake, RFC 5929 section 3.1: the client's, or ours when the session was resumed.
std::string TlsUnique(SSL* ssl) {
  unsigned char value[EVP_MAX_MD_SIZE];
  const size_t size = SSL_session_reused(ssl) == 1 ? SSL_get_finished(ssl, value, sizeof(value))
                                                   : SSL_get_peer_finished(ssl, value, sizeof(value));
  return std::string(reinterpret_cast<const char*>(value), std::min(size, sizeof(value)));
}

TlsInfo DescribeTls(SSL* ssl) {
  TlsInfo info;
  info.version = SSL_get_version(ssl);
  info.cipher = SSL_get_cipher_name(ssl);
  info.resumed = SSL_session_reused(ssl) == 1;
  const unsigned char* protocol = nullptr;
  unsigned int protocol_bytes = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &protocol_bytes);
  info.alpn.assign(reinterpret_cast<const char*>(protocol), protocol_bytes);
  // SECURITY: without the extended master secret a TLS 1.2 exporter value can be the same on two connections,
  // and a man in the middle could pass a SCRAM exchange on (RFC 9266 section 3, RFC 7627).
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return info;
  static constexpr absl::string_view kLabel = "EXPORTER-Channel-Binding";
  unsigned char value[kExporterBytes];
  // A context of no bytes (RFC 9266 section 3), which under TLS 1.2 is another value than no context.
  static constexpr unsigned char kNoBytes[1] = {};
  if (SSL_export_keying_material(ssl, value, sizeof(value), kLabel.data(), kLabel.size(), kNoBytes, 0,
                                 /*use_context=*/1) == 1) {
    info.tls_exporter.assign(reinterpret_cast<const char*>(value), sizeof(value));
  }
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_is_server(ssl)) info.tls_unique = TlsUnique(ssl);
  return info;
}

// "certificate verify failed" alone helps nobody.
absl::Status WithCertificateError(const SSL* ssl, absl::Status status) {
  const long error = SSL_get_verify_result(ssl);
  if (SSL_is_server(ssl) || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE || error == X509_V_OK) return status;
  return absl::Status(status.code(),
                      absl::StrCat(status.message(), ": ", X509_verify_cert_error_string(error)));
}

}  // namespace

struct Stream::Impl : std::enable_shared_from_this<Stream::Impl> {
  explicit Impl(asio::ip::tcp::socket connected)
      : socket(std::move(connected)), timer(socket.get_executor()) {}

  Step TryRead(absl::Span<char> into);
  Step TryPeek(absl::Span<char> into);
  Step TryWrite(absl::string_view bytes);
  Step TryHandshake();
  // With `ssl` made for it, or null where that failed.
  asio::awaitable<absl::Status> Handshake(absl::Duration timeout);
  // What came of an SSL_..._ex function, asked at once after it; `result` is what it returned.
  Step TlsStep(int result, size_t bytes);
  // OK when the socket is ready for what is wanted; the errors of the header otherwise.
  asio::awaitable<absl::Status> Wait(Want want, SteadyTime until);
  // The same until the socket can be read or written.
  asio::awaitable<absl::Status> WaitForEither(SteadyTime until);
  // Sees to it that the timer goes off at the deadline or before it.
  void SetTimer();
  void OnTimer();
  void NoteTraffic();
  void AcknowledgeNow();
  void Close();

  asio::ip::tcp::socket socket;
  asio::steady_timer timer;
  asio::ip::tcp::endpoint peer;
  // As text: every line of the log has it.
  std::string peer_address;
  asio::ip::tcp::endpoint local;
  SslPtr ssl;
  std::unique_ptr<TlsInfo> tls_info;
  // Set when the last read took all that the socket had, so that the next one waits without a try; cleared
  // when it has waited.
  bool drained = false;
  // Something was read since we last wrote or acknowledged.
  bool owes_ack = false;
  // What OpenSSL had read from the socket, and written to it, when it was last asked for something.
  uint64_t tls_read_bytes = 0;
  uint64_t tls_written_bytes = 0;
  // Of the current wait; kNever when there is none.
  SteadyTime deadline = kNever;
  // When the timer goes off; kNever when it is not set. It is left as it is when a wait ends, and moved on when it goes
  // off too early: so a deadline that each command puts off costs next to nothing.
  SteadyTime alarm = kNever;
  // Set when the current wait's time was over; cleared when a wait begins.
  bool timed_out = false;
  // Of the current wait for either, which is told by it from those before: its handler may still be queued when it is over.
  uint64_t wait_for_either = 0;
  // Set when that wait has ended because the socket can be written; cleared when one begins.
  bool writable = false;
  // Set by Close, for ever.
  bool closed = false;
  // Set by a fatal error, for ever: no more may be asked of OpenSSL then, not even close_notify.
  bool tls_failed = false;
};

Step Stream::Impl::TlsStep(int result, size_t bytes) {
  const int socket_error = errno;
  NoteTraffic();
  if (result == 1) return {.bytes = bytes};
  switch (SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {.want = Want::kRead};
    case SSL_ERROR_WANT_WRITE:
      return {.want = Want::kWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {.status = ClosedByPeer()};
    case SSL_ERROR_SYSCALL:
      tls_failed = true;
      return {.status = socket_error == 0 ? ClosedByPeer() : SocketError(socket_error)};
    default:
      tls_failed = true;
      return {.status = absl::UnavailableError(absl::StrCat("TLS: ", TakeOpenSslError()))};
  }
}

// Of the bytes under TLS, also those of half a record or of a handshake, which nobody is told of.
void Stream::Impl::NoteTraffic() {
  const uint64_t read = BIO_number_read(SSL_get_rbio(ssl.get()));
  const uint64_t written = BIO_number_written(SSL_get_wbio(ssl.get()));
  if (written != tls_written_bytes) {
    owes_ack = false;
  } else if (read != tls_read_bytes) {
    owes_ack = true;
  }
  tls_read_bytes = read;
  tls_written_bytes = written;
}

// In all of these `closed` comes first. SECURITY: a closed descriptor's number may belong to another
// connection by now.

Step Stream::Impl::TryRead(absl::Span<char> into) {
  if (closed) return {.status = ClosedByUs()};
  Step step;
  if (ssl == nullptr) {
    if (drained) return {.want = Want::kRead};
    step = SocketStep(::recv(socket.native_handle(), into.data(), into.size(), MSG_DONTWAIT), Want::kRead);
    drained = step.bytes < into.size();
    owes_ack = owes_ack || step.bytes > 0;
    if (step.bytes == 0 && step.want == Want::kNothing && step.status.ok()) step.status = ClosedByPeer();
    return step;
  }
  if (tls_failed) return {.status = ClosedByPeer()};
  size_t bytes = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_read_ex(ssl.get(), into.data(), into.size(), &bytes);
  return TlsStep(result, bytes);
}

Step Stream::Impl::TryPeek(absl::Span<char> into) {
  if (closed) return {.status = ClosedByUs()};
  Step step = SocketStep(::recv(socket.native_handle(), into.data(), into.size(), MSG_DONTWAIT | MSG_PEEK),
                         Want::kRead);
  if (step.bytes == 0 && step.want == Want::kNothing && step.status.ok()) step.status = ClosedByPeer();
  return step;
}

Step Stream::Impl::TryWrite(absl::string_view bytes) {
  if (closed) return {.status = ClosedByUs()};
  if (ssl == nullptr) {
    // What is sent carries the acknowledgment.
    owes_ack = false;
    return SocketStep(::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
                      Want::kWrite);
  }
  if (tls_failed) return {.status = ClosedByPeer()};
  size_t written = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_write_ex(ssl.get(), bytes.data(), bytes.size(), &written);
  return TlsStep(result, written);
}

Step Stream::Impl::TryHandshake() {
  if (closed) return {.status = ClosedByUs()};
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl.get());
  return TlsStep(result, 0);
}

asio::awaitable<absl::Status> Stream::Impl::Handshake(absl::Duration timeout) {
  if (closed) co_return ClosedByUs();
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket.native_handle()) != 1) {
    tls_failed = true;
    co_return absl::UnavailableError(absl::StrCat("TLS: ", TakeOpenSslError()));
  }
  // One deadline for the handshake as a whole: a peer that trickles it does not hold the place for ever.
  const SteadyTime until = DeadlineAfter(timeout);
  Step step = TryHandshake();
  while (step.want != Want::kNothing) {
    absl::Status ready = co_await Wait(step.want, until);
    if (!ready.ok()) {
      tls_failed = true;
      co_return ready;
    }
    step = TryHandshake();
  }
  if (!step.status.ok()) {
    tls_failed = true;
    co_return WithCertificateError(ssl.get(), std::move(step.status));
  }
  tls_info = std::make_unique<TlsInfo>(DescribeTls(ssl.get()));
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> Stream::Impl::Wait(Want want, SteadyTime until) {
  if (closed) co_return ClosedByUs();
  // A peer that sends a byte in time for each wait must not put off the deadline for ever.
  if (std::chrono::steady_clock::now() >= until) co_return absl::DeadlineExceededError("timed out");

  // A client with Nagle's algorithm on (RFC 1122 section 4.2.3.4) that writes a command in two pieces keeps the second one
  // until the first is acknowledged, and the kernel takes 40 ms for that when we have nothing to send.
  if (want == Want::kRead && std::exchange(owes_ack, false)) AcknowledgeNow();

  timed_out = false;
  deadline = until;
  SetTimer();
  std::error_code error;
  co_await socket.async_wait(
      want == Want::kRead ? asio::socket_base::wait_read : asio::socket_base::wait_write,
      asio::redirect_error(asio::use_awaitable, error));
  drained = false;
  deadline = kNever;
  if (closed) co_return ClosedByUs();
  if (!error) co_return absl::OkStatus();
  if (timed_out) co_return absl::DeadlineExceededError("timed out");
  if (error == asio::error::operation_aborted) co_return absl::CancelledError("wait cancelled");
  co_return absl::UnavailableError(error.message());
}

asio::awaitable<absl::Status> Stream::Impl::WaitForEither(SteadyTime until) {
  if (closed) co_return ClosedByUs();
  writable = false;
  const uint64_t number = ++wait_for_either;
  socket.async_wait(asio::socket_base::wait_write,
                    [self = shared_from_this(), number](const std::error_code& error) {
                      if (error || self->closed || self->wait_for_either != number) return;
                      self->writable = true;
                      std::error_code ignored;
                      self->socket.cancel(ignored);
                    });
  absl::Status ready = co_await Wait(Want::kRead, until);
  ++wait_for_either;
  if (closed) co_return ready;
  // The other half of it.
  std::error_code ignored;
  socket.cancel(ignored);
  if (writable && absl::IsCancelled(ready)) co_return absl::OkStatus();
  co_return ready;
}

void Stream::Impl::AcknowledgeNow() {
  const int on = 1;
  // Where it fails the peer waits a little longer.
  (void)::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void Stream::Impl::SetTimer() {
  if (alarm <= deadline) return;
  alarm = deadline;
  timer.expires_at(deadline);
  timer.async_wait([self = shared_from_this()](const std::error_code& error) {
    if (!error) self->OnTimer();
  });
}

void Stream::Impl::OnTimer() {
  alarm = kNever;
  if (closed || deadline == kNever) return;
  if (std::chrono::steady_clock::now() < deadline) return SetTimer();
  timed_out = true;
  std::error_code ignored;
  socket.cancel(ignored);
}

void Stream::Impl::Close() {
  if (closed) return;
  closed = true;
  timer.cancel();
  std::error_code ignored;
  socket.close(ignored);
}

Stream::Stream(asio::ip::tcp::socket socket) : impl_(std::make_shared<Impl>(std::move(socket))) {
  // Errors here mean that the peer has gone already; the first read will say so.
  std::error_code ignored;
  impl_->socket.native_non_blocking(true, ignored);
  // Replies are written whole; waiting to fill a segment would only delay them.
  impl_->socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  impl_->peer = impl_->socket.remote_endpoint(ignored);
  impl_->local = impl_->socket.local_endpoint(ignored);
  impl_->peer_address = AddressText(impl_->peer);
}

Stream::~Stream() { impl_->Close(); }

asio::awaitable<absl::StatusOr<size_t>> Stream::ReadSome(absl::Span<char> into, absl::Duration timeout) {
  CHECK(!into.empty());
  if (timeout <= absl::ZeroDuration()) impl_->drained = false;
  Step step = impl_->TryRead(into);
  if (step.want == Want::kNothing) {
    if (!step.status.ok()) co_return step.status;
    co_return step.bytes;
  }
  const SteadyTime deadline = DeadlineAfter(timeout);
  while (step.want != Want::kNothing) {
    absl::Status ready = co_await impl_->Wait(step.want, deadline);
    if (!ready.ok()) co_return ready;
    step = impl_->TryRead(into);
  }
  if (!step.status.ok()) co_return step.status;
  co_return step.bytes;
}

asio::awaitable<absl::Status> Stream::ReadInto(absl::FunctionRef<void(absl::string_view)> take,
                                               size_t max_bytes, absl::Duration timeout) {
  // One buffer for each thread: it is full only between one try and the taking.
  thread_local char buffer[kMaxReadBytes];
  CHECK(max_bytes > 0 && max_bytes <= kMaxReadBytes);
  if (timeout <= absl::ZeroDuration()) impl_->drained = false;
  Step step = impl_->TryRead(absl::MakeSpan(buffer, max_bytes));
  if (step.want != Want::kNothing) {
    const SteadyTime deadline = DeadlineAfter(timeout);
    while (step.want != Want::kNothing) {
      absl::Status ready = co_await impl_->Wait(step.want, deadline);
      if (!ready.ok()) co_return ready;
      step = impl_->TryRead(absl::MakeSpan(buffer, max_bytes));
    }
  }
  if (step.status.ok()) take(absl::string_view(buffer, step.bytes));
  co_return step.status;
}

asio::awaitable<absl::StatusOr<size_t>> Stream::Peek(absl::Span<char> into, absl::Duration timeout) {
  CHECK(!into.empty());
  CHECK(impl_->ssl == nullptr);
  const SteadyTime deadline = DeadlineAfter(timeout);
  Step step = impl_->TryPeek(into);
  while (step.want != Want::kNothing) {
    absl::Status ready = co_await impl_->Wait(step.want, deadline);
    if (!ready.ok()) co_return ready;
    step = impl_->TryPeek(into);
  }
  if (!step.status.ok()) co_return step.status;
  co_return step.bytes;
}

asio::awaitable<absl::Status> Stream::WaitReadable(absl::Duration timeout) {
  if (impl_->closed) co_return ClosedByUs();
  // Bytes that OpenSSL has taken from the socket already would not wake us.
  if (impl_->ssl != nullptr && (impl_->tls_failed || SSL_has_pending(impl_->ssl.get()) == 1)) {
    co_return absl::OkStatus();
  }
  // One call is cheaper than registering with epoll when a client pipelines.
  char byte;
  if (::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
    co_return absl::OkStatus();
  const SteadyTime deadline = DeadlineAfter(timeout);
  absl::Status ready = co_await impl_->Wait(Want::kRead, deadline);
  co_return ready;
}

asio::awaitable<absl::Status> Stream::Write(absl::string_view bytes, absl::Duration timeout) {
  // Set when the first wait of a step begins, and again after each byte of progress.
  SteadyTime deadline{};
  while (!bytes.empty()) {
    Step step = impl_->TryWrite(bytes);
    if (!step.status.ok()) co_return step.status;
    if (step.want == Want::kNothing) {
      bytes.remove_prefix(step.bytes);
      deadline = SteadyTime{};
      continue;
    }
    if (deadline == SteadyTime{}) deadline = DeadlineAfter(timeout);
    absl::Status ready = co_await impl_->Wait(step.want, deadline);
    if (!ready.ok()) co_return ready;
  }
  co_return absl::OkStatus();
}

absl::StatusOr<size_t> Stream::TryWrite(absl::string_view bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    const Step step = impl_->TryWrite(bytes.substr(written));
    if (!step.status.ok()) return step.status;
    if (step.want != Want::kNothing) break;
    written += step.bytes;
  }
  return written;
}

asio::awaitable<absl::Status> Stream::WaitForPeer(bool or_writable, absl::Duration timeout) {
  const SteadyTime until = DeadlineAfter(timeout);
  absl::Status ready;
  if (or_writable) {
    ready = co_await impl_->WaitForEither(until);
  } else {
    ready = co_await impl_->Wait(Want::kRead, until);
  }
  co_return ready;
}

asio::awaitable<absl::Status> Stream::StartTls(const TlsContext& context, absl::Duration timeout) {
  CHECK(impl_->ssl == nullptr);
  impl_->ssl.reset(SSL_new(context.current().get()));
  if (impl_->ssl != nullptr) SSL_set_accept_state(impl_->ssl.get());
  return impl_->Handshake(timeout);
}

asio::awaitable<absl::Status> Stream::StartTls(ClientTls& tls, const ClientHandshake& wanted,
                                               absl::Duration timeout) {
  CHECK(impl_->ssl == nullptr);
  impl_->ssl = tls.Begin(wanted);
  absl::Status status = co_await impl_->Handshake(timeout);
  if (wanted.seen != nullptr) *wanted.seen = ClientTls::Look(impl_->ssl, wanted);
  co_return status;
}

const TlsInfo* Stream::tls() const { return impl_->tls_info.get(); }

bool Stream::HasPendingInput() {
  if (impl_->closed || impl_->tls_failed) return false;
  char byte;
  if (impl_->ssl == nullptr) {
    return ::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
  // Records that carry no data (alerts, key updates) are no input of the client's.
  size_t bytes = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_peek_ex(impl_->ssl.get(), &byte, 1, &bytes);
  return impl_->TlsStep(result, bytes).bytes > 0;
}

bool Stream::HasUnsent() const {
  int bytes = 0;
  return !impl_->closed && ::ioctl(impl_->socket.native_handle(), SIOCOUTQNSD, &bytes) == 0 && bytes > 0;
}

void Stream::Interrupt() {
  if (impl_->closed) return;
  std::error_code ignored;
  impl_->socket.cancel(ignored);
}

void Stream::Close() { impl_->Close(); }

void Stream::ShutdownSend() {
  if (impl_->closed) return;
  if (impl_->tls_info != nullptr && !impl_->tls_failed) {
    ERR_clear_error();
    SSL_shutdown(impl_->ssl.get());
    ERR_clear_error();
  }
  std::error_code ignored;
  impl_->socket.shutdown(asio::socket_base::shutdown_send, ignored);
}

asio::any_io_executor Stream::executor() { return impl_->socket.get_executor(); }
const asio::ip::tcp::endpoint& Stream::peer() const { return impl_->peer; }
const std::string& Stream::peer_address() const { return impl_->peer_address; }
const asio::ip::tcp::endpoint& Stream::local() const { return impl_->local; }

void Stream::SetEndpoints(const asio::ip::tcp::endpoint& peer, const asio::ip::tcp::endpoint& local) {
  impl_->peer = peer;
  impl_->peer_address = AddressText(peer);
  impl_->local = local;
}

std::string AddressText(const asio::ip::tcp::endpoint& endpoint) {
  const asio::ip::address address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

}  // namespace mailstead::net
