// The answers of the store to one call, one after another, read while something else is waited for: the client's end.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/net/stream.h"
#include "common/rpc/grpc_transport.h"

namespace mailstead::web {

// Used on one executor of one thread.
class StoreStream {
 public:
  // nullopt: the call has succeeded, and there are no more.
  using Next = absl::StatusOr<std::optional<std::string>>;

  // `client`, of that executor, outlives it.
  StoreStream(std::unique_ptr<rpc::ByteStream> stream, net::Stream& client);
  ~StoreStream();
  StoreStream(const StoreStream&) = delete;
  StoreStream& operator=(const StoreStream&) = delete;

  // Begins to read the next one. The last one was taken.
  void Ask();
  bool has_next() const;
  Next Take();
  // While this is set, the coming of the next one interrupts the wait that `client` is in.
  void InterruptsClient(bool yes);
  // Gives the call up, and waits until nothing of it is under way. Last of all.
  asio::awaitable<void> End();

 private:
  struct State;
  static asio::awaitable<void> Read(std::shared_ptr<State> state);

  // Shared with the read that is under way.
  const std::shared_ptr<State> state_;
};

}  // namespace mailstead::web
