// What a connection receives: the socket's bytes that were not consumed yet.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/net/stream.h"
#include "common/text/line_framer.h"

namespace mailstead::smtp {

class Input {
 public:
  // `stream` outlives it.
  explicit Input(net::Stream& stream) : stream_(stream) {}

  // Appends at least one byte. Errors of net::Stream::ReadInto.
  asio::awaitable<absl::Status> Fill(absl::Duration timeout);

  absl::string_view bytes() const { return buffer_.bytes(); }
  bool empty() const { return buffer_.empty(); }
  void Consume(size_t count) { buffer_.Consume(count); }
  // Throws everything away that was read.
  void Clear() { buffer_.Clear(); }

 private:
  net::Stream& stream_;
  InputBuffer buffer_;
  unsigned read_count_ = 0;
};

}  // namespace mailstead::smtp
