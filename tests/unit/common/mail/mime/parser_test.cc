// The parser's limits, offsets and defects. What it makes of whole messages is in tests/golden/mime.
#include "common/mail/mime/parser.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/mail/mime/limits.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

Message Parse(absl::string_view bytes, size_t piece = 1'000'000'000) {
  const Charsets charsets;
  Parser parser(charsets);
  for (size_t at = 0; at < bytes.size(); at += piece) parser.Feed(bytes.substr(at, piece));
  return parser.Finish();
}

std::string CrLf(absl::string_view text) { return absl::StrReplaceAll(text, {{"\n", "\r\n"}}); }

std::string DefectsOf(absl::string_view text) { return Parse(CrLf(text)).parts[0].defects.ToString(); }

TEST(MimeParser, TellsWhereThingsAre) {
  const std::string bytes = CrLf(
      "Subject: x\n"
      "Content-Type: multipart/mixed; boundary=b\n"
      "\n"
      "preamble\n"
      "--b\n"
      "Content-Type: text/html\n"
      "\n"
      "first\n"
      "\n"
      "--b\n"
      "Content-Type: message/rfc822\n"
      "\n"
      "Subject: y\n"
      "\n"
      "second\n"
      "--b--\n"
      "epilogue\n");
  const Message message = Parse(bytes);
  ASSERT_EQ(message.parts.size(), 4u);
  const auto header = [&](const Part& part) {
    return bytes.substr(part.header_begin, part.body_begin - part.header_begin);
  };
  const auto body = [&](const Part& part) { return bytes.substr(part.body_begin, part.encoded_bytes()); };
  EXPECT_EQ(message.parts[0].header_begin, 0u);
  EXPECT_EQ(message.parts[0].end, bytes.size());
  EXPECT_EQ(header(message.parts[1]), "Content-Type: text/html\r\n\r\n");
  EXPECT_EQ(body(message.parts[1]), "first\r\n");
  EXPECT_EQ(body(message.parts[2]), "Subject: y\r\n\r\nsecond");
  EXPECT_EQ(header(message.parts[3]), "Subject: y\r\n\r\n");
  EXPECT_EQ(body(message.parts[3]), "second");
  EXPECT_EQ(message.FindPart("1.2.1"), &message.parts[3]);
  EXPECT_EQ(message.FindPart("1.3"), nullptr);
  EXPECT_EQ(message.parts[3].parent, 2u);
  ASSERT_EQ(message.fields.size(), 2u);
  const Field& type = message.fields[1];
  EXPECT_EQ(bytes.substr(type.begin, type.end - type.begin), "Content-Type: multipart/mixed; boundary=b\r\n");
  EXPECT_EQ(message.FindField("content-TYPE"), &type);
  EXPECT_EQ(message.FindField("X"), nullptr);
}

