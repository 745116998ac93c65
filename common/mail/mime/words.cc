#include "common/mail/mime/words.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/transfer_decoder.h"
#include "common/text/utf8.h"

namespace mailstead::mime {
namespace {

constexpr absl::string_view kReplacement = "\xef\xbf\xbd";

struct EncodedWord {
  size_t bytes;
  absl::string_view charset;
  bool is_base64;
  absl::string_view text;
};

// The word that `text` begins with; nullopt when there is none.
std::optional<EncodedWord> ParseEncodedWord(absl::string_view text) {
  if (!absl::StartsWith(text, "=?")) return std::nullopt;
  // A language may stand behind the character set (RFC 2231 section 5).
  const absl::string_view head = text.substr(2, 2 * kMaxCharsetNameBytes);
  const size_t charset_end = head.find('?');
  if (charset_end == head.npos || charset_end == 0) return std::nullopt;
  absl::string_view charset = head.substr(0, charset_end);
  if (charset.find_first_of(" \t") != charset.npos) return std::nullopt;
  charset = charset.substr(0, charset.find('*'));
  const size_t encoding_at = 2 + charset_end + 1;
  if (text.size() < encoding_at + 4 || text[encoding_at + 1] != '?') return std::nullopt;
  const char encoding = absl::ascii_tolower(text[encoding_at]);
  if (encoding != 'b' && encoding != 'q') return std::nullopt;
  const size_t begin = encoding_at + 2;
  // No "?" stands in the text of a word.
  const size_t end = text.find('?', begin);
  if (end == text.npos || end + 1 == text.size() || text[end + 1] != '=') return std::nullopt;
  return EncodedWord{end + 2, charset, encoding == 'b', text.substr(begin, end - begin)};
}

// The Q encoding (RFC 2047 section 4.2).
void DecodeQ(absl::string_view text, std::string& bytes) {
  std::string quoted(text);
  for (char& c : quoted) {
    if (c == '_') c = ' ';
  }
  QuotedPrintableDecoder decoder;
  // The blanks at the end are text here.
  const size_t last = quoted.find_last_not_of(" \t") + 1;
  decoder.Feed(absl::string_view(quoted).substr(0, last), &bytes);
  decoder.Finish(&bytes);
  bytes.append(quoted, last);
}

std::string BytesOf(const EncodedWord& word) {
  std::string bytes;
  if (word.is_base64) {
    Base64Decoder decoder;
    decoder.Feed(word.text, &bytes);
    decoder.Finish(&bytes);
  } else {
    DecodeQ(word.text, bytes);
  }
  return bytes;
}

// Puts together the words that follow one another.
class TextDecoder {
 public:
  TextDecoder(absl::string_view text, const Charsets& charsets) : left_(text), charsets_(charsets) {}

  std::string Decode() {
    while (!left_.empty()) {
      const size_t begin = left_.find("=?");
      if (begin == left_.npos) break;
      const std::optional<EncodedWord> word = ParseEncodedWord(left_.substr(begin));
      const size_t plain = word ? begin : begin + 2;
      const bool only_blanks = left_.substr(0, plain).find_first_not_of(" \t") == left_.npos;
      std::unique_ptr<CharsetDecoder> decoder;
      const bool goes_on = word && decoder_ != nullptr && only_blanks;
      if (goes_on && absl::EqualsIgnoreCase(word->charset, charset_)) {
        left_.remove_prefix(begin + word->bytes);
        decoder_->Feed(BytesOf(*word), decoded_);
        continue;
      }
      if (word) decoder = charsets_.Open(word->charset);
      EndWords();
      if (word && decoder == nullptr) {
        // A word that we cannot read is text like other text.
        Plain(left_.substr(0, begin + word->bytes));
        left_.remove_prefix(begin + word->bytes);
        continue;
      }
      // Between two words blanks are no text (RFC 2047 section 6.2).
      if (!goes_on) Plain(left_.substr(0, plain));
      left_.remove_prefix(plain);
      if (!word) continue;
      decoder_ = std::move(decoder);
      charset_ = std::string(word->charset);
      decoder_->Feed(BytesOf(*word), decoded_);
      left_.remove_prefix(word->bytes);
    }
    EndWords();
    Plain(left_);
    return OneLine(decoded_);
  }

 private:
  void EndWords() {
    if (decoder_ != nullptr) decoder_->Finish(decoded_);
    decoder_ = nullptr;
  }

  void Plain(absl::string_view text) {
    if (IsAscii(text)) {
      decoded_.append(text.data(), text.size());
    } else {
      decoded_ += charsets_.Decode("", text);
    }
  }

  absl::string_view left_;
  const Charsets& charsets_;
  std::string decoded_;
  // Of the words under way; null when what was read last is no word.
  std::unique_ptr<CharsetDecoder> decoder_;
  std::string charset_;
};

}  // namespace

std::string DecodeText(absl::string_view value, const Charsets& charsets) {
  const std::string line = Unfolded(value);
  if (!absl::StrContains(line, "=?") && IsAscii(line)) return OneLine(line);
  return TextDecoder(line, charsets).Decode();
}

size_t EncodedWordBytes(absl::string_view text) {
  const std::optional<EncodedWord> word = ParseEncodedWord(text);
  return word ? word->bytes : 0;
}

std::string OneLine(absl::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    if (c == '\r' || c == '\n' || c == '\0') {
      line.append(kReplacement.data(), kReplacement.size());
    } else {
      line.push_back(c);
    }
  }
  return line;
}

std::string Unfolded(absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  std::string unfolded;
  unfolded.reserve(value.size());
  for (size_t at = 0; at < value.size(); ++at) {
    const bool is_crlf = value[at] == '\r' && at + 1 < value.size() && value[at + 1] == '\n';
    if (!is_crlf && value[at] != '\n') unfolded.push_back(value[at]);
  }
  return unfolded;
}

}  // namespace mailstead::mime
