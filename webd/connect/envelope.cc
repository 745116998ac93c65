#include "webd/connect/envelope.h"

#include "absl/strings/str_cat.h"

namespace mailstead::web {

std::string Enveloped(uint8_t flags, absl::string_view message) {
  std::string bytes;
  bytes.reserve(kEnvelopeHeadBytes + message.size());
  bytes.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(message.size() >> shift & 0xff));
  absl::StrAppend(&bytes, message);
  return bytes;
}

absl::StatusOr<Envelope> OnlyEnvelope(absl::string_view body) {
  if (body.size() < kEnvelopeHeadBytes) {
    return absl::InvalidArgumentError("the stream has no whole message: one must be there");
  }
  const auto flags = static_cast<uint8_t>(body[0]);
  if ((flags & ~kCompressedFlag) != 0) {
    return absl::InvalidArgumentError("the envelope has flags that a request cannot have");
  }
  size_t size = 0;
  for (size_t i = 1; i < kEnvelopeHeadBytes; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
  body.remove_prefix(kEnvelopeHeadBytes);
  if (size > body.size()) return absl::InvalidArgumentError("the stream ends within a message");
  // As gRPC has it, too: a method with one request takes no second one.
  if (size < body.size()) {
    return absl::UnimplementedError("the stream has several messages: this method takes one");
  }
  return Envelope{.compressed = (flags & kCompressedFlag) != 0, .message = body};
}

}  // namespace mailstead::web
