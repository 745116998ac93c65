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
  Inspect(old_size);
  if (result.done) Finish();
  return result;
}

void MessageIntake::FeedChunk(absl::string_view bytes) {
  const size_t old_size = waiting_.size();
  chunk_decoder_.Decode(bytes, waiting_);
  Inspect(old_size);
}

void MessageIntake::FinishChunks() {
  const size_t old_size = waiting_.size();
  chunk_decoder_.Finish(waiting_);
  Inspect(old_size);
  Finish();
}

void MessageIntake::Inspect(size_t old_size) {
  if (defect_ == MessageDefect::kNone) {
    const absl::string_view added = absl::string_view(waiting_).substr(old_size);
    sent_bytes_ += added.size();
    lines_.Feed(added);
    if (options_.submitted) line_lengths_.Feed(added);
    InspectContent(old_size);
    if (sent_bytes_ > options_.max_message_bytes) {
      defect_ = MessageDefect::kTooBig;
    } else if (lines_.saw_bare_line_end()) {
      defect_ = MessageDefect::kBareLineEnd;
    } else if (lines_.saw_nul()) {
      defect_ = MessageDefect::kNul;
    } else if (hops_.count() > options_.max_received_headers) {
      defect_ = MessageDefect::kLoop;
    }
  }
  if (defect_ != MessageDefect::kNone) waiting_.clear();
}

void MessageIntake::InspectContent(size_t old_size) {
  if (options_.submitted && !blind_copies_.ended()) {
    const std::string added = waiting_.substr(old_size);
    waiting_.resize(old_size);
    blind_copies_.Filter(added, waiting_);
  }
  const absl::string_view content = absl::string_view(waiting_).substr(old_size);
  size_bytes_ += content.size();
  header_.Feed(content);
}

void MessageIntake::Finish() {
  if (defect_ != MessageDefect::kNone) return;
  lines_.Finish();
  const size_t old_size = waiting_.size();
  blind_copies_.Finish(waiting_);
  InspectContent(old_size);
  header_.Finish();
  if (lines_.saw_bare_line_end()) {
    // A CR at its very end.
    defect_ = MessageDefect::kBareLineEnd;
  } else if (hops_.count() > options_.max_received_headers) {
    // Its last field may have been a hop.
    defect_ = MessageDefect::kLoop;
  }
  if (defect_ != MessageDefect::kNone) waiting_.clear();
}

std::string MessageIntake::Take() {
  taken_ = true;
  return std::exchange(waiting_, std::string());
}

std::string MessageIntake::Trace() const {
  std::string trace = ReceivedField(options_.trace);
  if (options_.submitted) submission_fields_.AppendMissing(options_.trace, trace);
  EndTrace(header_, trace);
  return trace;
}

}  // namespace mailstead::smtp
