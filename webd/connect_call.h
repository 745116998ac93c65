// One call of a method by the Connect protocol: reads the request, hands it to the store in the client's name, and writes what
// comes back. What it means is in connect/ and translate/.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/byte_budget.h"
#include "common/rpc/transport.h"
#include "webd/answerer.h"
#include "webd/connect/call.h"
#include "webd/exchange.h"
#include "webd/store_stream.h"
#include "webd/translate/methods.h"

namespace mailstead::web {

class ConnectCall {
 public:
  // All outlive it.
  ConnectCall(Answerer& answerer, Exchange& exchange, const Method& method);
  ConnectCall(const ConnectCall&) = delete;
  ConnectCall& operator=(const ConnectCall&) = delete;

  // To the end of the answer. Once.
  asio::awaitable<void> Run();

 private:
  // Says in the form of the call, or as a refusal, why it comes to nothing.
  asio::awaitable<void> Refuse(Refusal refusal);
  asio::awaitable<void> Fail(absl::Status error);
  // The body to its end, into body_. False: the answer was given, or there is nobody to give it to.
  asio::awaitable<bool> ReadBody();
  // The message that the store is sent.
  absl::StatusOr<std::string> Request();
  // Of what the client gave the call; infinite where it gave nothing.
  absl::Duration TimeLeft() const;
  rpc::CallOptions Options() const;

  asio::awaitable<void> CallUnary(std::string request);
  asio::awaitable<void> CallStream(std::string request);
  // Writes what comes of the store; how the call ended.
  asio::awaitable<absl::Status> Forward(StoreStream& answers);

  Answerer& answerer_;
  const ConnectionContext& context_;
  Exchange& exchange_;
  const Method& method_;
  CallForm form_;
  std::string body_;
  // Of request and response.
  ByteHold held_;
};

}  // namespace mailstead::web
