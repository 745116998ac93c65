#include "common/mail/mime/transfer_decoder.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/mail/mime/all_bytes.h"
#include "common/mail/mime/limits.h"

namespace mailstead::mime {
namespace {

constexpr int8_t kGarbage = -1;
constexpr int8_t kWhite = -2;
constexpr int8_t kPadding = -3;

constexpr std::array<int8_t, 256> MakeAlphabet() {
  std::array<int8_t, 256> values{};
  for (int8_t& value : values) value = kGarbage;
  for (int i = 0; i < 26; ++i) {
    values['A' + i] = static_cast<int8_t>(i);
    values['a' + i] = static_cast<int8_t>(26 + i);
  }
  for (int i = 0; i < 10; ++i) values['0' + i] = static_cast<int8_t>(52 + i);
  values['+'] = 62;
  values['/'] = 63;
  for (const char white : {' ', '\t', '\r', '\n'}) values[static_cast<unsigned char>(white)] = kWhite;
  values['='] = kPadding;
  return values;
}

constexpr std::array<int8_t, 256> kAlphabet = MakeAlphabet();

int8_t ValueOf(char c) { return kAlphabet[static_cast<unsigned char>(c)]; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

uint8_t IsOutOfAlphabet(uint8_t c) {
  const auto letter = static_cast<uint8_t>((c | 0x20) - 'a');
  // "/" stands in front of the digits.
  const auto digit = static_cast<uint8_t>(c - '/');
  // No branches: see all_bytes.h.
  return static_cast<uint8_t>((letter > 25) & (digit > 10) & (c != '+'));
}

// Of the lines that writers make.
constexpr size_t kLineCharacters = 76;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

Encoding EncodingOf(absl::string_view name) {
  if (name.empty() || absl::EqualsIgnoreCase(name, "7bit")) return Encoding::k7Bit;
  if (absl::EqualsIgnoreCase(name, "8bit")) return Encoding::k8Bit;
  if (absl::EqualsIgnoreCase(name, "binary")) return Encoding::kBinary;
  if (absl::EqualsIgnoreCase(name, "quoted-printable")) return Encoding::kQuotedPrintable;
  if (absl::EqualsIgnoreCase(name, "base64")) return Encoding::kBase64;
  return Encoding::kUnknown;
}

absl::string_view EncodingName(Encoding encoding) {
  switch (encoding) {
    case Encoding::k7Bit:
      return "7bit";
    case Encoding::k8Bit:
      return "8bit";
    case Encoding::kBinary:
      return "binary";
    case Encoding::kQuotedPrintable:
      return "quoted-printable";
    case Encoding::kBase64:
      return "base64";
    case Encoding::kUnknown:
      break;
  }
  return "unknown";
}

bool IsBase64Alphabet(absl::string_view bytes) { return AllBytes<IsOutOfAlphabet>(bytes); }

void Base64Decoder::Feed(absl::string_view bytes, std::string* out) {
  size_t at = 0;
  while (at < bytes.size()) {
    size_t end = at;
    while (bytes.size() - end >= kLineCharacters && IsBase64Alphabet(bytes.substr(end, kLineCharacters))) {
      end += kLineCharacters;
    }
    while (end < bytes.size() && ValueOf(bytes[end]) >= 0) ++end;
    if (end > at) FeedAlphabet(bytes.substr(at, end - at), out);
    if (end == bytes.size()) return;
    at = end + 1;
    const int8_t value = ValueOf(bytes[end]);
    if (value == kGarbage) {
      defects_.Add(Defect::kBase64Garbage);
    } else if (value == kPadding) {
      if (quantum_characters_ == 0) {
        if (padding_left_ == 0) {
          defects_.Add(Defect::kBase64Garbage);
        } else {
          --padding_left_;
        }
        continue;
      }
      // One character is no byte.
      if (quantum_characters_ == 1) defects_.Add(Defect::kBase64Length);
      padding_left_ = 3 - quantum_characters_;
      padded_ = true;
      EndQuantum(out);
    }
  }
}

size_t Base64Decoder::FeedAlphabet(size_t characters) {
  if (characters == 0) return 0;
  if (padded_) defects_.Add(Defect::kBase64AfterPadding);
  // "==" of which there was one only.
  if (padding_left_ > 0) defects_.Add(Defect::kBase64Length);
  padding_left_ = 0;
  const size_t all = quantum_characters_ + characters;
  decoded_bytes_ += all / 4 * 3;
  quantum_characters_ = all % 4;
  return all / 4 * 3;
}

void Base64Decoder::FeedAlphabet(absl::string_view characters, std::string* out) {
  size_t in_quantum = quantum_characters_;
  const size_t whole_bytes = FeedAlphabet(characters.size());
  if (out == nullptr) return;
  size_t to = out->size();
  out->resize(to + whole_bytes);
  size_t at = 0;
  const auto give = [out, &to](uint32_t quantum) {
    (*out)[to] = static_cast<char>(quantum >> 16);
    (*out)[to + 1] = static_cast<char>(quantum >> 8);
    (*out)[to + 2] = static_cast<char>(quantum);
    to += 3;
  };
  while (at < characters.size()) {
    if (in_quantum == 0) {
      for (; characters.size() - at >= 4; at += 4) {
        give(static_cast<uint32_t>(ValueOf(characters[at])) << 18 |
             static_cast<uint32_t>(ValueOf(characters[at + 1])) << 12 |
             static_cast<uint32_t>(ValueOf(characters[at + 2])) << 6 |
             static_cast<uint32_t>(ValueOf(characters[at + 3])));
      }
      if (at == characters.size()) break;
    }
    quantum_ = quantum_ << 6 | static_cast<uint32_t>(ValueOf(characters[at++]));
    if (++in_quantum == 4) {
      give(quantum_);
      quantum_ = 0;
      in_quantum = 0;
    }
  }
}

void Base64Decoder::EndQuantum(std::string* out) {
  if (quantum_characters_ >= 2) {
    const size_t bytes = quantum_characters_ - 1;
    decoded_bytes_ += bytes;
    if (out != nullptr) {
      const uint32_t quantum = quantum_ << (6 * (4 - quantum_characters_));
      out->push_back(static_cast<char>(quantum >> 16));
      if (bytes == 2) out->push_back(static_cast<char>(quantum >> 8));
    }
  }
  quantum_ = 0;
  quantum_characters_ = 0;
}

void Base64Decoder::Finish(std::string* out) {
  if (quantum_characters_ > 0 || padding_left_ > 0) defects_.Add(Defect::kBase64Length);
  EndQuantum(out);
}

void QuotedPrintableDecoder::Feed(absl::string_view bytes, std::string* out) {
  size_t at = 0;
  while (at < bytes.size()) {
    if (state_ == State::kText) {
      at = TakeText(bytes, at, out);
    } else if (TakeByte(bytes[at], out)) {
      ++at;
    }
  }
}

size_t QuotedPrintableDecoder::TakeText(absl::string_view bytes, size_t at, std::string* out) {
  size_t end = at;
  while (end < bytes.size() && bytes[end] != '=' && bytes[end] != '\r' && bytes[end] != '\n') ++end;
  size_t text_end = end;
  while (text_end > at && IsBlank(bytes[text_end - 1])) --text_end;
  if (text_end > at) {
    FlushBlanks(out);
    in_long_blanks_ = false;
    Emit(bytes.substr(at, text_end - at), out);
  }
  for (; text_end < end; ++text_end) {
    if (in_long_blanks_) {
      Emit(bytes.substr(text_end, end - text_end), out);
      break;
    }
    held_blanks_.push_back(bytes[text_end]);
    if (held_blanks_.size() > kMaxHeldBlankBytes) {
      FlushBlanks(out);
      in_long_blanks_ = true;
    }
  }
  if (end == bytes.size()) return end;
  if (bytes[end] == '=') {
    FlushBlanks(out);
    state_ = State::kEquals;
  } else if (bytes[end] == '\r') {
    state_ = State::kCr;
  } else {
    held_blanks_.clear();
    Emit("\n", out);
  }
  if (bytes[end] != '\r') in_long_blanks_ = false;
  return end + 1;
}

bool QuotedPrintableDecoder::TakeByte(char c, std::string* out) {
  switch (state_) {
    case State::kText:
      return false;
    case State::kCr:
      state_ = State::kText;
      in_long_blanks_ = false;
      if (c == '\n') {
        held_blanks_.clear();
        Emit("\r\n", out);
        return true;
      }
      FlushBlanks(out);
      Emit("\r", out);
      return false;
    case State::kEquals:
      return TakeBehindEquals(c, out);
    case State::kDigit: {
      const int low = HexValue(c);
      if (low < 0) {
        Garbage(absl::string_view(&digit_, 1), out);
        return false;
      }
      const char byte = static_cast<char>(HexValue(digit_) << 4 | low);
      Emit(absl::string_view(&byte, 1), out);
      state_ = State::kText;
      return true;
    }
    case State::kEqualsBlanks:
      if (c == '\r') {
        state_ = State::kEqualsCr;
        return true;
      }
      if (c == '\n') {
        held_blanks_.clear();
        state_ = State::kText;
        return true;
      }
      if (IsBlank(c) && held_blanks_.size() < kMaxHeldBlankBytes) {
        held_blanks_.push_back(c);
        return true;
      }
      Garbage("", out);
      return false;
    case State::kEqualsCr:
      if (c == '\n') {
        held_blanks_.clear();
        state_ = State::kText;
        return true;
      }
      Garbage("\r", out);
      return false;
  }
  return true;
}

bool QuotedPrintableDecoder::TakeBehindEquals(char c, std::string* out) {
  if (HexValue(c) >= 0) {
    digit_ = c;
    state_ = State::kDigit;
    return true;
  }
  if (c == '\r') {
    state_ = State::kEqualsCr;
    return true;
  }
  if (c == '\n') {
    state_ = State::kText;
    return true;
  }
  if (IsBlank(c)) {
    held_blanks_.push_back(c);
    state_ = State::kEqualsBlanks;
    return true;
  }
  Garbage("", out);
  return false;
}

void QuotedPrintableDecoder::FlushBlanks(std::string* out) {
  if (held_blanks_.empty()) return;
  Emit(held_blanks_, out);
  held_blanks_.clear();
}

void QuotedPrintableDecoder::Emit(absl::string_view bytes, std::string* out) {
  decoded_bytes_ += bytes.size();
  if (out != nullptr) out->append(bytes.data(), bytes.size());
}

void QuotedPrintableDecoder::Garbage(absl::string_view more, std::string* out) {
  defects_.Add(Defect::kQuotedPrintableGarbage);
  Emit("=", out);
  FlushBlanks(out);
  Emit(more, out);
  state_ = State::kText;
}

void QuotedPrintableDecoder::Finish(std::string* out) {
  if (state_ == State::kCr) {
    FlushBlanks(out);
    Emit("\r", out);
  } else if (state_ == State::kDigit) {
    Garbage(absl::string_view(&digit_, 1), out);
  }
  // Blanks at the end, and a soft line break whose line end went with the delimiter, are no text.
  held_blanks_.clear();
  state_ = State::kText;
}

void TransferDecoder::Feed(absl::string_view bytes, std::string* out) {
  if (encoding_ == Encoding::kBase64) {
    base64_.Feed(bytes, out);
  } else if (encoding_ == Encoding::kQuotedPrintable) {
    quoted_printable_.Feed(bytes, out);
  } else {
    plain_bytes_ += bytes.size();
    if (out != nullptr) out->append(bytes.data(), bytes.size());
  }
}

void TransferDecoder::Finish(std::string* out) {
  if (encoding_ == Encoding::kBase64) base64_.Finish(out);
  if (encoding_ == Encoding::kQuotedPrintable) quoted_printable_.Finish(out);
}

uint64_t TransferDecoder::decoded_bytes() const {
  return plain_bytes_ + base64_.decoded_bytes() + quoted_printable_.decoded_bytes();
}

DefectSet TransferDecoder::defects() const {
  DefectSet defects = base64_.defects();
  defects.Add(quoted_printable_.defects());
  return defects;
}

}  // namespace mailstead::mime
