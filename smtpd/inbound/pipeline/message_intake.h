// A message on its way from the client's bytes to the store: it is decoded and checked, its header is shown
// to observers, and in the end the fields that stand in front of it are made. Pure. It never holds more than
// it was fed since the last Take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mail/field_remover.h"
#include "common/mail/header_reader.h"
#include "common/mail/hops.h"
#include "common/mail/originators.h"
#include "common/mail/trace.h"
#include "common/text/dot_codec.h"
#include "common/text/line_check.h"
#include "common/text/line_length.h"
#include "smtpd/inbound/pipeline/chunk_decoder.h"
#include "smtpd/limits.h"
#include "smtpd/session/action.h"

namespace mailstead::smtp {

class MessageIntake {
 public:
  struct Options {
    uint64_t max_message_bytes = 0;
    size_t max_received_headers = 0;
    BareLineEnds bare_line_ends = BareLineEnds::kRefuse;
    // Set for submitted mail: Date and Message-ID are added when they are missing (RFC 6409 section 8), Bcc and
    // Resent-Bcc are taken out (RFC 5322 section 3.6.3: else each recipient sees who was to be hidden), and
    // originators() are looked for.
    bool submitted = false;
    TraceInfo trace;
  };
  explicit MessageIntake(Options options);
  // The observers of the header are members.
  MessageIntake(const MessageIntake&) = delete;
  MessageIntake& operator=(const MessageIntake&) = delete;

  // Takes bytes after DATA's 354.
  DotDecoder::Result FeedData(absl::string_view bytes);
  // Takes octets of a BDAT chunk; FinishChunks after the last.
  void FeedChunk(absl::string_view bytes);
  void FinishChunks();

  // Why the message will be refused. Once set, bytes are still decoded to find the end, and forgotten.
  MessageDefect defect() const { return defect_; }
  // True when enough has been decoded for a message on the stream to the store.
  bool has_full_piece() const { return waiting_.size() >= (taken_ ? kNextPieceBytes : kFirstPieceBytes); }
  // What has been decoded since the last time: the content, as the client sent it, without what is taken out.
  std::string Take();
  // The fields that stand in front of the content, once all of it has been fed.
  std::string Trace() const;
  // The size of the content so far.
  uint64_t size_bytes() const { return size_bytes_; }
  // Of submitted mail: the first line that is longer than another host need take, as the client counts; 0: none.
  uint64_t long_line() const { return line_lengths_.long_line(); }
  // Of submitted mail, once all of it has been fed.
  const Originators& originators() const { return originators_; }

 private:
  // Looks at what was appended to waiting_ since it had `old_size` bytes.
  void Inspect(size_t old_size);
  // Takes what must not go on out of what was appended since then, and shows the rest to who looks at the content.
  void InspectContent(size_t old_size);
  // The message has ended.
  void Finish();

  const Options options_;
  DotDecoder dot_decoder_;
  ChunkDecoder chunk_decoder_;
  LineCheck lines_;
  LineLengthCheck line_lengths_;
  HopCounter hops_;
  SubmissionFields submission_fields_;
  Originators originators_;
  FieldRemover blind_copies_ = BlindCopyRemover();
  HeaderReader header_{&hops_, &submission_fields_, &originators_};
  std::string waiting_;
  // What was sent, and what of it is content.
  uint64_t sent_bytes_ = 0;
  uint64_t size_bytes_ = 0;
  // Set by the first Take.
  bool taken_ = false;
  MessageDefect defect_ = MessageDefect::kNone;
};

}  // namespace mailstead::smtp
