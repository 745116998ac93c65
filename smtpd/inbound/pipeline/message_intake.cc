#include "smtpd/inbound/pipeline/message_intake.h"

#include <utility>

namespace mailstead::smtp {

MessageIntake::MessageIntake(Options options)
    : options_(std::move(options)),
      dot_decoder_(options_.bare_line_ends),
      chunk_decoder_(options_.bare_line_ends) {}

DotDecoder::Result MessageIntake::FeedData(absl::string_view bytes) {
  const size_t old_size = waiting_.size();
  const DotDecoder::Result result = dot_decoder_.Decode(bytes, waiting_);
  Inspect(old_size, dot_decoder_.saw_bare_line_end(), dot_decoder_.saw_nul());
  if (result.done) Finish();
  return result;
}

void MessageIntake::FeedChunk(absl::string_view bytes) {
  const size_t old_size = waiting_.size();
  chunk_decoder_.Decode(bytes, waiting_);
  Inspect(old_size, chunk_decoder_.saw_bare_line_end(), chunk_decoder_.saw_nul());
}

void MessageIntake::FinishChunks() {
  const size_t old_size = waiting_.size();
  chunk_decoder_.Finish(waiting_);
  Inspect(old_size, chunk_decoder_.saw_bare_line_end(), chunk_decoder_.saw_nul());
  Finish();
}

void MessageIntake::Inspect(size_t old_size, bool bare_line_end, bool nul) {
  if (defect_ == MessageDefect::kNone) {
    const absl::string_view added = absl::string_view(waiting_).substr(old_size);
    size_bytes_ += added.size();
    header_.Feed(added);
    if (size_bytes_ > options_.max_message_bytes) {
      defect_ = MessageDefect::kTooBig;
    } else if (bare_line_end) {
      defect_ = MessageDefect::kBareLineEnd;
    } else if (nul) {
      defect_ = MessageDefect::kNul;
    } else if (hops_.count() > options_.max_received_headers) {
      defect_ = MessageDefect::kLoop;
    }
  }
  if (defect_ != MessageDefect::kNone) waiting_.clear();
}

void MessageIntake::Finish() {
  if (defect_ != MessageDefect::kNone) return;
  header_.Finish();
  // Its last field may have been a hop.
  if (hops_.count() <= options_.max_received_headers) return;
  defect_ = MessageDefect::kLoop;
  waiting_.clear();
}

std::string MessageIntake::Take() {
  taken_ = true;
  return std::exchange(waiting_, std::string());
}

std::string MessageIntake::Trace() const {
  std::string trace = ReceivedField(options_.trace);
  if (options_.add_missing_fields) submission_fields_.AppendMissing(options_.trace, trace);
  EndTrace(header_, trace);
  return trace;
}

}  // namespace mailstead::smtp
