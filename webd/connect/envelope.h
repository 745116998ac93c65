// The frame around each message of a stream (https://connectrpc.com/docs/protocol#streaming-request):
//
//   envelope = flags length message
//     flags    1 byte: 1 = the message is compressed, 2 = it is the end of the stream (from us only)
//     length   4 bytes, big-endian: of the message
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

inline constexpr uint8_t kCompressedFlag = 1;
inline constexpr uint8_t kEndStreamFlag = 2;
inline constexpr size_t kEnvelopeHeadBytes = 5;

// `message` has less than 4 GiB.
std::string Enveloped(uint8_t flags, absl::string_view message);

struct Envelope {
  bool compressed = false;
  absl::string_view message;
};

// The one envelope of a body that has nothing else: what a method with one request is sent. InvalidArgument: it is none, or not
// the only one.
absl::StatusOr<Envelope> OnlyEnvelope(absl::string_view body);

}  // namespace mailstead::web
