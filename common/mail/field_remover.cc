#include "common/mail/field_remover.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace mailstead {
namespace {

// As in header_reader.cc.
bool IsNameCharacter(char c) { return c > 0x20 && c < 0x7f && c != ':'; }

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

FieldRemover::FieldRemover(std::initializer_list<absl::string_view> names)
    : names_(names.begin(), names.end()) {}

void FieldRemover::Filter(absl::string_view bytes, std::string& out) {
  size_t at = 0;
  while (at < bytes.size() && state_ != State::kEnded) at = Next(bytes, at, out);
  out.append(bytes.data() + at, bytes.size() - at);
}

void FieldRemover::Finish(std::string& out) { Keep(State::kEnded, out); }

size_t FieldRemover::Next(absl::string_view bytes, size_t at, std::string& out) {
  const char c = bytes[at];
  switch (state_) {
    case State::kLineStart:
      return at + BeginLine(c, out);
    case State::kName:
      if (!IsNameCharacter(c)) {
        if (IsRemoved()) {
          state_ = State::kAfterName;
        } else {
          Keep(State::kKeptAfterName, out);
        }
        return at;
      }
      held_.push_back(c);
      if (!MayBeRemoved()) Keep(State::kKeptName, out);
      return at + 1;
    case State::kAfterName:
      if (c == ':') {
        held_.clear();
        in_removed_ = true;
        state_ = State::kRemovedValue;
        return at + 1;
      }
      if (!IsBlank(c) || held_.size() == kMaxHeldBytes) {
        Keep(State::kKeptAfterName, out);
        return at;
      }
      held_.push_back(c);
      return at + 1;
    case State::kKeptName:
      if (!IsNameCharacter(c)) {
        state_ = State::kKeptAfterName;
        return at;
      }
      out.push_back(c);
      return at + 1;
    case State::kKeptAfterName:
      out.push_back(c);
      if (c == ':') {
        in_kept_ = true;
        state_ = State::kKeptValue;
      } else if (!IsBlank(c)) {
        state_ = State::kEnded;
      }
      return at + 1;
    case State::kKeptValue:
    case State::kRemovedValue: {
      // Most bytes of a header are here: go to the end of the line at once.
      const size_t cr = bytes.find('\r', at);
      const size_t end = cr == absl::string_view::npos ? bytes.size() : cr + 1;
      const bool kept = state_ == State::kKeptValue;
      if (kept) out.append(bytes.data() + at, end - at);
      if (cr != absl::string_view::npos) state_ = kept ? State::kKeptCr : State::kRemovedCr;
      return end;
    }
    case State::kKeptCr:
      out.push_back(c);
      if (c != '\r') state_ = c == '\n' ? State::kLineStart : State::kKeptValue;
      return at + 1;
    case State::kRemovedCr:
      if (c != '\r') state_ = c == '\n' ? State::kLineStart : State::kRemovedValue;
      return at + 1;
    case State::kEmptyLineCr:
      out.push_back(c);
      state_ = State::kEnded;
      return at + 1;
    case State::kEnded:
      break;
  }
  return at;
}

size_t FieldRemover::BeginLine(char c, std::string& out) {
  if (IsBlank(c) && (in_kept_ || in_removed_)) {
    if (in_kept_) out.push_back(c);
    state_ = in_kept_ ? State::kKeptValue : State::kRemovedValue;
    return 1;
  }
  in_kept_ = false;
  in_removed_ = false;
  if (IsNameCharacter(c)) {
    state_ = State::kName;
    return 0;
  }
  out.push_back(c);
  state_ = c == '\r' ? State::kEmptyLineCr : State::kEnded;
  return 1;
}

void FieldRemover::Keep(State next, std::string& out) {
  out += held_;
  held_.clear();
  state_ = next;
}

bool FieldRemover::MayBeRemoved() const {
  return std::any_of(names_.begin(), names_.end(),
                     [this](const std::string& name) { return absl::StartsWithIgnoreCase(name, held_); });
}

bool FieldRemover::IsRemoved() const {
  return std::any_of(names_.begin(), names_.end(),
                     [this](const std::string& name) { return absl::EqualsIgnoreCase(name, held_); });
}

}  // namespace mailstead
