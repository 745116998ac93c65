// Calls of the store's methods over gRPC. Small calls of our front-ends' package share a stream (batch_stream.h); every
// other call is a gRPC call of its own. Nothing here knows a method.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/batch_stream.h"
#include "common/rpc/channel.h"
#include "common/rpc/transport.h"

namespace mailstead::rpc {

// A Call of a method of mailstead.frontend.v1 goes by a stream when its request is small (kMaxBatchedRequestBytes), but for
// BatchService itself. An error of a call reaches no other one.
// One call with one request and any number of responses, as bytes: for who translates messages, and need not make objects of
// them, which a stranger's bytes could be many times as large as. Used by one coroutine at a time. Destroyed before its end:
// cancelled.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // The next response; nullopt: the end, and the call succeeded. Else why it failed.
  virtual asio::awaitable<absl::StatusOr<std::optional<std::string>>> Read() = 0;
  // As CallStream::Cancel.
  virtual void Cancel() = 0;
};

class GrpcTransport final : public Transport {
 public:
  using Options = BatchStreams::Options;

  // `channel` outlives it; so does the transport all its calls but those that were given up.
  explicit GrpcTransport(StoreChannel& channel, Options options = {});

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response, CallOptions options) override;
  asio::awaitable<std::vector<absl::Status>> CallAll(absl::string_view method, std::vector<OneOfMany> calls,
                                                     CallOptions options) override;
  std::unique_ptr<CallStream> Open(absl::string_view method, CallOptions options) override;

  // Call, of bytes; never by a stream. `method` need not be a literal.
  asio::awaitable<absl::StatusOr<std::string>> CallBytes(std::string method, std::string request,
                                                         CallOptions options);
  // Sends the only request. An error of that is what Read gives.
  asio::awaitable<std::unique_ptr<ByteStream>> OpenBytes(std::string method, std::string request,
                                                         CallOptions options);

 private:
  asio::awaitable<absl::Status> CallBatched(absl::string_view method,
                                            const google::protobuf::MessageLite& request,
                                            google::protobuf::MessageLite& response, CallOptions options);
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
