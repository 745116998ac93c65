#include "smtpd/inbound/header_scan.h"

#include "absl/strings/match.h"

namespace mailstead::smtp {
namespace {

// One more than the longest name we look for ("Message-ID"), so that a longer name never equals it.
constexpr size_t kMaxNameBytes = 11;

bool IsNameCharacter(char c) { return c > 0x20 && c < 0x7f && c != ':'; }  // RFC 5322 section 2.2.

}  // namespace

void HeaderScan::Feed(absl::string_view bytes) {
  while (!bytes.empty() && state_ != State::kEnded) {
    if (state_ == State::kRest) {
      // Most bytes of a header are here: go to the end of the line at once.
      const size_t cr = bytes.find('\r');
      if (cr == absl::string_view::npos) return;
      bytes.remove_prefix(cr);
    }
    Next(bytes.front());
    bytes.remove_prefix(1);
  }
}

void HeaderScan::Next(char c) {
  switch (state_) {
    case State::kLineStart:
      name_.clear();
      if (c == '\r') {
        state_ = State::kBlankCr;
      } else if (c == ' ' || c == '\t') {
        state_ = in_field_ ? State::kRest : State::kEnded;
      } else if (IsNameCharacter(c)) {
        name_ += c;
        state_ = State::kName;
      } else {
        state_ = State::kEnded;
      }
      return;
    case State::kName:
    case State::kAfterName:
      if (c == ':') {
        Classify();
        state_ = State::kRest;
      } else if (c == ' ' || c == '\t') {
        // Blanks before the colon: RFC 5322 section 4.5, obsolete.
        state_ = State::kAfterName;
      } else if (state_ == State::kName && IsNameCharacter(c)) {
        if (name_.size() < kMaxNameBytes) name_ += c;
      } else {
        state_ = State::kEnded;
      }
      return;
    case State::kRest:
      if (c == '\r') state_ = State::kRestCr;
      return;
    case State::kRestCr:
      state_ = c == '\n' ? State::kLineStart : (c == '\r' ? State::kRestCr : State::kRest);
      return;
    case State::kBlankCr:
    case State::kEnded:
      state_ = State::kEnded;
      return;
  }
}

void HeaderScan::Classify() {
  in_field_ = true;
  if (absl::EqualsIgnoreCase(name_, "Received")) ++received_count_;
  if (absl::EqualsIgnoreCase(name_, "Date")) has_date_ = true;
  if (absl::EqualsIgnoreCase(name_, "Message-ID")) has_message_id_ = true;
}

}  // namespace mailstead::smtp
