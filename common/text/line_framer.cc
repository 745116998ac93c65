#include "common/text/line_framer.h"

#include "common/base/check.h"

namespace mailstead {
namespace {

// A consumed beginning is moved away only once it is this long and most of the buffer: each byte is then
// moved at most once on average, however the peer cuts its packets.
constexpr size_t kCompactBytes = 4096;

constexpr size_t kNotFound = absl::string_view::npos;

// `line` ends with LF and has no other.
Line Classify(absl::string_view line) {
  const absl::string_view before_lf = line.substr(0, line.size() - 1);
  const size_t cr = before_lf.find('\r');
  const bool ends_in_crlf = cr != kNotFound && cr + 1 == before_lf.size();
  return {.kind = ends_in_crlf ? Line::Kind::kLine : Line::Kind::kBareLineEnd,
          .text = before_lf.substr(0, cr),
          .size_bytes = line.size()};
}

}  // namespace

void InputBuffer::Consume(size_t count) {
  CHECK(count <= buffer_.size() - begin_);
  begin_ += count;
  if (begin_ == buffer_.size()) {
    Clear();
  } else if (begin_ >= kCompactBytes && begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
}

void InputBuffer::Clear() {
  // clear() would keep the memory.
  std::string().swap(buffer_);
  begin_ = 0;
}

// The line always reaches to the LF, also when a bare CR was seen before it: what the peer meant as one line
// is accepted or refused as one. SECURITY: nothing after a bare CR is ever taken for a command.
Line LineFramer::Next(absl::string_view bytes) {
  // Beyond the limit it makes no difference where the end is.
  const size_t lf = bytes.find('\n');
  const bool fits = lf != kNotFound ? lf < max_line_bytes_ : bytes.size() < max_line_bytes_;
  if (!dropping_ && fits) {
    if (lf == kNotFound) return {};
    return Classify(bytes.substr(0, lf + 1));
  }
  dropping_ = lf == kNotFound;
  if (dropping_) return {.kind = Line::Kind::kNeedMore, .text = {}, .size_bytes = bytes.size()};
  return {.kind = Line::Kind::kTooLong, .text = {}, .size_bytes = lf + 1};
}

}  // namespace mailstead
