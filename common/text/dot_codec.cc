#include "common/text/dot_codec.h"

#include <algorithm>
#include <cstring>

namespace mailstead {
namespace {

// The first `c` in [begin, end), or `end`.
const char* Find(const char* begin, const char* end, char c) {
  if (begin == end) return end;
  const void* found = std::memchr(begin, c, static_cast<size_t>(end - begin));
  return found == nullptr ? end : static_cast<const char*>(found);
}

}  // namespace

// One call of Decode. Text is not copied byte by byte: [kept_, at_) grows until something must be left out or
// put in.
class DotDecoder::Run {
 public:
  Run(DotDecoder& decoder, absl::string_view in, std::string& out)
      : decoder_(decoder),
        out_(out),
        end_(in.data() + in.size()),
        at_(in.data()),
        kept_(at_),
        cr_(at_),
        lf_(at_) {
    cr_ = Find(at_, end_, '\r');
    lf_ = Find(at_, end_, '\n');
  }

  // False at the end of the message.
  bool Step();
  bool AtEnd() const { return at_ == end_; }
  const char* at() const { return at_; }
  void Keep() {
    out_.append(kept_, static_cast<size_t>(at_ - kept_));
    kept_ = at_;
  }

 private:
  void SkipText();
  void LeaveOut() {
    Keep();
    kept_ = ++at_;
  }
  void BareLf();
  void BareCr();
  bool refuses() const { return decoder_.bare_line_ends_ == BareLineEnds::kRefuse; }

  DotDecoder& decoder_;
  std::string& out_;
  const char* const end_;
  const char* at_;
  const char* kept_;
  // The next CR and LF at or after at_, so that each byte is searched once for each, whatever the mix of line
  // ends.
  const char* cr_;
  const char* lf_;
};

void DotDecoder::Run::SkipText() {
  if (cr_ < at_) cr_ = Find(at_, end_, '\r');
  if (lf_ < at_) lf_ = Find(at_, end_, '\n');
  at_ = std::min(cr_, lf_);
}

// at_ is on the LF.
void DotDecoder::Run::BareLf() {
  if (refuses()) {
    // SECURITY: what follows is not the start of a line, so no dot in it can end the message.
    ++at_;
    return;
  }
  LeaveOut();
  out_.append("\r\n");
  decoder_.state_ = State::kBareLineStart;
}

// at_ is after the CR, which is in the output or about to be.
void DotDecoder::Run::BareCr() {
  if (refuses()) {
    decoder_.state_ = State::kText;
    return;
  }
  if (*at_ == '\r') {
    LeaveOut();
    decoder_.state_ = State::kCrCr;
    return;
  }
  Keep();
  out_.push_back('\n');
  decoder_.state_ = State::kBareLineStart;
}

bool DotDecoder::Run::Step() {
  State& state = decoder_.state_;
  const char c = *at_;
  switch (state) {
    case State::kLineStart:
    case State::kBareLineStart:
      if (c == '.') {
        LeaveOut();
        state = state == State::kLineStart ? State::kDot : State::kBareDot;
        return true;
      }
      state = State::kText;
      return true;
    case State::kDot:
      if (c == '\r') {
        LeaveOut();
        state = State::kDotCr;
        return true;
      }
      [[fallthrough]];
    case State::kBareDot:
      // A dot alone on its line that does not end the message is content; before anything else it is
      // stuffing.
      if (c == '\n' || c == '\r') out_.push_back('.');
      state = State::kText;
      return true;
    case State::kDotCr:
      if (c == '\n') {
        LeaveOut();
        return false;
      }
      out_.append(".\r");
      BareCr();
      return true;
    case State::kCr:
      if (c == '\n') {
        ++at_;
        state = State::kLineStart;
        return true;
      }
      BareCr();
      return true;
    case State::kCrCr:
      if (c == '\n') {
        ++at_;
        state = State::kLineStart;
      } else if (c == '\r') {
        // The first of three is a line end for itself.
        out_.append("\n\r");
        LeaveOut();
      } else {
        out_.append("\n\r\n");
        state = State::kBareLineStart;
      }
      return true;
    case State::kText:
      SkipText();
      if (AtEnd()) return true;
      if (*at_ == '\n') {
        BareLf();
      } else {
        ++at_;
        state = State::kCr;
      }
      return true;
  }
  return true;
}

DotDecoder::Result DotDecoder::Decode(absl::string_view in, std::string& out) {
  if (in.empty()) return {};
  Run run(*this, in, out);
  bool done = false;
  while (!done && !run.AtEnd()) done = !run.Step();
  run.Keep();
  return {.consumed = static_cast<size_t>(run.at() - in.data()), .done = done};
}

// SECURITY: clients that take LF for a line end must not see an end, or a reply, inside a message. Such a
// message can only have come by another way than SMTP; a client that keeps to CRLF then sees one dot more in
// a malformed line.
void DotEncoder::Encode(absl::string_view in, std::string& out) {
  if (in.empty()) return;
  const char* const end = in.data() + in.size();
  const char* kept = in.data();
  const char* line = in.data();
  while (line != end) {
    if (at_line_start_ && *line == '.') {
      out.append(kept, static_cast<size_t>(line - kept));
      out.push_back('.');
      kept = line;
    }
    const char* const lf = Find(line, end, '\n');
    at_line_start_ = lf != end;
    line = at_line_start_ ? lf + 1 : end;
  }
  out.append(kept, static_cast<size_t>(end - kept));
  const bool cr_before_last = in.size() > 1 ? end[-2] == '\r' : after_cr_;
  ends_in_crlf_ = at_line_start_ && cr_before_last;
  after_cr_ = end[-1] == '\r';
}

void DotEncoder::Finish(std::string& out) {
  if (!ends_in_crlf_) out.append("\r\n");
  out.append(".\r\n");
}

}  // namespace mailstead
