// Errors as Connect writes them (https://connectrpc.com/docs/protocol#error-end-stream).
#pragma once

#include <string>

#include "absl/status/status.h"

namespace google::rpc {
class Status;
}

namespace mailstead::web {

// {"code": "not_found", "message": ..., "details": [{"type", "value", "debug"}]}, with the details that the store's errors have
// over gRPC: google.rpc.ErrorInfo with the reason, RetryInfo, BadRequest.
std::string ErrorBody(const absl::Status& error);
std::string ErrorBody(const google::rpc::Status& error);
// The message at the end of a stream: {"error": ErrorBody}, or {} where all went well.
std::string EndOfStream(const absl::Status& status);

// A text, in quotes.
std::string JsonString(const std::string& text);

}  // namespace mailstead::web
