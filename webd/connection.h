// One client's connection: all its I/O and every deadline. It reads requests, one after another, hands them to the store in the
// client's name, and writes what comes back; what they mean is in connect/ and translate/.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"
#include "common/base/byte_budget.h"
#include "common/frontend/connection_set.h"
#include "common/net/connection_counter.h"
#include "common/net/stream.h"
#include "common/rpc/transport.h"
#include "common/text/line_framer.h"
#include "webd/connect/call.h"
#include "webd/connection_context.h"
#include "webd/http/request_reader.h"
#include "webd/http/response_head.h"
#include "webd/journal.h"
#include "webd/store_stream.h"
#include "webd/translate/methods.h"

namespace mailstead::web {

// Belongs to the single-threaded executor of its socket; every function is called there.
class Connection final : public frontend::Connection {
 public:
  // `context` outlives it.
  Connection(const ConnectionContext& context, asio::ip::tcp::socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves the client to the end; then nothing of it is left. Once.
  asio::awaitable<void> Run();

  asio::any_io_executor executor() override { return stream_.executor(); }
  // The process ends: close after the request in progress, at once when there is none. A stream ends with an error that says so.
  void Drain() override;
  // The time for that is over: close now.
  void Close() override;

 private:
  // A request that is being answered.
  struct Exchange {
    explicit Exchange(const ConnectionContext& context)
        : reader(context.max_request_bytes), held(context.memory), begun(context.steady.Now()) {}

    RequestReader reader;
    // Of its bodies.
    ByteHold held;
    // Null: of no method.
    const Method* method = nullptr;
    CallForm form;
    // When its head was there.
    absl::Time begun;
  };

  // Before the first request: PROXY header, counting, TLS. False: there is none.
  asio::awaitable<bool> Prepare();
  asio::awaitable<bool> ReadProxyHeader();
  asio::awaitable<bool> Admit();
  asio::awaitable<bool> HandshakeTls();

  // One request, from the wait for it to the end of its answer.
  asio::awaitable<void> ServeOne();
  // False: there is no request, and the connection ends.
  asio::awaitable<bool> ReadHead(RequestReader& reader);
  asio::awaitable<void> Answer(Exchange& exchange);
  // Says in the form of the call, or as a refusal, why it comes to nothing.
  asio::awaitable<void> Refuse(Exchange& exchange, Refusal refusal);
  asio::awaitable<void> Fail(Exchange& exchange, const absl::Status& error);
  // The body to its end. False: the answer was given, or there is nobody to give it to.
  asio::awaitable<bool> ReadBody(Exchange& exchange);
  // The message that the store is sent.
  absl::StatusOr<std::string> RequestOf(Exchange& exchange);
  // Of what the client gave the request; infinite where it gave nothing.
  absl::Duration TimeLeft(const Exchange& exchange) const;
  rpc::CallOptions OptionsOf(const Exchange& exchange) const;

  asio::awaitable<void> CallUnary(Exchange& exchange, std::string request);
  asio::awaitable<void> CallStream(Exchange& exchange, std::string request);
  // Writes what comes of the store; how the call ended.
  asio::awaitable<absl::Status> Forward(Exchange& exchange, StoreStream& answers);
  // False: the client has gone, or the process ends.
  asio::awaitable<bool> AwaitNext(StoreStream& answers);
  asio::awaitable<void> WriteEnvelope(const Exchange& exchange, uint8_t flags, std::string message);

  asio::awaitable<void> SkipBody(RequestReader& reader);
  // A whole response.
  asio::awaitable<void> Respond(Exchange& exchange, ResponseHead head, std::string body);
  asio::awaitable<void> WriteAll(std::string bytes, absl::Duration timeout);
  // Whether the connection can go on behind the answer.
  bool MayGoOn(const Exchange& exchange) const;

  // After the last response.
  asio::awaitable<void> LeaveGently();
  // Appends at least one byte to input_.
  asio::awaitable<absl::Status> Fill(absl::Duration timeout);
  // Ends the connection. The first reason counts.
  void End(absl::string_view reason);
  void EndFor(const absl::Status& status, absl::string_view timeout_reason);

  const ConnectionContext& context_;
  net::Stream stream_;
  net::ConnectionCounter::Place place_;
  Journal journal_;
  InputBuffer input_;

  // Empty while the connection goes on.
  absl::string_view end_reason_ = "";
  // Nothing but the client's next bytes is waited for, and may be interrupted: set and cleared around each such wait.
  bool waiting_for_client_ = false;
  // The client is perhaps still sending what is not read: set by the last response.
  bool is_talked_to_ = false;
  // Set by Drain and Close, for good.
  bool draining_ = false;
  // Set by Close, for good.
  bool closed_ = false;
};

}  // namespace mailstead::web
