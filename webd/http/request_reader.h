// One request of HTTP/1.1 out of the bytes of its connection. The grammar is Boost.Beast's parser, without its I/O; what it lets
// pass and we do not is refused around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

class RequestReader {
 public:
  RequestReader();
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // A longer body is refused; without it none is too long. Before any of the body is read.
  void LimitBody(uint64_t max_bytes);

  // Reads from `input`, which begins with what was not taken of the last one; how many bytes were taken. It stops behind the
  // head and behind the request. 0: more is needed, or there was an error.
  size_t Read(absl::string_view input);

  bool head_done() const;
  bool done() const;
  // Why the request is none, in words for the client; OK: nothing is wrong yet. For good: the connection has no further one.
  const absl::Status& error() const;
  // What to answer then: 400, 413, 431, 501 or 505.
  int error_status() const;

  const RequestHead& head() const;
  // What has come of its body and was not taken: it may be moved away.
  std::string& body();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::web
