// A connection that speaks HTTP/2 (RFC 9113): its requests, many at a time, each answered by a coroutine of its own. The frames are
// libnghttp2's, without any I/O of its own: it is given the bytes that came, and gives those that are to be written.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "webd/answerer.h"
#include "webd/client_link.h"

namespace mailstead::web {

// What a client begins with (RFC 9113 section 3.4).
inline constexpr absl::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Http2Session {
 public:
  // Both outlive it.
  Http2Session(ClientLink& link, Answerer& answerer);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Until the link has ended, and every request with it. Once.
  asio::awaitable<void> Run();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::web
