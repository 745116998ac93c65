// A message on its way from the client's bytes to the store: decoding, checks, and what is put in front of
// it. Pure. It never holds more than it was fed since the last Take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/text/dot_codec.h"
#include "smtpd/inbound/chunk_decoder.h"
#include "smtpd/inbound/header_scan.h"
#include "smtpd/inbound/trace.h"
#include "smtpd/limits.h"
#include "smtpd/session/action.h"

namespace mailstead::smtp {

class MessageIntake {
 public:
  struct Options {
    uint64_t max_message_bytes = 0;
    size_t max_received_headers = 0;
    BareLineEnds bare_line_ends = BareLineEnds::kRefuse;
    // Date and Message-ID are added when they are missing (RFC 6409 section 8).
    bool add_missing_fields = false;
    TraceInfo trace;
  };
  explicit MessageIntake(Options options);

  // Bytes after DATA's 354.
  DotDecoder::Result FeedData(absl::string_view bytes);
  // Octets of a BDAT chunk; FinishChunks after the last.
  void FeedChunk(absl::string_view bytes);
  void FinishChunks();

  // Why the message will be refused. Once set, bytes are still decoded to find the end, and forgotten.
  MessageDefect defect() const { return defect_; }
  // Enough for a message on the stream to the store.
  bool has_full_piece() const { return waiting_.size() >= (taken_ ? kNextPieceBytes : kFirstPieceBytes); }
  // What has been decoded since the last time, with the trace fields in front of the first.
  std::string Take();
  // Of the message as the client sent it, decoded.
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  // Looks at what was appended to waiting_ since it had `old_size` bytes.
  void Inspect(size_t old_size, bool bare_line_end, bool nul);
  std::string FieldsInFront() const;

  const Options options_;
  DotDecoder dot_decoder_;
  ChunkDecoder chunk_decoder_;
  HeaderScan header_;
  std::string waiting_;
  uint64_t size_bytes_ = 0;
  bool finished_ = false;
  bool taken_ = false;
  MessageDefect defect_ = MessageDefect::kNone;
};

}  // namespace mailstead::smtp
