#include "webd/store_stream.h"

#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "common/base/check.h"
#include "common/base/timers.h"

namespace mailstead::web {

struct StoreStream::State {
  State(std::unique_ptr<rpc::ByteStream> of, Exchange& to, const asio::any_io_executor& on)
      : stream(std::move(of)), exchange(to), executor(on), ended(Timers::Steady().NewTimer(on)) {}

  const std::unique_ptr<rpc::ByteStream> stream;
  Exchange& exchange;
  const asio::any_io_executor executor;
  // Cancelled when a read has ended.
  const std::unique_ptr<Timer> ended;
  std::optional<Next> next;
  // Set while a read is under way.
  bool reading = false;
};

StoreStream::StoreStream(std::unique_ptr<rpc::ByteStream> stream, Exchange& exchange,
                         asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(stream), exchange, executor)) {}

StoreStream::~StoreStream() { CHECK(!state_->reading); }

void StoreStream::Ask() {
  CHECK(!state_->reading && !state_->next.has_value());
  state_->reading = true;
  asio::co_spawn(state_->executor, Read(state_), asio::detached);
}

asio::awaitable<void> StoreStream::Read(std::shared_ptr<State> state) {
  Next next = co_await state->stream->Read();
  state->next = std::move(next);
  state->reading = false;
  state->exchange.Wake();
  state->ended->Cancel();
}

asio::awaitable<bool> StoreStream::Write(std::string request, bool last) {
  return state_->stream->Write(std::move(request), last);
}
asio::awaitable<bool> StoreStream::WritesDone() { return state_->stream->WritesDone(); }

const rpc::ByteStream& StoreStream::stream() const { return *state_->stream; }

bool StoreStream::has_next() const { return state_->next.has_value(); }

StoreStream::Next StoreStream::Take() {
  Next next = *std::move(state_->next);
  state_->next.reset();
  return next;
}

asio::awaitable<void> StoreStream::AwaitNext() {
  while (state_->reading) co_await state_->ended->WaitUntil(absl::InfiniteFuture());
}

asio::awaitable<void> StoreStream::End() {
  state_->stream->Cancel();
  co_await AwaitNext();
}

}  // namespace mailstead::web
