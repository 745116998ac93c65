#include "smtpd/inbound/input.h"

#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "smtpd/limits.h"

namespace mailstead::smtp {
namespace {

// A client that always has bytes for us lets the others of its thread go on after so many reads.
constexpr unsigned kReadsBeforeYield = 32;

}  // namespace

asio::awaitable<absl::Status> Input::Fill(absl::Duration timeout) {
  if (++read_count_ % kReadsBeforeYield == 0) co_await asio::post(stream_.executor(), asio::use_awaitable);
  const auto take = [this](absl::string_view bytes) { buffer_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, kReadBytes, timeout);
  co_return status;
}

}  // namespace mailstead::smtp
