// Calls of the store's methods over gRPC. Small calls of our front-ends' package share a stream (batch_stream.h); every
// other call is a gRPC call of its own. Nothing here knows a method.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/batch_stream.h"
#include "common/rpc/channel.h"
#include "common/rpc/transport.h"

namespace mailstead::rpc {

// What goes with a call beside its messages: names in lower case, and values, which are any bytes where the name ends in "-bin".
using Metadata = std::vector<std::pair<std::string, std::string>>;

// One call with any number of requests and responses, as bytes: for who translates messages, and need not make objects of
// them, which a stranger's bytes could be many times as large as. Destroyed before its end: cancelled.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // The next request, while a Read is perhaps under way. Waits until the other side takes more (back-pressure). `last`: no more
  // follow. False: the call has ended, and Read says how.
  virtual asio::awaitable<bool> Write(std::string request, bool last) = 0;
  // No more follow, after a Write that was not the last, or without any.
  virtual asio::awaitable<bool> WritesDone() = 0;
  // The next response; nullopt: the end, and the call succeeded. Else why it failed. Used by one coroutine at a time, as Write
  // and WritesDone are.
  virtual asio::awaitable<absl::StatusOr<std::optional<std::string>>> Read() = 0;
  // As CallStream::Cancel.
  virtual void Cancel() = 0;
  // What came in front of the first response, once Read has given it or the end; and behind the last one, after the end.
  virtual Metadata initial_metadata() const = 0;
  virtual Metadata trailing_metadata() const = 0;
};

// A Call of a method of mailstead.frontend.v1 goes by a stream when its request is small (kMaxBatchedRequestBytes), but for
// BatchService itself. An error of a call reaches no other one.
class GrpcTransport final : public Transport {
 public:
  using Options = BatchStreams::Options;

  // `channel` outlives it; so does the transport all its calls but those that were given up.
  explicit GrpcTransport(StoreChannel& channel, Options options = {});

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response, CallOptions options) override;
  asio::awaitable<std::vector<absl::Status>> CallAll(absl::string_view method, std::vector<OneOfMany> calls,
                                                     CallOptions options) override;
  void Start(asio::any_io_executor executor, absl::string_view method,
             std::unique_ptr<google::protobuf::MessageLite> request,
             std::unique_ptr<google::protobuf::MessageLite> response, CallOptions options,
             absl::AnyInvocable<void(absl::Status)> done) override;
  std::unique_ptr<CallStream> Open(absl::string_view method, CallOptions options) override;

  // Call, of bytes; never by a stream. `method` need not be a literal.
  asio::awaitable<absl::StatusOr<std::string>> CallBytes(std::string method, std::string request,
                                                         CallOptions options);
  // `more` goes with the call beside what `options` names.
  std::unique_ptr<ByteStream> OpenBytes(const std::string& method, const CallOptions& options,
                                        const Metadata& more = {});

 private:
  asio::awaitable<absl::Status> CallBatched(absl::string_view method,
                                            const google::protobuf::MessageLite& request,
                                            google::protobuf::MessageLite& response, CallOptions options);
  // Of a call that shares a stream.
  BatchedCall Batched(absl::string_view method, const google::protobuf::MessageLite& request,
                      const CallOptions& options, BatchedCall::Done done) const;
  asio::awaitable<absl::Status> CallAlone(absl::string_view method,
                                          const google::protobuf::MessageLite& request,
                                          google::protobuf::MessageLite& response, CallOptions options);
  asio::awaitable<std::vector<absl::Status>> CallAllBatched(absl::string_view method,
                                                            std::vector<OneOfMany> calls,
                                                            CallOptions options);
  void Prepare(grpc::ClientContext& context, const CallOptions& options) const;

  StoreChannel& channel_;
  const Options options_;
  BatchStreams streams_;
};

}  // namespace mailstead::rpc
