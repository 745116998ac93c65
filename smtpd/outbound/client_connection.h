// One connection to another host: the socket of a ClientSession. It dials, moves bytes, performs the actions that the
// session asks for, and holds every deadline.
//
//   ClientConnection connection(executor, options);
//   co_await connection.Open();
//   while (connection.usable() && ...) outcome = co_await connection.Send(transaction, body);
//   co_await connection.Quit();
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/base/clock.h"
#include "common/net/client_tls.h"
#include "common/net/dialer.h"
#include "common/net/stream.h"
#include "smtpd/outbound/body_source.h"
#include "smtpd/outbound/client_session.h"
#include "smtpd/outbound/connection_key.h"
#include "smtpd/outbound/sasl_client.h"

namespace mailstead::smtp::outbound {

struct ClientOptions {
  ClientConfig session;
  asio::ip::tcp::endpoint host;
  // Absent: the system's choice.
  std::optional<asio::ip::address> source;
  // As whom `sasl` logs in, for key().
  std::string identity;
  // This connection is for mail under REQUIRETLS, for key().
  bool require_tls = false;
  // Both outlive the connection. Null `sasl`: ClientConfig::auth_mechanisms is empty.
  net::ClientTls& tls;
  SaslClient* sasl = nullptr;
  const Clock& steady = Clock::Steady();
};

// Used by one coroutine at a time, on its own single-threaded io_context.
class ClientConnection {
 public:
  ClientConnection(asio::any_io_executor executor, ClientOptions options);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // Connects, and goes as far as a transaction may follow. Once. Where it fails, outcome() says how.
  asio::awaitable<void> Open();

  // Sends one message. `body` lives until then. Also when the connection is not usable any more, or turns out to be
  // not: nothing was offered to the host then, and the recipients' outcomes are those of OutcomeWithoutTransaction,
  // with kIdle where the host has ended a connection at rest: a new one may serve at once.
  asio::awaitable<TransactionOutcome> Send(Transaction transaction, BodySource& body);

  // Says QUIT if the connection is usable, and closes.
  asio::awaitable<void> Quit();

  // Closes at once: what is under way ends, with "shutting down" as its reason. From its own io_context only.
  void Close();

  // A transaction may follow.
  bool usable() const { return opened_ && session_.connection().usable(); }
  // Before and while it opens: kUsable.
  const ConnectionOutcome& outcome() const;
  // What mail may go over it.
  ConnectionKey key() const;
  const Extensions& extensions() const { return session_.extensions(); }
  // What the handshake agreed on; null in the clear.
  const net::TlsInfo* tls() const { return stream_ == nullptr ? nullptr : stream_->tls(); }
  // By tls() and what the policy asked for.
  Protection protection() const;
  // Null before it is connected.
  const net::Stream* stream() const { return stream_.get(); }

 private:
  // Performs actions until the session is at rest or closed.
  asio::awaitable<void> Follow(Action action, BodySource* body);
  asio::awaitable<Action> Perform(AwaitReplyAction await);
  asio::awaitable<Action> Perform(ShakeHandsAction shake);
  asio::awaitable<Action> Perform(BeginAuthAction begin);
  asio::awaitable<Action> Perform(ContinueAuthAction go_on);
  asio::awaitable<Action> Perform(EndAuthAction end);
  asio::awaitable<Action> Perform(NextPieceAction piece);
  asio::awaitable<Action> Perform(RestAction rest);
  asio::awaitable<Action> Perform(CloseAction close);

  // What is left until `deadline`.
  absl::Duration Until(absl::Time deadline) const;
  // Reads what is there within `timeout`, and gives it to the session.
  asio::awaitable<Action> Read(absl::Duration timeout);
  // Sends what the session has written. Where that fails, the session is told why.
  asio::awaitable<bool> Flush();
  // Whether the host has said or done something while the connection was at rest.
  asio::awaitable<void> LookAtRest();
  // Sends a last QUIT, if there is one, and closes.
  asio::awaitable<void> Leave();

  const ClientOptions options_;
  // Of the handshake.
  net::ClientHandshakeSeen seen_;
  ClientSession session_;
  net::Dialer dialer_;
  std::unique_ptr<net::Stream> stream_;
  // Of the message that is being sent.
  BodySource* body_ = nullptr;
  // When the reply that is awaited is late.
  absl::Time reply_deadline_ = absl::InfiniteFuture();
  // When a transaction must have come to the end of its message.
  absl::Time transaction_deadline_ = absl::InfiniteFuture();
  // Set when Open has come to rest.
  bool opened_ = false;
  bool closed_ = false;
  // Why there was no session.
  std::optional<ConnectionOutcome> not_connected_;
};

}  // namespace mailstead::smtp::outbound
