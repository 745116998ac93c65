// One client's connection: the socket of a session, and the store's word for it. It reads, dispatches and
// writes: it moves bytes between the socket and the session, performs the actions that the session asks for,
// and holds every deadline but those of a message (reception.h).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/base/clock.h"
#include "common/frontend/connection_set.h"
#include "common/frontend/login_watch.h"
#include "common/net/connection_counter.h"
#include "common/net/stream.h"
#include "common/store/store_api.h"
#include "common/text/line_framer.h"
#include "smtpd/inbound/account_rates.h"
#include "smtpd/inbound/input.h"
#include "smtpd/inbound/journal.h"
#include "smtpd/inbound/reception.h"
#include "smtpd/session/session.h"

namespace mailstead::net {
class NetworkList;
class TlsContext;
}  // namespace mailstead::net

namespace mailstead::smtp {

class Metrics;

// What the connections of a listener share; all of it outlives them.
struct ConnectionContext {
  SessionConfig session;
  store::StoreApi& store;
  const net::TlsContext& tls;
  net::ConnectionCounter& counter;
  // Peers that must begin with a PROXY header.
  const net::NetworkList& proxy_networks;
  AccountRates& rates;
  Metrics& metrics;
  // Null: nobody is told when a login ends.
  frontend::LoginWatch* logins = nullptr;
  // For header fields.
  const Clock& clock = Clock::System();
  // For deadlines and durations.
  const Clock& steady = Clock::Steady();
  // One try of one call.
  absl::Duration store_timeout = absl::Seconds(10);
  // How long a call is tried again while the store is away.
  absl::Duration store_retry_for = absl::Seconds(10);
  // How long it is asked what a delivery has come to that was perhaps sent.
  absl::Duration outcome_timeout = absl::Minutes(5);
  // Gives random identifiers of so many characters.
  std::string (*new_id)(size_t size);
};

class Connection final : public frontend::Connection {
 public:
  // `context` outlives it.
  Connection(const ConnectionContext& context, asio::ip::tcp::socket socket);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves the client to the end. Once.
  asio::awaitable<void> Run();

  asio::any_io_executor executor() override { return stream_.executor(); }
  // Says 421 as soon as the session is idle.
  void Drain() override;
  void Close() override { stream_.Close(); }

 private:
  // Before the greeting: PROXY header, counting, implicit TLS, early talkers. False: there is no session.
  asio::awaitable<bool> Admit();
  asio::awaitable<bool> ReadProxyHeader();
  // False: the client spoke too early.
  asio::awaitable<bool> WaitForSilence();
  asio::awaitable<bool> HandshakeTls();
  asio::awaitable<void> Dialog();
  // The next line as an event for the session.
  asio::awaitable<Action> AwaitCommand();
  // After the last reply.
  asio::awaitable<void> LeaveGently();

  asio::awaitable<Action> Perform(NextCommandAction);
  asio::awaitable<Action> Perform(ResolveRecipientsAction);
  asio::awaitable<Action> Perform(ReserveSendAction reserve);
  asio::awaitable<Action> Perform(CheckSenderAction check);
  asio::awaitable<Action> Perform(BeginAuthAction begin);
  asio::awaitable<Action> Perform(ContinueAuthAction response);
  asio::awaitable<Action> Perform(EndAuthAction);
  asio::awaitable<Action> Perform(StartTlsAction);
  asio::awaitable<Action> Perform(ReceiveDataAction);
  asio::awaitable<Action> Perform(ReceiveChunkAction chunk);
  asio::awaitable<Action> Perform(SwallowChunkAction chunk);
  asio::awaitable<Action> Perform(CloseAction);

  // Shows the session the recipients that a pipelining client has named behind the one that is open.
  void TakeRecipientsAhead();
  // Asks the store about all of them together.
  asio::awaitable<std::vector<absl::StatusOr<store::Resolution>>> Resolve(
      const std::vector<EnvelopeRecipient>& recipients);
  Action LoginStepped(const absl::StatusOr<store::LoginStep>& step);
  void WatchLogin(const store::LoggedIn& login);
  void BeginMessage();
  TraceInfo MakeTrace(const Envelope& envelope) const;
  // Tells the session what came of the message, or of a chunk of `chunk_bytes`.
  Action MessageReceived(const Reception::Outcome& outcome, uint64_t chunk_bytes);

  // Sends the replies gathered.
  asio::awaitable<absl::Status> Flush();
  // Says why and gives CloseAction; for failures of the connection itself.
  Action EndAfter(const absl::Status& status);
  store::CallContext CallContext() const;
  // Notes how a call to the store went.
  void NoteStore(absl::string_view call, const absl::Status& status);

  const ConnectionContext& context_;
  Journal journal_;
  net::Stream stream_;
  net::ConnectionCounter::Place place_;
  Session session_;
  Input input_;
  LineFramer framer_;
  // The SASL exchange under way.
  std::unique_ptr<store::Login> login_;
  // Of the account that is logged in; empty before.
  std::string grant_;
  std::unique_ptr<frontend::LoginWatch::Login> watched_;
  // The message being received, over several commands with BDAT.
  std::unique_ptr<Reception> reception_;
  // Set with a submission's transaction; it is returned with it unless the message was stored.
  std::optional<AccountRates::Reservation> reservation_;
  // Why the session ended, for the log.
  absl::string_view end_reason_ = "client";
  // What Drain may cut off: everything but a session at work.
  enum class Phase { kNew, kBeforeGreeting, kWorking, kIdle, kLeaving };
  Phase phase_ = Phase::kNew;
  // Set by Drain.
  bool draining_ = false;
  // Set when the store stayed away for as long as it was waited for, cleared when it answers: it is not
  // waited for again before it does.
  bool store_away_ = false;
  // Of the last message that was stored and whose reply has not gone; else empty.
  std::string unsaid_delivery_;
};

}  // namespace mailstead::smtp
