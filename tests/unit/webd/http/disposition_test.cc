#include "webd/http/disposition.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

std::string Safe(absl::string_view written) { return SafeFileName(written, "part"); }

TEST(Disposition, NamesThatAreKept) {
  for (const char* const name :
       {"a.pdf", "Rechnung 2024 (1).pdf", "\xc3\xa9t\xc3\xa9.txt", "a;b=c&d.txt", "com.txt", "com10"}) {
    EXPECT_EQ(Safe(name), name);
  }
}

TEST(Disposition, NamesThatAreNot) {
  EXPECT_EQ(Safe("../../etc/passwd"), "passwd");
  EXPECT_EQ(Safe("C:\\Users\\a\\b.doc"), "b.doc");
  EXPECT_EQ(Safe(".bashrc"), "bashrc");
  EXPECT_EQ(Safe(" a.exe . "), "a.exe");
  EXPECT_EQ(Safe("a\r\nSet-Cookie: b"), "a__Set-Cookie_ b");
  EXPECT_EQ(Safe("a\"b%22<c>|*?.txt"), "a_b_22_c____.txt");
  EXPECT_EQ(Safe("a\xe2\x80\xae"
                 "fdp.exe"),
            "a_fdp.exe")
      << "U+202E would turn the ending around";
  EXPECT_EQ(Safe("a\xff.txt"), "a_.txt");
  EXPECT_EQ(Safe(std::string("a\0b", 3)), "a_b");
  for (const char* const device : {"CON", "con.txt", "Lpt1.x", "COM0", "nul"}) {
    EXPECT_EQ(Safe(device), std::string("_") + device);
  }
  for (const char* const nothing : {"", ".", "..", "/", "a/", " . ", "\\"})
    EXPECT_EQ(Safe(nothing), "part") << nothing;
}

TEST(Disposition, LongNamesKeepTheirEnding) {
  EXPECT_EQ(Safe(std::string(kMaxFileNameBytes, 'x')).size(), kMaxFileNameBytes);
  EXPECT_EQ(Safe(std::string(kMaxFileNameBytes + 1, 'x')).size(), kMaxFileNameBytes);
  EXPECT_EQ(Safe(absl::StrCat(std::string(300, 'x'), ".pdf")),
            absl::StrCat(std::string(kMaxFileNameBytes - 4, 'x'), ".pdf"));
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "\xc3\xa9";
  const std::string cut = Safe(umlauts + ".pdf");
  EXPECT_LE(cut.size(), kMaxFileNameBytes);
  EXPECT_EQ(cut.substr(cut.size() - 6), "\xc3\xa9.pdf") << "not cut inside a character";
}

TEST(Disposition, TheField) {
  EXPECT_EQ(AttachmentNamed("a b.pdf"), "attachment; filename=\"a b.pdf\"");
  EXPECT_EQ(AttachmentNamed("\xc3\xa9t\xc3\xa9's.pdf"),
            "attachment; filename=\"_t_'s.pdf\"; filename*=UTF-8''%C3%A9t%C3%A9%27s.pdf");
}

}  // namespace
}  // namespace mailstead::web
