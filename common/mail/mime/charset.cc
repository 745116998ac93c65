#include "common/mail/mime/charset.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/single_byte_charsets.h"

namespace mailstead::mime {
namespace {

constexpr absl::string_view kReplacement = "\xef\xbf\xbd";

void Append(absl::string_view bytes, std::string& text) { text.append(bytes.data(), bytes.size()); }

void AppendCharacter(uint32_t c, std::string& text) {
  if (c < 0x80) {
    text.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    text.push_back(static_cast<char>(0xc0 | c >> 6));
    text.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    text.push_back(static_cast<char>(0xe0 | c >> 12));
    text.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    text.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    text.push_back(static_cast<char>(0xf0 | c >> 18));
    text.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    text.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    text.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

// How many bytes of ASCII `bytes` begins with.
size_t AsciiPrefix(absl::string_view bytes) {
  size_t at = 0;
  for (; bytes.size() - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
    uint64_t eight;
    std::memcpy(&eight, bytes.data() + at, sizeof eight);
    if ((eight & 0x8080808080808080u) != 0) break;
  }
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) ++at;
  return at;
}

struct Utf8Step {
  enum class Kind { kCharacter, kBroken, kCutOff } kind;
  // Of the character, or of what looked like the beginning of one.
  size_t bytes;
};

// The table of RFC 3629 section 4, at a byte that is not ASCII.
Utf8Step StepOfUtf8(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  size_t bytes = 0;
  if (lead >= 0xc2 && lead <= 0xdf) bytes = 2;
  if (lead >= 0xe0 && lead <= 0xef) bytes = 3;
  if (lead >= 0xf0 && lead <= 0xf4) bytes = 4;
  if (bytes == 0) return {Utf8Step::Kind::kBroken, 1};
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  for (size_t i = 1; i < bytes; ++i) {
    if (i == text.size()) return {Utf8Step::Kind::kCutOff, i};
    if (byte(i) < low || byte(i) > high) return {Utf8Step::Kind::kBroken, i};
    low = 0x80;
    high = 0xbf;
  }
  return {Utf8Step::Kind::kCharacter, bytes};
}

// UTF-8; bytes that are none are characters of `others`, or U+FFFD when it is null.
class Utf8Decoder : public CharsetDecoder {
 public:
  explicit Utf8Decoder(const SingleByteTable* others) : others_(others) {}

  void Feed(absl::string_view bytes, std::string& text) override {
    // At most three bytes wait for others.
    while (!waiting_.empty() && !bytes.empty()) {
      waiting_.push_back(bytes.front());
      bytes.remove_prefix(1);
      TakeWaiting(text);
    }
    const size_t taken = Take(bytes, text);
    waiting_.append(bytes.data() + taken, bytes.size() - taken);
  }

  void Finish(std::string& text) override {
    if (!waiting_.empty()) Broken(waiting_, text);
    waiting_.clear();
  }

 private:
  void TakeWaiting(std::string& text) { waiting_.erase(0, Take(waiting_, text)); }

  // How many bytes were taken: all but a character that is cut off.
  size_t Take(absl::string_view bytes, std::string& text) {
    size_t at = 0;
    while (at < bytes.size()) {
      const size_t ascii = AsciiPrefix(bytes.substr(at));
      Append(bytes.substr(at, ascii), text);
      at += ascii;
      if (at == bytes.size()) break;
      const Utf8Step step = StepOfUtf8(bytes.substr(at));
      if (step.kind == Utf8Step::Kind::kCutOff) break;
      if (step.kind == Utf8Step::Kind::kCharacter) {
        Append(bytes.substr(at, step.bytes), text);
      } else {
        Broken(bytes.substr(at, step.bytes), text);
      }
      at += step.bytes;
    }
    return at;
  }

  void Broken(absl::string_view bytes, std::string& text) {
    if (others_ == nullptr) {
      Append(kReplacement, text);
      return;
    }
    for (const char c : bytes) AppendCharacter((*others_)[static_cast<unsigned char>(c) - 0x80], text);
  }

  const SingleByteTable* const others_;
  std::string waiting_;
};

class SingleByteDecoder : public CharsetDecoder {
 public:
  explicit SingleByteDecoder(const SingleByteTable& table) : table_(table) {}

  void Feed(absl::string_view bytes, std::string& text) override {
    while (!bytes.empty()) {
      const size_t ascii = AsciiPrefix(bytes);
      Append(bytes.substr(0, ascii), text);
      bytes.remove_prefix(ascii);
      if (bytes.empty()) return;
      AppendCharacter(table_[static_cast<unsigned char>(bytes.front()) - 0x80], text);
      bytes.remove_prefix(1);
    }
  }

  void Finish(std::string&) override {}

 private:
  const SingleByteTable& table_;
};

enum class ByteOrder { kBig, kLittle, kByMark };

class Utf16Decoder : public CharsetDecoder {
 public:
  explicit Utf16Decoder(ByteOrder order) : order_(order) {}

  void Feed(absl::string_view bytes, std::string& text) override {
    for (const char c : bytes) {
      if (!has_first_) {
        first_ = static_cast<unsigned char>(c);
        has_first_ = true;
        continue;
      }
      has_first_ = false;
      const auto second = static_cast<unsigned char>(c);
      const auto big = static_cast<char16_t>(first_ << 8 | second);
      if (order_ == ByteOrder::kByMark) {
        // Without a mark it is big-endian (RFC 2781 section 4.3).
        order_ = big == 0xfffe ? ByteOrder::kLittle : ByteOrder::kBig;
        if (big == 0xfffe || big == 0xfeff) continue;
      }
      TakeUnit(order_ == ByteOrder::kBig ? big : static_cast<char16_t>(second << 8 | first_), text);
    }
  }

  void Finish(std::string& text) override {
    if (has_first_ || high_surrogate_ != 0) Append(kReplacement, text);
    has_first_ = false;
    high_surrogate_ = 0;
  }

 private:
  void TakeUnit(char16_t unit, std::string& text) {
    const bool is_low = unit >= 0xdc00 && unit <= 0xdfff;
    if (high_surrogate_ != 0) {
      const uint32_t high = std::exchange(high_surrogate_, char16_t{0});
      if (is_low) {
        AppendCharacter(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00u), text);
        return;
      }
      Append(kReplacement, text);
    }
    if (is_low) {
      Append(kReplacement, text);
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
      high_surrogate_ = unit;
    } else {
      AppendCharacter(unit, text);
    }
  }

  ByteOrder order_;
  bool has_first_ = false;
  unsigned char first_ = 0;
  // 0 when there is none that waits for its other half.
  char16_t high_surrogate_ = 0;
};

// Small letters, without what writers leave out or put in between.
std::string Normalized(absl::string_view name) {
  std::string normalized;
  for (const char c : name) {
    if (c != '-' && c != '_' && c != ' ') normalized.push_back(absl::ascii_tolower(c));
  }
  return normalized;
}

bool IsOfAName(absl::string_view name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && absl::string_view("-_.:+").find(c) == absl::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<CharsetDecoder> Charsets::Open(absl::string_view name) const {
  name = absl::StripAsciiWhitespace(name);
  if (name.size() > kMaxCharsetNameBytes) return nullptr;
  const std::string normalized = Normalized(name);
  for (const absl::string_view ascii : {"", "usascii", "ascii", "ansix3.41968", "iso646us"}) {
    if (normalized == ascii) return std::make_unique<Utf8Decoder>(FindSingleByteTable("windows1252"));
  }
  if (normalized == "utf8") return std::make_unique<Utf8Decoder>(nullptr);
  if (normalized == "utf16") return std::make_unique<Utf16Decoder>(ByteOrder::kByMark);
  if (normalized == "utf16be") return std::make_unique<Utf16Decoder>(ByteOrder::kBig);
  if (normalized == "utf16le") return std::make_unique<Utf16Decoder>(ByteOrder::kLittle);
  if (const SingleByteTable* table = FindSingleByteTable(normalized); table != nullptr) {
    return std::make_unique<SingleByteDecoder>(*table);
  }
  if (foreign_ == nullptr || !IsOfAName(name)) return nullptr;
  return foreign_->Open(absl::AsciiStrToLower(name));
}

std::string Charsets::Decode(absl::string_view name, absl::string_view bytes) const {
  std::unique_ptr<CharsetDecoder> decoder = Open(name);
  if (decoder == nullptr) decoder = Open("");
  std::string text;
  decoder->Feed(bytes, text);
  decoder->Finish(text);
  return text;
}

}  // namespace mailstead::mime
