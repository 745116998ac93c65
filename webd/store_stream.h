// A call of the store with several requests or answers. Answers are read while something else is waited for: what the client sends, or
// its end.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/rpc/grpc_transport.h"
#include "webd/exchange.h"

namespace mailstead::web {

// Used on one executor of one thread.
class StoreStream {
 public:
  // nullopt: the call has succeeded, and there are no more.
  using Next = absl::StatusOr<std::optional<std::string>>;

  // Wakes `exchange`, of that executor, whenever the next one is there. It outlives this.
  StoreStream(std::unique_ptr<rpc::ByteStream> stream, Exchange& exchange, asio::any_io_executor executor);
  ~StoreStream();
  StoreStream(const StoreStream&) = delete;
  StoreStream& operator=(const StoreStream&) = delete;

  // As ByteStream's, beside a read.
  asio::awaitable<bool> Write(std::string request, bool last);
  asio::awaitable<bool> WritesDone();
  // Begins to read the next one. The last one was taken.
  void Ask();
  bool has_next() const;
  // Waits for it, whatever the client does: for a call that has ended, of which only how is not known yet.
  asio::awaitable<void> AwaitNext();
  Next Take();
  const rpc::ByteStream& stream() const;
  // Gives the call up, and waits until nothing of it is under way. Last of all.
  asio::awaitable<void> End();

 private:
  struct State;
  static asio::awaitable<void> Read(std::shared_ptr<State> state);

  // Shared with the read that is under way.
  const std::shared_ptr<State> state_;
};

}  // namespace mailstead::web
