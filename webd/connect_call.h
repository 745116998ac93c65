// One call of a method by the Connect protocol: reads the request, hands it to the store in the client's name, and writes what
// comes back. What it means is in connect/ and translate/.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/byte_budget.h"
#include "common/rpc/transport.h"
#include "webd/answerer.h"
#include "webd/connect/call.h"
#include "webd/connect/envelope.h"
#include "webd/exchange.h"
#include "webd/store_stream.h"
#include "webd/translate/methods.h"
#include "webd/translate/passing.h"

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
  asio::awaitable<void> FailBody(absl::Status error);
  // The body to its end, into body_. False: the answer was given, or there is nobody to give it to.
  asio::awaitable<bool> ReadBody();
  // The message that the store is sent.
  absl::StatusOr<std::string> Request();
  absl::StatusOr<std::string> Request(const Envelope& envelope, ByteHold& held);
  absl::StatusOr<std::string> Request(std::string message, bool packed, ByteHold& held);
  // Of what the client gave the call; infinite where it gave nothing.
  absl::Duration TimeLeft() const;
  rpc::CallOptions Options() const;

  // The call, to which nothing was sent.
  std::unique_ptr<rpc::ByteStream> OpenStore();
  asio::awaitable<void> CallUnary(std::string request);
  asio::awaitable<void> AnswerUnary(std::string answer, ResponseHead head);
  // The same, where all is passed on.
  asio::awaitable<void> PassUnary(std::string request);
  void NoteMetadata(const StoreStream& store);
  // The last message of a stream of answers.
  std::string EndBody(const absl::Status& status) const;
  asio::awaitable<void> CallStream(std::string request);
  // Writes what comes of the store; how the call ended.
  asio::awaitable<absl::Status> Forward(StoreStream& store);
  // Of a method that takes a stream: requests go to the store as they come, and no faster than it takes them.
  asio::awaitable<void> CallWithStream();
  // Both directions, to the end of the call; how it ended.
  asio::awaitable<absl::Status> Converse(StoreStream& store);
  // One answer for the client.
  asio::awaitable<absl::Status> WriteAnswer(std::string answer);
  // Waits for the next bytes of the body, and sends the requests that are whole then. Cancelled: something else is to be done
  // first.
  asio::awaitable<absl::Status> SendRequests(StoreStream& store);
  asio::awaitable<absl::Status> SendWhole(StoreStream& store);
  // Its head, unless it is written.
  asio::awaitable<void> BeginStream();
  asio::awaitable<void> EndStream(absl::Status status);

  Answerer& answerer_;
  const ConnectionContext& context_;
  Exchange& exchange_;
  const Method& method_;
  CallForm form_;
  std::string body_;
  // Of request and response.
  ByteHold held_;

  // Of a stream of requests.
  EnvelopeReader envelopes_;
  // What is left for the next one to come whole.
  absl::Time next_deadline_;
  bool requests_done_ = false;
  // Of a stream of answers: its head is written.
  bool begun_ = false;
  // What came beside the answers, where that is passed on.
  Metadata initial_;
  Metadata trailing_;
};

}  // namespace mailstead::web
