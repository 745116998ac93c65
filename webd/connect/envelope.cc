#include "webd/connect/envelope.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::web {

std::string Enveloped(uint8_t flags, absl::string_view message) {
  std::string bytes;
  bytes.reserve(kEnvelopeHeadBytes + message.size());
  bytes.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(message.size() >> shift & 0xff));
  absl::StrAppend(&bytes, message);
  return bytes;
}

namespace {

constexpr absl::string_view kCutOff = "the stream ends within a message";

// What stands in front of a message. There are kEnvelopeHeadBytes.
struct EnvelopeHead {
  uint8_t flags = 0;
  size_t size = 0;
};

absl::StatusOr<EnvelopeHead> ReadHead(absl::string_view bytes) {
  EnvelopeHead head{.flags = static_cast<uint8_t>(bytes[0])};
  if ((head.flags & ~kCompressedFlag) != 0) {
    return absl::InvalidArgumentError("the envelope has flags that a request cannot have");
  }
  for (size_t i = 1; i < kEnvelopeHeadBytes; ++i) head.size = head.size << 8 | static_cast<uint8_t>(bytes[i]);
  return head;
}

}  // namespace

absl::StatusOr<Envelope> OnlyEnvelope(absl::string_view body) {
  // As gRPC has it: a method with one request takes neither none nor several.
  if (body.empty()) return absl::UnimplementedError("the stream has no message: this method takes one");
  if (body.size() < kEnvelopeHeadBytes) return absl::InvalidArgumentError(kCutOff);
  ASSIGN_OR_RETURN(const EnvelopeHead head, ReadHead(body));
  body.remove_prefix(kEnvelopeHeadBytes);
  if (head.size > body.size()) return absl::InvalidArgumentError(kCutOff);
  if (head.size < body.size()) {
    return absl::UnimplementedError("the stream has several messages: this method takes one");
  }
  return Envelope{.compressed = (head.flags & kCompressedFlag) != 0, .message = body};
}

absl::StatusOr<std::optional<Envelope>> EnvelopeReader::Next() {
  bytes_.Consume(std::exchange(given_, 0));
  const absl::string_view bytes = bytes_.bytes();
  if (bytes.size() < kEnvelopeHeadBytes) return std::nullopt;
  ASSIGN_OR_RETURN(const EnvelopeHead head, ReadHead(bytes));
  if (head.size > max_message_bytes_) {
    return WithReason(absl::ResourceExhaustedError(absl::StrCat("a message of the stream has more than ",
                                                                max_message_bytes_, " bytes")),
                      kReasonTooLarge);
  }
  if (bytes.size() < kEnvelopeHeadBytes + head.size) return std::nullopt;
  given_ = kEnvelopeHeadBytes + head.size;
  return Envelope{.compressed = (head.flags & kCompressedFlag) != 0,
                  .message = bytes.substr(kEnvelopeHeadBytes, head.size)};
}

}  // namespace mailstead::web
