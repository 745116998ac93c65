#include "stored/core/message_digest.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/text/utf8.h"

namespace mailstead::stored {
namespace {

using engine::SearchedFields;

SearchedFields Digest(absl::string_view content, absl::string_view trace = "", size_t piece_bytes = 1 << 20) {
  MessageDigest digest;
  for (size_t at = 0; at < content.size(); at += piece_bytes) digest.Feed(content.substr(at, piece_bytes));
  return digest.Finish(trace);
}

std::string Multipart(absl::string_view second_part, absl::string_view type = "mixed") {
  return absl::StrCat("Subject: s\r\nContent-Type: multipart/", type,
                      "; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n", second_part, "\r\n--b--\r\n");
}

TEST(MessageDigest, KeepsWhatTheHeaderSays) {
  const std::string content =
      "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>, \"B, C\" <c@example.org>, d@example.org (Dora)\r\n"
      "subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n from Ulm\r\n"
      "Date: Sun, 29 Nov 2026 10:00:00 +0100\r\n"
      "Message-ID: <one@host> (comment)\r\n"
      "Subject: the second one\r\n"
      "\r\n"
      "Subject: of the body\r\n";
  for (const size_t piece : {1, 7, 1 << 20}) {
    const SearchedFields fields = Digest(content, "Received: by us\r\n", static_cast<size_t>(piece));
    EXPECT_TRUE(fields.known);
    EXPECT_EQ(fields.subject,
              "Gr\xc3\xbc\xc3\x9f"
              "e from Ulm");
    ASSERT_EQ(fields.from.size(), 3u);
    EXPECT_EQ(fields.from[0], (engine::SearchedAddress{"J\xc3\xb6rg", "joerg@example.org"}));
    EXPECT_EQ(fields.from[1], (engine::SearchedAddress{"B, C", "c@example.org"}));
    EXPECT_EQ(fields.from[2], (engine::SearchedAddress{"Dora", "d@example.org"}));
    EXPECT_EQ(fields.message_id, "one@host");
    EXPECT_EQ(fields.date, absl::FromUnixSeconds(1'795'942'800));
    EXPECT_FALSE(fields.has_attachment);
  }
}

TEST(MessageDigest, WhatIsNotThereIsEmpty) {
  for (const char* content : {"", "\r\n", "\r\nSubject: body\r\n", "X: y\r\n\r\nSubject: body\r\n"}) {
    SearchedFields nothing;
    nothing.known = true;
    EXPECT_EQ(Digest(content), nothing) << content;
  }
}

// What submission adds stands in front, and the first field counts.
TEST(MessageDigest, TheTraceCounts) {
  const std::string content = "Subject: s\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n\r\n";
  const SearchedFields fields = Digest(
      content, "Received: here\r\nMessage-ID: <ours@host>\r\nDate: Sun, 29 Nov 2026 11:00:00 +0000\r\n");
  EXPECT_EQ(fields.subject, "s");
  EXPECT_EQ(fields.message_id, "ours@host");
  EXPECT_EQ(fields.date, absl::FromUnixSeconds(1'795'950'000));
}

// It is so when the content does not begin with a field: all of it is the body then.
TEST(MessageDigest, BehindAnEmptyLineIsABody) {
  const std::string content =
      "From nobody\r\nSubject: s\r\nContent-Disposition: attachment; filename=x\r\n\r\nbody\r\n";
  EXPECT_EQ(Digest(content, "Received: here\r\n\r\n").subject, "");
  EXPECT_FALSE(Digest(content, "Received: here\r\n\r\n").has_attachment);
  EXPECT_EQ(Digest(content, "\r\n").subject, "");
  EXPECT_EQ(Digest("text\r\n", "Message-ID: <x@y>\r\n\r\n").message_id, "x@y");
}

TEST(MessageDigest, SeesAttachments) {
  struct Case {
    std::string content;
    bool has_attachment;
  };
  const Case cases[] = {
      {"Content-Disposition: attachment\r\n\r\nx", true},
      {"Content-Type: application/pdf; name=a.pdf\r\n\r\nx", true},
      {"Content-Type: application/pdf\r\n\r\nx", false},
      {"Content-Disposition: inline\r\n\r\nx", false},
      {Multipart("\r\nmore text"), false},
      {Multipart("Content-Disposition: attachment; filename=a\r\n\r\nx"), true},
      {Multipart("Content-Disposition: inline; filename=a.pdf\r\n\r\nx"), true},
      {Multipart(
           "Content-Type: image/png; name=a.png\r\nContent-ID: <i@x>\r\nContent-Disposition: inline\r\n\r\nx",
           "related"),
       false},
      {Multipart("Content-Type: image/png; name=a.png\r\nContent-Disposition: attachment\r\nContent-ID: "
                 "<i@x>\r\n\r\nx"),
       true},
      {Multipart("Content-Type: multipart/mixed; boundary=c\r\nContent-Disposition: "
                 "attachment\r\n\r\n--c\r\n\r\n--c--"),
       false},
      {Multipart("Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain; name=x\r\n\r\nx"), true},
      {Multipart(absl::StrCat("\r\n", std::string(300'000, 'x'))), false},
      // The last part's header has no end.
      {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment", true},
  };
  for (const Case& c : cases) {
    for (const size_t piece : {1, 1000, 1 << 20}) {
      if (piece == 1 && c.content.size() > 10'000) continue;
      EXPECT_EQ(Digest(c.content, "", static_cast<size_t>(piece)).has_attachment, c.has_attachment)
          << c.content.substr(0, 300);
    }
  }
}

TEST(MessageDigest, LooksNoFurtherThanItMust) {
  MessageDigest plain;
  plain.Feed("Subject: s\r\n\r\n");
  EXPECT_TRUE(plain.has_seen_enough());
  MessageDigest multipart;
  multipart.Feed("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n");
  EXPECT_FALSE(multipart.has_seen_enough());
  multipart.Feed("--b\r\nContent-Disposition: attachment\r\n\r\n");
  EXPECT_TRUE(multipart.has_seen_enough());
  EXPECT_TRUE(multipart.Finish("").has_attachment);
}

TEST(MessageDigest, WhatIsKeptIsBounded) {
  const std::string word(2000, 'x');
  const std::string umlauts = absl::StrCat(std::string(997, 'x'), "\xc3\xbc");
  EXPECT_EQ(Digest(absl::StrCat("Subject: ", word, "\r\n\r\n")).subject, word.substr(0, 998));
  // Not within a character.
  EXPECT_EQ(Digest(absl::StrCat("Subject: ", umlauts, "\r\n\r\n")).subject, umlauts.substr(0, 997));
  EXPECT_EQ(Digest(absl::StrCat("Message-ID: <", word.substr(0, 998), ">\r\n\r\n")).message_id,
            word.substr(0, 998));
  EXPECT_EQ(Digest(absl::StrCat("Message-ID: <", word.substr(0, 999), ">\r\n\r\n")).message_id, "");
  const std::string address = "a@example.org";
  std::string from = absl::StrCat("From: ", word, " <", address, ">");
  EXPECT_EQ(Digest(absl::StrCat(from, "\r\n\r\n")).from,
            (std::vector<engine::SearchedAddress>{{word.substr(0, 640 - address.size()), address}}));
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&from, ",\r\n n <", address, ">");
  EXPECT_EQ(Digest(absl::StrCat(from, "\r\n\r\n")).from.size(), 1u);
  from = absl::StrCat("From: ", address);
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&from, ",\r\n ", address);
  EXPECT_EQ(Digest(absl::StrCat(from, "\r\n\r\n")).from.size(), 640 / address.size());
}

// Records and answers hold UTF-8 in one line.
TEST(MessageDigest, WhatIsKeptIsText) {
  const SearchedFields fields = Digest(
      "Subject: \xff=?utf-8?q?a=0D=0Ab=00?=\r\nFrom: \xfc\xff <\xff@\xfe>\r\nMessage-ID: <\xff@x>\r\n\r\n");
  std::string all = absl::StrCat(fields.subject, fields.message_id);
  for (const engine::SearchedAddress& from : fields.from) absl::StrAppend(&all, from.name, from.address);
  EXPECT_TRUE(IsValidUtf8(all)) << all;
  EXPECT_EQ(all.find_first_of(absl::string_view("\r\n\0", 3).data(), 0, 3), std::string::npos);
  EXPECT_EQ(fields.message_id, "\xc3\xbf@x");
}

}  // namespace
}  // namespace mailstead::stored
