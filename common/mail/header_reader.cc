#include "common/mail/header_reader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"

namespace mailstead {
namespace {

// ftext of RFC 5322 section 3.6.8.
bool IsNameCharacter(char c) { return c > 0x20 && c < 0x7f && c != ':'; }

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

bool HeaderField::Is(absl::string_view other_name) const { return absl::EqualsIgnoreCase(name, other_name); }

std::string HeaderField::Unfolded() const {
  std::string unfolded = absl::StrReplaceAll(value, {{"\r\n", ""}});
  absl::StripAsciiWhitespace(&unfolded);
  return unfolded;
}

void HeaderReader::Feed(absl::string_view bytes) {
  if (state_ == State::kEnded || bytes.empty()) return;
  size_t begin = 0;
  size_t at = 0;
  while (at < bytes.size() && state_ != State::kEnded) at = Next(bytes, at, begin);
  if (state_ != State::kEnded) Keep(bytes.substr(begin));
}

size_t HeaderReader::Next(absl::string_view bytes, size_t at, size_t& begin) {
  switch (state_) {
    case State::kLineStart:
      return BeginLine(bytes, at, begin);
    case State::kName:
      while (at < bytes.size() && IsNameCharacter(bytes[at])) ++at;
      if (at == bytes.size()) return at;
      name_bytes_ = kept_from_bytes_ + (at - begin);
      state_ = State::kAfterName;
      return at;
    case State::kAfterName:
      if (bytes[at] == ':') {
        value_begin_ = kept_from_bytes_ + (at + 1 - begin);
        has_field_ = true;
        in_field_ = true;
        state_ = State::kValue;
      } else if (!IsBlank(bytes[at])) {
        EndAtText();
      }
      return at + 1;
    case State::kValue: {
      // Most bytes of a header are here: go to the end of the line at once.
      const size_t cr = bytes.find('\r', at);
      if (cr == absl::string_view::npos) return bytes.size();
      state_ = State::kValueCr;
      return cr + 1;
    }
    case State::kValueCr:
      if (bytes[at] == '\n') {
        state_ = State::kLineStart;
      } else if (bytes[at] != '\r') {
        state_ = State::kValue;
      }
      return at + 1;
    case State::kEmptyLineCr:
      if (bytes[at] == '\n') {
        state_ = State::kEnded;
      } else {
        EndAtText();
      }
      return at + 1;
    case State::kEnded:
      break;
  }
  return bytes.size();
}

size_t HeaderReader::BeginLine(absl::string_view bytes, size_t at, size_t& begin) {
  const char c = bytes[at];
  if (in_field_) {
    if (IsBlank(c)) {
      state_ = State::kValue;
      return at + 1;
    }
    Give(bytes.substr(begin, at - begin));
  }
  begin = at;
  if (c == '\r') {
    state_ = State::kEmptyLineCr;
    return at + 1;
  }
  if (!IsNameCharacter(c)) {
    EndAtText();
    return at + 1;
  }
  state_ = State::kName;
  return at + 1;
}

void HeaderReader::EndAtText() {
  state_ = State::kEnded;
  begins_with_text_ = !has_field_;
  std::string().swap(kept_);
}

void HeaderReader::Keep(absl::string_view bytes) {
  kept_from_bytes_ += bytes.size();
  const absl::string_view fitting = bytes.substr(0, kMaxHeaderFieldBytes - kept_.size());
  kept_.append(fitting.data(), fitting.size());
}

void HeaderReader::Give(absl::string_view rest) {
  HeaderField field;
  const size_t field_bytes = kept_from_bytes_ + rest.size();
  field.cut = field_bytes > kMaxHeaderFieldBytes;
  if (kept_from_bytes_ == 0) {
    field.raw = rest.substr(0, kMaxHeaderFieldBytes);
  } else {
    Keep(rest);
    field.raw = kept_;
  }
  field.name = field.raw.substr(0, name_bytes_);
  field.value = field.raw.substr(std::min(value_begin_, field.raw.size()));
  if (!field.cut && absl::EndsWith(field.value, "\r\n")) field.value.remove_suffix(2);
  for (HeaderObserver* observer : observers_) observer->OnField(field);
  in_field_ = false;
  std::string().swap(kept_);
  kept_from_bytes_ = 0;
}

void HeaderReader::Finish() {
  if (state_ == State::kEnded) return;
  if (in_field_) {
    Give("");
  } else if (state_ != State::kLineStart) {
    // A line that stops before it is a field.
    begins_with_text_ = !has_field_;
  }
  state_ = State::kEnded;
  std::string().swap(kept_);
}

}  // namespace mailstead
