// Text of any character set as UTF-8. Pure; never fails: U+FFFD stands for what is no character. Any split of the bytes
// gives the same text.
//
// The sets of one byte are tables of our own, and UTF-8 and UTF-16 are code. Those of East Asia have tables of 100
// KiB and more, which the C library has too; but its iconv() loads a file by the name that a stranger wrote. So
// they come in from outside, by ForeignCharsets: who links nothing but what is pure reads what mail is mostly
// written in.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

class CharsetDecoder {
 public:
  virtual ~CharsetDecoder() = default;
  // Appends the text of `bytes`. The last character may wait for the bytes that come behind.
  virtual void Feed(absl::string_view bytes, std::string& text) = 0;
  // The text has ended.
  virtual void Finish(std::string& text) = 0;
};

// Character sets that we have no tables for.
class ForeignCharsets {
 public:
  virtual ~ForeignCharsets() = default;
  // Null when it is unknown. `name` is in small letters, has letters, digits and "-_.:+" only, and at most
  // kMaxCharsetNameBytes.
  virtual std::unique_ptr<CharsetDecoder> Open(absl::string_view name) const = 0;
};

class Charsets {
 public:
  // `foreign` outlives it and may be null.
  explicit Charsets(const ForeignCharsets* foreign = nullptr) : foreign_(foreign) {}

  // Null when it is unknown. The empty name and us-ascii are text of writers that do not say, or do not know, what they
  // write: what is UTF-8 in it is UTF-8, and other bytes are windows-1252.
  std::unique_ptr<CharsetDecoder> Open(absl::string_view name) const;
  bool Knows(absl::string_view name) const { return Open(name) != nullptr; }

  // The whole of a text; an unknown name is taken as the empty one.
  std::string Decode(absl::string_view name, absl::string_view bytes) const;

 private:
  const ForeignCharsets* const foreign_;
};

}  // namespace mailstead::mime