TEST(MimeParser, TellsOfDefects) {
  struct {
    const char* message;
    const char* defects;
  } cases[] = {
      {"Subject: x\n\ny\n", ""},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n", "missing-end-boundary"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "missing-start-boundary"},
      {"Content-Type: multipart/mixed; boundary=b\n\n", "missing-end-boundary missing-start-boundary"},
      {"Content-Type: multipart/mixed\n\n", "no-boundary"},
      {"Content-Type: multipart/mixed; boundary=\"\"\n\n", "no-boundary"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--\n--b--\n", "part-after-end"},
      {"Subject: x\ny\n", "header-without-end"},
      {"From a@b.test Tue Nov 14\nSubject: x\n\ny\n", "envelope-line"},
      {"Subject: x\nFrom a@b.test Tue Nov 14\n\ny\n", "header-without-end"},
      {"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\n--b--\n",
       "encoded-multipart"},
      {"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n", "encoded-message"},
      {"Content-Type: message/global\nContent-Transfer-Encoding: base64\n\n", ""},
      {"Subject: x\xe4\n\ny\n", "8bit-header"},
      {"Subject: x\n\n\xe4\n", "8bit-in-7bit"},
      {"Content-Transfer-Encoding: 8bit\n\n\xe4\n", ""},
      {"Content-Transfer-Encoding: x\n\ny\n", "unknown-encoding"},
      {"Content-Type: text/plain; charset=x-none\n\ny\n", "unknown-charset"},
      {"Content-Type: image/png; charset=x-none\n\ny\n", ""},
      {"Content-Transfer-Encoding: base64\n\n=?\n", "base64-garbage"},
      {"Content-Transfer-Encoding: base64\n\nabc\n", "base64-length"},
      {"Content-Transfer-Encoding: base64\n\naa==aaaa\n", "base64-after-padding"},
      {"Content-Transfer-Encoding: quoted-printable\n\n=x\n", "quoted-printable-garbage"},
      {"Subject: x\nSubject: y\n\n", "duplicate-field"},
      {"Received: x\nReceived: y\n\n", ""},
      {"Content-ID: <a@b>\nContent-ID: <c@d>\n\n", "duplicate-field"},
      {"Content-Type: text\n\n", "bad-content-type"},
      {"Content-Type: text/html charset=utf-8\n\n", "bad-content-type"},
      {"Content-Disposition: attachment; x\n\n", "bad-parameter"},
      {"Content-Disposition: attachment; x=1; x=2\n\n", "duplicate-parameter"},
      {"Content-Disposition: attachment; x*1=2\n\n", "parameter-hole"},
      {"Content-Disposition: attachment; x==?utf-8?q?a?=\n\n", "encoded-word-in-parameter"},
  };
  for (const auto& c : cases) EXPECT_EQ(DefectsOf(c.message), c.defects) << c.message;
}

TEST(MimeParser, TellsOfLines) {
  struct {
    std::string message;
    const char* defects;
  } cases[] = {
      {"Subject: x\n\r\n", "bare-lf"},
      {"Subject: x\r\n\n", "bare-lf"},
      {"Subject: x\r\n\r\ny\n", "bare-lf"},
      {"Subject: x\ry\r\n\r\n", "bare-cr"},
      {"Subject: x\r\r\n\r\n", "bare-cr"},
      {"Subject: x\r", "bare-cr"},
      {"Subject: x\r\n\r\na\rb\r\n", "bare-cr"},
      {"Subject: x\r\n\r\na\r\r\n", "bare-cr"},
      {"Subject: x\r\n\r\na\r", "bare-cr"},
      {std::string("Subject: \0\r\n\r\n", 14), "nul"},
      {std::string("Subject: x\r\n\r\n\0\r\n", 17), "nul"},
      {absl::StrCat("Subject: x\r\n\r\n", std::string(998, 'a'), "\r\n"), ""},
      {absl::StrCat("Subject: x\r\n\r\n", std::string(999, 'a'), "\r\n"), "line-too-long"},
      {absl::StrCat("Subject: x\r\n\r\n", std::string(999, 'a')), "line-too-long"},
      {absl::StrCat("Subject: ", std::string(989, 'a'), "\r\n\r\n"), ""},
      {absl::StrCat("Subject: ", std::string(990, 'a'), "\r\n\r\n"), "line-too-long"},
      {absl::StrCat("Subject: ", std::string(5'000, 'a'), "\r\n\r\n"), "line-too-long"},
      {absl::StrCat("Subject: ", std::string(5'000, 'a'), "\r", "b\n\r\n"), "bare-lf bare-cr line-too-long"},
      {absl::StrCat("Subject: x\r\n\r\n", std::string(5'000, 'a'), "\r", "b\n"),
       "bare-lf bare-cr line-too-long"},
  };
  for (const auto& c : cases) {
    for (const size_t piece : {size_t{1}, size_t{3}, size_t{100'000}}) {
      EXPECT_EQ(Parse(c.message, piece).parts[0].defects.ToString(), c.defects)
          << c.message << " in " << piece;
    }
  }
}

// A multipart in a multipart and so on, and a text in the last one.
std::string Nested(size_t depth) {
  std::string message;
  for (size_t i = 1; i < depth; ++i) {
    absl::StrAppend(&message, "Content-Type: multipart/mixed; boundary=b", i, "x\r\n\r\n--b", i, "x\r\n");
  }
  absl::StrAppend(&message, "\r\ntext");
  for (size_t i = depth; i-- > 1;) absl::StrAppend(&message, "\r\n--b", i, "x--");
  return message + "\r\n";
}

TEST(MimeParser, BoundsDepth) {
  for (const size_t depth : {size_t{1}, kMaxDepth - 1, kMaxDepth, kMaxDepth + 1, size_t{1'000}}) {
    const std::string bytes = Nested(depth);
    const Message message = Parse(bytes);
    EXPECT_EQ(message.parts.size(), std::min(depth, kMaxDepth));
    EXPECT_EQ(message.parts.back().defects.Has(Defect::kTooDeep), depth > kMaxDepth) << depth;
    // What was not looked into ends where it ends.
    EXPECT_EQ(message.parts.back().defects.Has(Defect::kMissingEndBoundary), false);
    const Part& last = message.parts.back();
    EXPECT_EQ(last.media_type, depth > kMaxDepth ? "multipart/mixed" : "text/plain");
    if (depth <= kMaxDepth) {
      EXPECT_EQ(bytes.substr(last.body_begin, last.encoded_bytes()), depth > 1 ? "text" : "text\r\n");
    }
  }
  std::string messages;
  for (int i = 0; i < 1'000; ++i) messages += "Content-Type: message/rfc822\r\n\r\n";
  const Message message = Parse(messages);
  EXPECT_EQ(message.parts.size(), kMaxDepth);
  EXPECT_TRUE(message.parts.back().defects.Has(Defect::kTooDeep));
  EXPECT_EQ(message.parts.back().end, messages.size());
}

TEST(MimeParser, BoundsParts) {
  for (const size_t count : {kMaxPartCount - 2, kMaxPartCount - 1, kMaxPartCount}) {
    std::string bytes = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&bytes, "--b\r\n\r\n", i, "\r\n");
    absl::StrAppend(&bytes, "--b--\r\n");
    const Message message = Parse(bytes);
    EXPECT_EQ(message.parts.size(), std::min(count + 1, kMaxPartCount));
    EXPECT_EQ(message.parts[0].defects.ToString(), count + 1 > kMaxPartCount ? "too-many-parts" : "");
    const Part& last = message.parts.back();
    EXPECT_EQ(bytes.substr(last.body_begin, last.encoded_bytes()), absl::StrCat(message.parts.size() - 2));
  }
}

TEST(MimeParser, BoundsTheHeader) {
  for (const size_t count : {kMaxFieldCount - 1, kMaxFieldCount, kMaxFieldCount + 1}) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i) bytes += "X: y\r\n";
    const Message message = Parse(bytes);
    EXPECT_EQ(message.fields.size(), std::min(count, kMaxFieldCount));
    EXPECT_EQ(message.parts[0].defects.Has(Defect::kHeaderTooLarge), count > kMaxFieldCount);
  }
  // Names and values are counted.
  for (const size_t bytes : {kMaxHeaderBytes - 1, kMaxHeaderBytes, kMaxHeaderBytes + 1}) {
    std::string header;
    for (size_t left = bytes; left > 0;) {
      const size_t field = std::min<size_t>(left, 900);
      absl::StrAppend(&header, "X:", std::string(field - 1, 'y'), "\r\n");
      left -= field;
    }
    const Message message = Parse(header + "\r\nbody");
    EXPECT_EQ(message.parts[0].defects.Has(Defect::kHeaderTooLarge), bytes > kMaxHeaderBytes) << bytes;
    EXPECT_EQ(message.parts[0].encoded_bytes(), 4u);
  }
  for (const size_t bytes : {kMaxHeaderFieldBytes - 1, kMaxHeaderFieldBytes, kMaxHeaderFieldBytes + 1}) {
    std::string value;
    while (value.size() < bytes) absl::StrAppend(&value, std::string(70, 'y'), "\r\n ");
    value.resize(bytes - 3);
    // The line end is a part of what is kept.
    absl::StrAppend(&value, "z\r\n");
    for (const size_t piece : {size_t{1}, size_t{1'000'000}}) {
      const Message message = Parse(absl::StrCat("X:", value, "Y: z\r\n"), piece);
      EXPECT_EQ(message.parts[0].defects.Has(Defect::kFieldTooLong), bytes > kMaxHeaderFieldBytes) << bytes;
      ASSERT_EQ(message.fields.size(), 2u);
      EXPECT_EQ(message.fields[0].end, bytes + 2);
      EXPECT_EQ(message.fields[1].value, " z");
    }
  }
}

TEST(MimeParser, BoundsBoundariesAndTheirLines) {
  for (const size_t length : {kMaxBoundaryBytes - 1, kMaxBoundaryBytes, kMaxBoundaryBytes + 1}) {
    const std::string boundary(length, 'b');
    const std::string bytes = absl::StrCat("Content-Type: multipart/mixed;\r\n boundary=", boundary,
                                           "\r\n\r\n--", boundary, "\r\n\r\ntext\r\n--", boundary, "--\r\n");
    for (const size_t piece : {size_t{1}, size_t{100'000}}) {
      const Message message = Parse(bytes, piece);
      EXPECT_EQ(message.parts.size(), length > kMaxBoundaryBytes ? 1u : 2u) << length;
      EXPECT_EQ(message.parts[0].defects.Has(Defect::kNoBoundary), length > kMaxBoundaryBytes);
    }
  }
  // Blanks behind a boundary, as many as a line may have.
  for (const size_t length : {kMaxLineBytes - 1, kMaxLineBytes, kMaxLineBytes + 1, size_t{5'000}}) {
    const std::string bytes = absl::StrCat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b",
                                           std::string(length - 3, ' '), "\r\n\r\ntext\r\n--b--\r\n");
    for (const size_t piece : {size_t{1}, size_t{100'000}}) {
      EXPECT_EQ(Parse(bytes, piece).parts.size(), length > kMaxLineBytes ? 1u : 2u) << length;
    }
  }
}

TEST(MimeParser, BoundsTheTextOfAllParts) {
  const std::string name(30'000, 'n');
  std::string bytes = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 100; ++i)
    absl::StrAppend(&bytes, "--b\r\nContent-Disposition: inline; filename=", name, "\r\n\r\n\r\n");
  const Message message = Parse(bytes);
  ASSERT_EQ(message.parts.size(), 101u);
  size_t kept = 0, dropped = 0;
  for (const Part& part : message.parts) {
    kept += part.file_name.size();
    dropped += part.defects.Has(Defect::kPartTextDropped);
    EXPECT_EQ(part.defects.Has(Defect::kPartTextDropped), part.disposition.empty() && part.parent == 0);
  }
  EXPECT_GT(kept, kMaxPartTextBytes - name.size());
  EXPECT_LE(kept, kMaxPartTextBytes);
  EXPECT_EQ(kept / name.size() + dropped, 100u);
}

TEST(MimeParser, TakesTheLongestTypeThatThereMayBe) {
  for (const size_t length : {kMaxMediaTypeBytes - 1, kMaxMediaTypeBytes, kMaxMediaTypeBytes + 1}) {
    const std::string type = "a/" + std::string(length - 2, 'b');
    const Message message = Parse(absl::StrCat("Content-Type: ", type, "\r\n\r\n"));
    EXPECT_EQ(message.parts[0].media_type, length > kMaxMediaTypeBytes ? "text/plain" : type);
  }
}

// Many boundaries that are alike, and lines that begin as they do.
TEST(MimeParser, IsQuickWhateverComes) {
  std::string bytes;
  for (size_t i = 1; i < kMaxDepth; ++i) {
    const std::string boundary = absl::StrCat(std::string(900, 'b'), i);
    absl::StrAppend(&bytes, "Content-Type: multipart/mixed; boundary=", boundary, "\r\n\r\n--", boundary,
                    "\r\n");
  }
  const size_t parts = Parse(bytes).parts.size();
  bytes += "\r\n";
  for (int i = 0; i < 200'000; ++i) bytes += "--\r\n";
  for (int i = 0; i < 1'000; ++i) absl::StrAppend(&bytes, "--", std::string(900, 'b'), "x\r\n");
  EXPECT_EQ(Parse(bytes).parts.size(), parts);
}

}  // namespace
}  // namespace mailstead::mime
