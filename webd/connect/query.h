// The query of a request by GET (https://connectrpc.com/docs/protocol#unary-get-request).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

// The path of a target, without its query; of a whole URL, too, which proxies send (RFC 9112 section 3.2.2).
absl::string_view PathOf(absl::string_view target);

struct GetQuery {
  // "json", "proto", or what was said instead.
  std::string encoding;
  // Decoded; still compressed where `compression` says so.
  std::string message;
  // Empty: it was not said.
  std::string compression;
  // Of connect=v1. Empty: it was not said.
  std::string connect;
};

// InvalidArgument: a parameter is there twice, message or encoding is missing, or something cannot be decoded. Parameters with
// other names are for others, and ignored.
absl::StatusOr<GetQuery> ParseGetQuery(absl::string_view target);

}  // namespace mailstead::web
