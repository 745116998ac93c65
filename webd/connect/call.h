// What the head of a request asks for by the Connect protocol (https://connectrpc.com/docs/protocol), or why it is refused
// before anything of it is read.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

enum class Codec { kJson, kProto };

// What a method is, of what its descriptor says.
struct MethodKind {
  bool client_streaming = false;
  bool server_streaming = false;
  // It may be called by GET.
  bool no_side_effects = false;
};

// How the call is written on the wire.
struct CallForm {
  Codec codec = Codec::kJson;
  // In envelopes, with the error at the end.
  bool streaming = false;
  // The message came in the query, and is this.
  bool by_get = false;
  std::string message;
  bool request_packed = false;
  // The client takes gzip.
  bool pack_response = false;
  // InfiniteDuration: the client has named no time.
  absl::Duration timeout = absl::InfiniteDuration();
  // "Bearer ...": what the client shows of itself, printable.
  std::string authorization;
  // Why the call fails all the same, said in this form; OK: it goes on.
  absl::Status error;
};

// An answer that needs no form: `error` as JSON.
struct Refusal {
  int http_status = 0;
  absl::Status error;
  std::vector<HeaderField> fields;
};

// `needs_key`: who shows none is refused.
std::variant<CallForm, Refusal> ReadCall(const RequestHead& head, const MethodKind& method,
                                         bool needs_key = true);

// For a path that is no method.
Refusal NoSuchMethod();

// The type of its responses.
absl::string_view ContentTypeOf(const CallForm& form);

}  // namespace mailstead::web
