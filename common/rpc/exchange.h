// The small calls of a front-end, together: those that wait at one moment share a message of a stream
// (proto/mailstead/store/v1/exchange.proto), because a gRPC call of its own costs more than most of them do.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"

namespace mailstead::store::v1 {
class ExchangeAnswer;
class ExchangeCall;
}  // namespace mailstead::store::v1

namespace mailstead::rpc {

class StoreChannel;

// Thread-safe; a coroutine goes on where it awaited.
class Exchange {
 public:
  // Uses `streams` streams at a time. The store checks who calls when a stream begins, so each takes new
  // calls for `stream_life` only: a credential that was withdrawn is of use for so long. The channel must
  // outlive this.
  Exchange(StoreChannel& channel, int streams, absl::Duration stream_life = absl::Minutes(1));
  // Ends what is under way: its callers get Cancelled.
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The call's answer, with the whole listing in that of OpenMaildrop. Errors: that of the call; Unavailable
  // when the stream ended and DeadlineExceeded (to about 50 ms) when the answer did not come, and then the
  // call may have happened; what was not sent by then is not. Unavailable too when 16 MiB wait already for a
  // store that does not read. A maildrop whose answer comes too late is released.
  asio::awaitable<absl::StatusOr<store::v1::ExchangeAnswer>> Ask(store::v1::ExchangeCall call,
                                                                 absl::Duration timeout);
  // Several together, by one stream; an answer for each, in their order. At least one.
  asio::awaitable<std::vector<absl::StatusOr<store::v1::ExchangeAnswer>>> AskAll(
      std::vector<store::v1::ExchangeCall> calls, absl::Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::rpc
