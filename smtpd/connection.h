// One client's connection: all I/O of a session and every deadline of it. It moves bytes between the socket,
// the session and the store, and performs the actions the session asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/base/clock.h"
#include "common/net/connection_counter.h"
#include "common/net/stream.h"
#include "common/text/line_framer.h"
#include "smtpd/session/session.h"

namespace mailstead::net {
class NetworkList;
class TlsContext;
}  // namespace mailstead::net

namespace mailstead::smtp {

class AuthDialog;
class ConnectionSet;
class Delivery;
class MessageIntake;
class Metrics;
class StoreClient;
struct DeliveryEnvelope;

// What the connections of a listener share; all of it outlives them.
struct ConnectionContext {
  SessionConfig session;
  StoreClient& store;
  const net::TlsContext& tls;
  net::ConnectionCounter& counter;
  // Peers that must begin with a PROXY header.
  const net::NetworkList& proxy_networks;
  ConnectionSet& connections;
  Metrics& metrics;
  const Clock& clock;
  // A call that fails is tried again for this long.
  absl::Duration store_retry_for = absl::Seconds(10);
  // Random identifiers of so many characters.
  std::string (*new_id)(size_t size);
};

// One connection from the socket on, to its end. `context` outlives it.
asio::awaitable<void> ServeConnection(const ConnectionContext& context, asio::ip::tcp::socket socket);

class Connection {
 public:
  Connection(const ConnectionContext& context, asio::ip::tcp::socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves the client to the end. Once.
  asio::awaitable<void> Run();

  asio::any_io_executor executor() { return stream_.executor(); }
  // From the connection's own thread: say 421 as soon as the session is idle.
  void Drain();
  // From the connection's own thread: end it now.
  void Close() { stream_.Close(); }

 private:
  // Before the greeting: PROXY header, counting, implicit TLS, early talkers. False: there is no session.
  asio::awaitable<bool> Admit();
  asio::awaitable<bool> ReadProxyHeader();
  asio::awaitable<bool> HandshakeTls();
  asio::awaitable<void> Talk();
  // The next line as an event for the session.
  asio::awaitable<Action> AwaitCommand();
  // After the last reply.
  asio::awaitable<void> Linger();

  asio::awaitable<Action> Do(NextCommand);
  asio::awaitable<Action> Do(ResolveRecipient resolve);
  asio::awaitable<Action> Do(CheckSender check);
  asio::awaitable<Action> Do(BeginAuth begin);
  asio::awaitable<Action> Do(ContinueAuth response);
  asio::awaitable<Action> Do(EndAuth);
  asio::awaitable<Action> Do(StartTls);
  asio::awaitable<Action> Do(ReceiveData);
  asio::awaitable<Action> Do(ReceiveChunk chunk);
  asio::awaitable<Action> Do(SwallowChunk chunk);
  asio::awaitable<Action> Do(smtp::Close);

  asio::awaitable<absl::StatusOr<Resolution>> ResolveWithNext(ResolveRecipient resolve);

  // Message receipt, in connection_message.cc.
  void BeginMessage();
  DeliveryEnvelope MakeEnvelope(const Transaction& transaction) const;
  asio::awaitable<Action> FinishMessage();
  // Hands a full piece to the store, or drops what a defect made unwanted.
  asio::awaitable<void> PassOn();
  void EndMessage();
  // After a read that failed in the middle of a message.
  Action MessageCutShort(const absl::Status& status);
  // Waits for bytes of the message. The deadline is the nearer one of the next bytes' and the message's.
  asio::awaitable<absl::Status> FillForMessage();

  // Appends at least one byte to input_.
  asio::awaitable<absl::Status> Fill(absl::Duration timeout);
  // Sends the replies gathered.
  asio::awaitable<absl::Status> Flush();
  // Says why and gives Close; for failures of the connection itself.
  Action EndAfter(const absl::Status& status);
  absl::Duration RetryTime() const;
  // Notes how a call to the store went.
  void NoteStore(absl::string_view call, const absl::Status& status);
  void LogRefusal(absl::string_view event, absl::string_view key, absl::string_view value);
  void LogAuth(const absl::StatusOr<rpc::AuthStep>& step);
  void LogClosed();

  const ConnectionContext& context_;
  net::Stream stream_;
  const std::string id_;
  const absl::Time started_;
  const uint64_t set_id_;
  net::ConnectionCounter::Place place_;
  Session session_;
  InputBuffer input_;
  LineFramer framer_;
  std::unique_ptr<AuthDialog> auth_;
  // The message being received, over several commands with BDAT.
  std::unique_ptr<MessageIntake> intake_;
  std::unique_ptr<Delivery> delivery_;
  absl::Time message_started_;
  std::string client_;
  std::string auth_mechanism_;
  // Answers for RCPT commands whose turn has not come.
  std::deque<std::pair<std::string, absl::StatusOr<Resolution>>> resolved_ahead_;
  // Why the session ended, for the log.
  absl::string_view end_reason_ = "client";
  size_t message_count_ = 0;
  unsigned busy_reads_ = 0;
  // What Drain may cut off: everything but a session at work.
  enum class Phase { kBeforeGreeting, kWorking, kIdle, kLingering };
  Phase phase_ = Phase::kBeforeGreeting;
  // A store that stayed away for the whole time is not waited for again in this session until it answers.
  bool store_away_ = false;
};

}  // namespace mailstead::smtp
