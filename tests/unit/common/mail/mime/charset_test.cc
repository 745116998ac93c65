#include "common/mail/mime/charset.h"

#include <memory>
#include <string>

#include "common/mail/mime/limits.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

constexpr char kNone[] = "\xef\xbf\xbd";

std::string In(std::string text) {
  for (size_t at; (at = text.find('#')) != text.npos;) text.replace(at, 1, kNone);
  return text;
}

TEST(Charsets, Decodes) {
  struct {
    const char* name;
    std::string bytes;
    // "#" stands for U+FFFD.
    const char* text;
  } cases[] = {
      {"", "a\xc3\xa4\xe4\x80", "aää€"},
      {"us-ascii", "\xe2\x82", "â‚"},
      {"ANSI_X3.4-1968", "\xff", "ÿ"},
      {"utf-8", "\xc3\xa4\xf0\x9f\x98\x80", "ä😀"},
      {"UTF8", "\xc3", "#"},
      {"utf-8", "\xe2\x82x", "#x"},
      {"utf-8", "\xe2\xe2\x82\xac", "#€"},
      {"utf-8", "\xc0\x80\xed\xa0\x80\xf5", "######"},
      {"iso-8859-1", "\xe4\x80", "ä€"},
      {"ISO_8859-2", "\xb1\x80", "ą#"},
      {"iso-8859-5", "\xd0", "а"},
      {"ISO-8859-7", "\xe1\xd2", "α#"},
      {"iso-8859-8-i", "\xe0", "א"},
      {"iso-8859-9", "\xfd", "ı"},
      {"iso-8859-11", "\xa1", "ก"},
      {"iso-8859-15", "\xa4", "€"},
      {"windows-1250", "\x9a", "š"},
      {"cp1251", "\xe0", "а"},
      {"Windows-1252", "\x80\x81", "€#"},
      {"windows-1254", "\xf0", "ğ"},
      {"windows-1256", "\xc7", "ا"},
      {"koi8-r", "\xc1", "а"},
      {"KOI8-U", "\xa4", "є"},
      {"ibm850", "\x84", "ä"},
      {"cp866", "\xa0", "а"},
      {"macintosh", "\x8a", "ä"},
      {"utf-16be", std::string("\x00\xe4\xd8\x3d\xde\x00", 6), "ä😀"},
      {"utf-16le", std::string("\xe4\x00\x3d\xd8\x00\xde", 6), "ä😀"},
      {"utf-16", std::string("\xff\xfe\xe4\x00", 4), "ä"},
      {"utf-16", std::string("\xfe\xff\x00\xe4", 4), "ä"},
      {"utf-16", std::string("\x00\xe4", 2), "ä"},
      {"utf-16be", std::string("\xd8\x3d\x00\x61\xde\x00\x00", 7), "#a##"},
      // Unknown ones are read as if there were no name.
      {"x-none", "\xe4", "ä"},
  };
  const Charsets charsets;
  for (const auto& c : cases) {
    EXPECT_EQ(charsets.Decode(c.name, c.bytes), In(c.text)) << c.name;
    std::unique_ptr<CharsetDecoder> decoder = charsets.Open(c.name);
    if (decoder == nullptr) continue;
    std::string by_byte;
    for (const char byte : c.bytes) decoder->Feed(absl::string_view(&byte, 1), by_byte);
    decoder->Finish(by_byte);
    EXPECT_EQ(by_byte, In(c.text)) << c.name;
  }
}

// One that remembers what it was asked for.
class FakeForeign : public ForeignCharsets {
 public:
  std::unique_ptr<CharsetDecoder> Open(absl::string_view name) const override {
    asked += std::string(name) + " ";
    return nullptr;
  }
  mutable std::string asked;
};

TEST(Charsets, AsksForForeignOnesByACleanName) {
  const FakeForeign foreign;
  const Charsets charsets(&foreign);
  const std::string longest(kMaxCharsetNameBytes, 'x');
  for (const std::string& name : {std::string("utf-8"), std::string(" Shift_JIS "), std::string("../../etc"),
                                  std::string("a,b"), longest, longest + "x"}) {
    charsets.Open(name);
  }
  EXPECT_EQ(foreign.asked, "shift_jis " + longest + " ");
}

}  // namespace
}  // namespace mailstead::mime
