// One client's connection: all I/O of a session and every deadline of it. It reads, hands the session what it
// has read, performs the actions the session asks for, and writes; it never decides what the protocol says.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/frontend/client_link.h"
#include "common/frontend/connection_set.h"
#include "common/frontend/login_watch.h"
#include "common/net/connection_counter.h"
#include "common/store/store_api.h"
#include "common/text/line_framer.h"
#include "pop3d/connection_context.h"
#include "pop3d/fetcher.h"
#include "pop3d/held_maildrop.h"
#include "pop3d/journal.h"
#include "pop3d/protocol/limits.h"
#include "pop3d/session/session.h"

namespace mailstead::pop3 {

// Belongs to the single-threaded executor of its socket; every function is called there.
class Connection final : public frontend::Connection {
 public:
  // `context` outlives it.
  Connection(const ConnectionContext& context, asio::ip::tcp::socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves the client to the end; then nothing of it is left: no socket, no place in the counter, and the
  // lock of the maildrop on its way to be released. Once.
  asio::awaitable<void> Run();

  asio::any_io_executor executor() override { return link_.stream().executor(); }
  // The process ends: close after the command in progress, at once when there is none. Nothing is said (the
  // client has asked nothing) and nothing is deleted.
  void Drain() override { link_.Drain(); }
  // The time for that is over: close now.
  void Close() override { link_.Close(); }

 private:
  using Next = asio::awaitable<Action>;

  // Before the greeting: PROXY header, counting, implicit TLS. False: there is no session.
  asio::awaitable<bool> Prepare();
  asio::awaitable<bool> ReadProxyHeader();
  asio::awaitable<bool> Admit();
  asio::awaitable<bool> HandshakeTls();
  asio::awaitable<void> Dialog();
  // Sends what is gathered, and waits for the client's next bytes.
  asio::awaitable<void> AwaitInput();
  Action Hear(const Line& line);

  // The actions. Each gives the session's next one.
  Next PerformAny(Action action);
  Next Perform(NextCommandAction);
  Next Perform(CloseAction close);
  Next Perform(StartTlsAction);
  Next Perform(BeginAuthAction begin);
  Next Perform(ContinueAuthAction response);
  Next Perform(EndAuthAction);
  Next Perform(OpenMaildropAction open);
  Next Perform(SendListingAction listing);
  Next Perform(SendMessageAction message);
  Next Perform(CommitAction commit);

  Action Stepped(absl::StatusOr<store::LoginStep> step);
  void WatchLogin(const store::LoggedIn& login);
  // The account was changed: what it may do here is over.
  void LoginEnded(store::LoginEnd why);
  asio::awaitable<void> Send(const SendMessageAction& wanted, OpenedMessage& message);
  void ReleaseMaildrop();
  // Sends the replies gathered.
  asio::awaitable<void> Flush();
  absl::Duration IdleTimeLeft() const;
  Protection ProtectionNow() const;

  const ConnectionContext& context_;
  frontend::ClientLink link_;
  net::ConnectionCounter::Place place_;
  Journal journal_;
  Session session_;
  LineFramer command_framer_{kMaxCommandLineBytes};
  LineFramer auth_framer_{kMaxAuthLineBytes};
  // Until the end of the next command.
  absl::Time idle_deadline_;
  // Null but for the time of a SASL exchange.
  std::unique_ptr<store::Login> login_;
  HeldMaildrop held_;
  // Of the account that is logged in; null before, and when its maildrop could not be opened.
  std::unique_ptr<frontend::LoginWatch::Login> watched_;
  Fetcher fetcher_;
};

}  // namespace mailstead::pop3
