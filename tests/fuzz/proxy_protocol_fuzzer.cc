#include "common/net/proxy_protocol.h"

#include <algorithm>

#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

// Every beginning is either wrong already or asks for more, until one is whole; and then more bytes change nothing.
void Run(absl::string_view input) {
  using Result = absl::StatusOr<std::optional<net::ProxyHeader>>;
  const size_t max_bytes = std::min(input.size(), net::kMaxProxyHeaderBytes + 16);
  for (size_t size = 0; size <= max_bytes; ++size) {
    const Result beginning = net::ParseProxyHeader(input.substr(0, size));
    if (beginning.ok() && !beginning->has_value()) {
      CHECK(size < net::kMaxProxyHeaderBytes);
      continue;
    }
    const Result whole = net::ParseProxyHeader(input);
    CHECK(whole.ok() == beginning.ok());
    if (!whole.ok()) return;
    CHECK((*beginning)->size_bytes == size);
    CHECK((*whole)->size_bytes == size);
    CHECK((*whole)->source == (*beginning)->source && (*whole)->destination == (*beginning)->destination);
    CHECK((*whole)->source.has_value() == (*whole)->destination.has_value());
    return;
  }
}

}  // namespace mailstead::fuzz
