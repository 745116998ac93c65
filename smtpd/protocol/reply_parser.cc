#include "smtpd/protocol/reply_parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/text/utf8.h"

namespace mailstead::smtp {
namespace {

constexpr size_t kCodeDigits = 3;
// subject and detail of RFC 3463 section 2.
constexpr size_t kMaxStatusDigits = 3;

// The code at the front of `line`, or 0.
int CodeOf(absl::string_view line) {
  if (line.size() < kCodeDigits || line[0] < '2' || line[0] > '5') return 0;
  if (!absl::ascii_isdigit(line[1]) || !absl::ascii_isdigit(line[2])) return 0;
  return 100 * (line[0] - '0') + 10 * (line[1] - '0') + (line[2] - '0');
}

size_t DigitsAt(absl::string_view text, size_t at) {
  size_t count = 0;
  while (at + count < text.size() && absl::ascii_isdigit(text[at + count])) ++count;
  return count;
}

// The enhanced status code at the front of `text` (RFC 3463 section 2), which a blank or the end follows. Empty: none.
absl::string_view EnhancedOf(absl::string_view text, int code_class) {
  // RFC 2034 section 4: those of other classes do not exist, and 3yz has none.
  if (text.size() < 5 || text[0] - '0' != code_class || code_class == 3 || text[1] != '.') return {};
  const size_t subject = DigitsAt(text, 2);
  if (subject == 0 || subject > kMaxStatusDigits || 2 + subject >= text.size() || text[2 + subject] != '.')
    return {};
  const size_t detail = DigitsAt(text, 3 + subject);
  if (detail == 0 || detail > kMaxStatusDigits) return {};
  const size_t size = 3 + subject + detail;
  if (size < text.size() && text[size] != ' ') return {};
  return text.substr(0, size);
}

}  // namespace

std::string PeerReply::Text() const { return PrintableUtf8(absl::StrJoin(lines, " "), kMaxPeerTextBytes); }

ReplyParser::Result ReplyParser::Feed(absl::string_view bytes) {
  Result result;
  while (result.consumed < bytes.size()) {
    const absl::string_view rest = bytes.substr(result.consumed);
    const size_t room = kMaxPeerReplyBytes - size_bytes_;
    const size_t end = rest.find('\n');
    const size_t wanted = end == absl::string_view::npos ? rest.size() : end + 1;
    const size_t taken = std::min(wanted, room);
    line_.append(rest.data(), taken);
    size_bytes_ += taken;
    result.consumed += taken;
    if (taken < wanted) {
      result.kind = Kind::kTooLong;
      return result;
    }
    if (end == absl::string_view::npos) return result;
    result.kind = TakeLine();
    if (result.kind != Kind::kNeedMore) return result;
  }
  return result;
}

ReplyParser::Kind ReplyParser::TakeLine() {
  absl::string_view line = line_;
  absl::ConsumeSuffix(&line, "\n");
  absl::ConsumeSuffix(&line, "\r");
  const int code = CodeOf(line);
  const bool last = line.size() == kCodeDigits || (line.size() > kCodeDigits && line[kCodeDigits] == ' ');
  const bool more = line.size() > kCodeDigits && line[kCodeDigits] == '-';
  if (code == 0 || (!last && !more) || (reply_.code != 0 && reply_.code_class() != code / 100)) {
    garbage_ = PrintableUtf8(line, kMaxPeerTextBytes);
    return Kind::kMalformed;
  }
  absl::string_view text = line.substr(std::min(line.size(), kCodeDigits + 1));
  const bool first = reply_.lines.empty();
  reply_.code = code;
  const absl::string_view enhanced = EnhancedOf(text, reply_.code_class());
  if (first) reply_.enhanced = std::string(enhanced);
  if (!enhanced.empty() && enhanced == reply_.enhanced) {
    text.remove_prefix(enhanced.size());
    absl::ConsumePrefix(&text, " ");
  }
  reply_.lines.emplace_back(text);
  line_.clear();
  return last ? Kind::kReply : Kind::kNeedMore;
}

PeerReply ReplyParser::Take() {
  PeerReply reply = std::exchange(reply_, PeerReply());
  Reset();
  return reply;
}

void ReplyParser::Reset() { *this = ReplyParser(); }

}  // namespace mailstead::smtp
