// The head of a response as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

struct ResponseHead {
  int status = 200;
  // Without those that follow from the rest. Values are ours, or were checked: no line end is in them.
  std::vector<HeaderField> fields;
  // Of the body; without one it is sent in chunks, or, to HTTP/1.0, up to the end of the connection.
  std::optional<uint64_t> content_length;
  // Content-Security-Policy: nothing, unless it is a page of our own.
  std::string policy = "default-src 'none'; frame-ancestors 'none'";
  bool keep_alive = true;
  int minor_version = 1;
};

// With Date, with the length where it is known, and with what keeps everything from being shown or kept as something else: what a mail says is never a page of
// this origin.
std::vector<HeaderField> FieldsOf(const ResponseHead& head, absl::Time now);
// The same as the head of HTTP/1.
std::string Write(const ResponseHead& head, absl::Time now);

// 204 and 304 have none, and say no length of it (RFC 9110 sections 8.6, 15.3.5 and 15.4.5).
bool HasBody(int status);

// "Not Found"; empty for a status that we do not give.
absl::string_view ReasonPhrase(int status);

}  // namespace mailstead::web
