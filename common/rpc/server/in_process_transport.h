// The way to methods that are served in the same process: a Transport without gRPC. Messages go as bytes, so that they are
// what they would be over a socket; the admission sees each call, as it does at any door.
#pragma once

#include <memory>

#include "common/base/executor.h"
#include "common/rpc/server/served_call.h"
#include "common/rpc/transport.h"

namespace mailstead::rpc {

struct InProcessOptions {
  // Of all calls.
  Credentials credentials;
  // What the caller says that it speaks; empty: it does not.
  std::string revision;
  // Of one Call to a method that comes in batches elsewhere: as much as a batch gives.
  int64_t max_whole_response_bytes = int64_t{512} << 10;
};

// A call that has ended woke its caller from the executor's thread, which may still be at it when the caller goes on. So
// what a caller runs on (its asio::io_context) outlives that thread, or is destroyed after the executor has resumed
// something that it was given later.
class InProcessTransport final : public Transport {
 public:
  // Methods run on `executor`. Both it and what `service` names outlive every call, also one that was given up.
  InProcessTransport(const Service& service, Executor& executor, InProcessOptions options);

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response, CallOptions options) override;
  std::unique_ptr<CallStream> Open(absl::string_view method, CallOptions options) override;

 private:
  const Service service_;
  Executor& executor_;
  const InProcessOptions options_;
};

}  // namespace mailstead::rpc
