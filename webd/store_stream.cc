#include "webd/store_stream.h"

#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "common/base/check.h"
#include "common/base/timers.h"

namespace mailstead::web {

struct StoreStream::State {
  State(std::unique_ptr<rpc::ByteStream> of, net::Stream& to)
      : stream(std::move(of)), client(to), ended(Timers::Steady().NewTimer(to.executor())) {}

  const std::unique_ptr<rpc::ByteStream> stream;
  net::Stream& client;
  // Cancelled when a read has ended.
  const std::unique_ptr<Timer> ended;
  std::optional<Next> next;
  // Set while a read is under way.
  bool reading = false;
  bool interrupts_client = false;
};

StoreStream::StoreStream(std::unique_ptr<rpc::ByteStream> stream, net::Stream& client)
    : state_(std::make_shared<State>(std::move(stream), client)) {}

StoreStream::~StoreStream() { CHECK(!state_->reading); }

void StoreStream::Ask() {
  CHECK(!state_->reading && !state_->next.has_value());
  state_->reading = true;
  asio::co_spawn(state_->client.executor(), Read(state_), asio::detached);
}

asio::awaitable<void> StoreStream::Read(std::shared_ptr<State> state) {
  Next next = co_await state->stream->Read();
  state->next = std::move(next);
  state->reading = false;
  if (state->interrupts_client) state->client.Interrupt();
  state->ended->Cancel();
}

bool StoreStream::has_next() const { return state_->next.has_value(); }

StoreStream::Next StoreStream::Take() {
  Next next = *std::move(state_->next);
  state_->next.reset();
  return next;
}

void StoreStream::InterruptsClient(bool yes) { state_->interrupts_client = yes; }

asio::awaitable<void> StoreStream::End() {
  state_->interrupts_client = false;
  state_->stream->Cancel();
  while (state_->reading) co_await state_->ended->WaitUntil(absl::InfiniteFuture());
}

}  // namespace mailstead::web
