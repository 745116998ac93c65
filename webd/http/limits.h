// What the grammar of HTTP/1.1 is bounded by here.
#pragma once

#include <cstddef>

namespace mailstead::web {

// Request line and fields together, and so a chunk's size with its extensions, and the trailer: RFC 9112 section 3 asks for a request line of 8,000 octets at least; a GET
// carries its message there.
inline constexpr size_t kMaxHeadBytes = 16'384;
// A browser behind two proxies sends about thirty.
inline constexpr size_t kMaxHeaderFields = 100;

}  // namespace mailstead::web
