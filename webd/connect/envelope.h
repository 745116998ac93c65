// The frame around each message of a stream (https://connectrpc.com/docs/protocol#streaming-request):
//
//   envelope = flags length message
//     flags    1 byte: 1 = the message is compressed, 2 = it is the end of the stream (from us only)
//     length   4 bytes, big-endian: of the message
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/text/line_framer.h"

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

// The one envelope of a body that has nothing else: what a method with one request is sent. InvalidArgument: it is none;
// Unimplemented: there is none, or more than one.
absl::StatusOr<Envelope> OnlyEnvelope(absl::string_view body);

// The envelopes of a body, one after another, out of its pieces. It holds one message and one piece at most.
class EnvelopeReader {
 public:
  // A longer message is refused before any of it is held.
  explicit EnvelopeReader(size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  void Append(absl::string_view piece) { bytes_.Append(piece); }
  // The next whole one, whose message is valid until Append or Next is called; nullopt: more is needed. InvalidArgument: it is
  // none; ResourceExhausted with kReasonTooLarge. After an error there are no more.
  absl::StatusOr<std::optional<Envelope>> Next();
  // The body may end here.
  bool at_end_of_one() const { return bytes_.bytes().size() == given_; }
  size_t held_bytes() const { return bytes_.bytes().size() - given_; }

 private:
  const size_t max_message_bytes_;
  InputBuffer bytes_;
  // Of the last Next, in front of what is there.
  size_t given_ = 0;
};

}  // namespace mailstead::web
