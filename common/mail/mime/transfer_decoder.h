// Takes the transfer encoding off a body as it comes by (RFC 2045 section 6). Pure; never fails: what is wrong is
// told as defects. Any split of the bytes gives the same ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mail/mime/defect.h"

namespace mailstead::mime {

enum class Encoding { k7Bit, k8Bit, kBinary, kQuotedPrintable, kBase64, kUnknown };

// Of the value of Content-Transfer-Encoding, without comments. An empty one is 7bit (section 6.1).
Encoding EncodingOf(absl::string_view name);
// As the RFC writes it; "unknown" for kUnknown.
absl::string_view EncodingName(Encoding encoding);

// Whether they are characters of base64's alphabet, without padding and white space.
bool IsBase64Alphabet(absl::string_view bytes);

// Base64 (section 6.8). Bytes that are no characters of it are passed over; a padding ends a byte and not the whole, as
// some writers encode a file piece by piece; where padding is missing the whole bytes count.
class Base64Decoder {
 public:
  // Appends to `out` what the bytes stand for, or counts it when `out` is null.
  void Feed(absl::string_view bytes, std::string* out);
  void Finish(std::string* out);

  // As Feed with so many characters of the alphabet, and without `out`.
  void Count(size_t characters) { FeedAlphabet(characters); }

  uint64_t decoded_bytes() const { return decoded_bytes_; }
  DefectSet defects() const { return defects_; }

 private:
  // What there is to know of characters without what they stand for: how many whole bytes they end.
  size_t FeedAlphabet(size_t characters);
  // Characters of the alphabet only.
  void FeedAlphabet(absl::string_view characters, std::string* out);
  // Gives the whole bytes of a quantum that has two or three characters.
  void EndQuantum(std::string* out);

  // The characters that have no byte of their own yet, as a number, and how many they are.
  uint32_t quantum_ = 0;
  size_t quantum_characters_ = 0;
  // Set by padding, never cleared.
  bool padded_ = false;
  // How many more "=" the padding under way may have.
  size_t padding_left_ = 0;
  uint64_t decoded_bytes_ = 0;
  DefectSet defects_;
};

// Quoted-printable (section 6.7). Line ends stay as they are, blanks in front of them go; hexadecimal digits may be
// small.
class QuotedPrintableDecoder {
 public:
  // As of Base64Decoder.
  void Feed(absl::string_view bytes, std::string* out);
  void Finish(std::string* out);

  uint64_t decoded_bytes() const { return decoded_bytes_; }
  DefectSet defects() const { return defects_; }

 private:
  enum class State { kText, kCr, kEquals, kDigit, kEqualsBlanks, kEqualsCr };

  // Text up to the next "=" or line end; gives the place of what comes behind it.
  size_t TakeText(absl::string_view bytes, size_t at, std::string* out);
  // Takes the byte in the state that we are in, or goes into another one and gives false.
  bool TakeByte(char c, std::string* out);
  bool TakeBehindEquals(char c, std::string* out);
  // The blanks in front are a part of the text.
  void FlushBlanks(std::string* out);
  void Emit(absl::string_view bytes, std::string* out);
  // "=" and what was read behind it are text.
  void Garbage(absl::string_view more, std::string* out);

  State state_ = State::kText;
  std::string held_blanks_;
  // Set when a run of blanks became longer than what is held: it is text. Cleared by what is no blank.
  bool in_long_blanks_ = false;
  char digit_ = 0;
  uint64_t decoded_bytes_ = 0;
  DefectSet defects_;
};

// Any of the encodings. What is not encoded comes as it is.
class TransferDecoder {
 public:
  explicit TransferDecoder(Encoding encoding) : encoding_(encoding) {}

  void Feed(absl::string_view bytes, std::string* out);
  void Finish(std::string* out);
  // Of base64 only.
  void CountBase64(size_t characters) { base64_.Count(characters); }

  Encoding encoding() const { return encoding_; }

  uint64_t decoded_bytes() const;
  DefectSet defects() const;

 private:
  const Encoding encoding_;
  uint64_t plain_bytes_ = 0;
  Base64Decoder base64_;
  QuotedPrintableDecoder quoted_printable_;
};

}  // namespace mailstead::mime
