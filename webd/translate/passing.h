// What is passed on between a client and a server of gRPC that is not our store, and whose errors and metadata mean nothing to us
// (ConnectionContext::passes_all): fields of the head to metadata and back, and errors as they are.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

// As rpc::Metadata.
using Metadata = std::vector<std::pair<std::string, std::string>>;

// The client's own fields: not those of HTTP and of the Connect protocol.
Metadata MetadataOf(const RequestHead& head);
// The other way; `prefix` stands in front of the names: "trailer-" for what came at the end of a unary call.
std::vector<HeaderField> FieldsOf(const Metadata& metadata, absl::string_view prefix);

// How a call has ended.
struct CallEnd {
  absl::Status status;
  Metadata trailing;
};

// As the server of gRPC has said it: with its own code, and all its details.
std::string PassedErrorBody(const CallEnd& end);
std::string PassedEndOfStream(const CallEnd& end);
// Its code.
absl::StatusCode PassedCode(const CallEnd& end);

}  // namespace mailstead::web
