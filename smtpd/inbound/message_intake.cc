#include "smtpd/inbound/message_intake.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace mailstead::smtp {

MessageIntake::MessageIntake(Options options)
    : options_(std::move(options)),
      dot_decoder_(options_.bare_line_ends),
      chunk_decoder_(options_.bare_line_ends) {}

DotDecoder::Result MessageIntake::FeedData(absl::string_view bytes) {
  const size_t old_size = waiting_.size();
  const DotDecoder::Result result = dot_decoder_.Decode(bytes, waiting_);
  finished_ = result.done;
  Inspect(old_size, dot_decoder_.saw_bare_line_end(), dot_decoder_.saw_nul());
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
  finished_ = true;
  Inspect(old_size, chunk_decoder_.saw_bare_line_end(), chunk_decoder_.saw_nul());
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
    } else if (header_.received_count() > options_.max_received_headers) {
      defect_ = MessageDefect::kLoop;
    }
  }
  if (defect_ != MessageDefect::kNone) waiting_.clear();
}

std::string MessageIntake::FieldsInFront() const {
  std::string fields = ReceivedField(options_.trace);
  // Only when the whole header was seen: a header that long has its Date somewhere.
  if (options_.add_missing_fields && (finished_ || header_.ended())) {
    if (!header_.has_date()) fields += DateField(options_.trace.time);
    if (!header_.has_message_id()) {
      fields += MessageIdField(options_.trace.delivery_id, options_.trace.hostname);
    }
  }
  // A message without a header whose text begins with a blank must not become a part of our last field.
  if (!waiting_.empty() && (waiting_.front() == ' ' || waiting_.front() == '\t')) fields += "\r\n";
  return fields;
}

std::string MessageIntake::Take() {
  if (std::exchange(taken_, true)) return std::exchange(waiting_, std::string());
  std::string bytes = FieldsInFront();
  bytes += std::exchange(waiting_, std::string());
  return bytes;
}

}  // namespace mailstead::smtp
