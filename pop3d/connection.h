// One client's connection: all I/O and every deadline of a session. It moves bytes between socket, session
// and store, performs the session's actions, and never decides what the protocol says.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/net/connection_counter.h"
#include "common/net/network_list.h"
#include "common/net/stream.h"
#include "common/net/tls_context.h"
#include "common/text/line_framer.h"
#include "pop3d/lease_keeper.h"
#include "pop3d/metrics.h"
#include "pop3d/protocol/limits.h"
#include "pop3d/read_ahead.h"
#include "pop3d/session/session.h"
#include "pop3d/store_client.h"

namespace mailstead::pop3 {

// What all connections share. Outlives them.
struct ConnectionContext {
  SessionOptions session;
  ConnectionTimeouts timeouts;
  // Peers that must begin with a PROXY header; no one else may.
  net::NetworkList proxy_networks;
  // Null when TLS is not available.
  const net::TlsContext* tls = nullptr;
  net::ConnectionCounter& counter;
  StoreClient& store;
  LeaseKeeper& leases;
  Metrics& metrics;
  // Greater messages are streamed.
  size_t max_whole_message_bytes = kMaxWholeMessageBytes;
};

// Belongs to the single-threaded executor of its socket; every function is called there.
class Connection {
 public:
  Connection(asio::ip::tcp::socket socket, bool implicit_tls, const ConnectionContext& context);
  ~Connection();

  // Serves the client to the end; then nothing of it is left: no lock, no socket, no place in
  // the counter. Once.
  asio::awaitable<void> Run();

  asio::any_io_executor executor() { return stream_.executor(); }

  // The process ends: close after the command in progress, at once when there is none. Nothing is said (the
  // client has asked nothing) and nothing is deleted.
  void Drain();
  // The time for that is over: close now.
  void Abort();

 private:
  using Next = asio::awaitable<std::optional<Step>>;

  asio::awaitable<bool> Prepare();
  asio::awaitable<bool> ReadProxyHeader();
  asio::awaitable<bool> Admit();
  asio::awaitable<bool> StartTls();
  asio::awaitable<void> Dialog();
  asio::awaitable<void> AwaitInput();
  asio::awaitable<absl::Status> Fill(absl::Duration timeout);
  Step Hear(const Line& line);
  asio::awaitable<void> Perform(Step step);
  asio::awaitable<void> Flush();
  asio::awaitable<void> LeaveGently();

  // The actions. Each gives the session's next step, or none.
  Next Act(std::monostate);
  Next Act(CloseAction close);
  Next Act(StartTlsAction);
  Next Act(BeginAuthAction begin);
  Next Act(ContinueAuthAction answer);
  Next Act(AbandonAuthAction);
  Next Act(OpenMaildropAction open);
  Next Act(SendListingAction listing);
  Next Act(SendMessageAction message);
  Next Act(CommitAction commit);
  Next Act(ReleaseAction);

  Step AuthStepped(const absl::StatusOr<rpc::AuthStep>& step);
  asio::awaitable<absl::StatusOr<FetchedMessage>> FetchWhole(SendMessageAction action);
  Step FetchFailed(SendMessageAction action, const absl::Status& status);
  asio::awaitable<void> SendMessage(SendMessageAction action, MessageStream& stream, std::string piece,
                                    bool more);
  asio::awaitable<absl::Status> CommitWithRetry(const CommitAction& commit);
  asio::awaitable<void> ReleaseMaildrop();
  void Queue(const Reply& reply);
  // The first reason counts.
  void Close(absl::string_view reason);
  void CloseFor(const absl::Status& status, absl::string_view timeout_reason);
  absl::Duration IdleTimeLeft() const;
  Protection ProtectionNow() const;

  const ConnectionContext& context_;
  const bool implicit_tls_;
  const std::string session_id_;
  net::Stream stream_;
  net::ConnectionCounter::Place place_;
  Session session_;
  InputBuffer input_;
  LineFramer command_framer_{kMaxCommandLineBytes};
  LineFramer auth_framer_{kMaxAuthLineBytes};
  // Replies that wait for the end of the client's pipelined commands.
  std::string output_;
  // Until the end of the next command.
  std::chrono::steady_clock::time_point idle_deadline_;
  std::unique_ptr<SaslExchange> auth_;
  HeldMaildrop held_;
  ReadAhead read_ahead_;

  // Empty while the dialog goes on.
  absl::string_view close_reason_;
  bool admitted_ = false;
  // Nothing but the client's next bytes is waited for.
  bool waiting_for_client_ = false;
  bool draining_ = false;
  bool aborted_ = false;
  // For the last line of the log.
  uint64_t command_count_ = 0;
  uint64_t retrieved_count_ = 0;
  uint64_t retrieved_bytes_ = 0;
  uint64_t deleted_count_ = 0;
};

}  // namespace mailstead::pop3
