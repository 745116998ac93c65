#include "webd/http/request_reader.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "webd/http/limits.h"

namespace mailstead::web {
namespace {

constexpr size_t kMaxBody = 100;

struct Outcome {
  // 0: it is read.
  int status = 0;
  bool done = false;
  RequestHead head;
  std::string body;
  // What was not taken.
  std::string rest;
};

// In pieces of that size.
Outcome Read(const std::string& bytes, size_t piece_bytes) {
  RequestReader reader;
  reader.LimitBody(kMaxBody);
  std::string input;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    input += bytes.substr(at, piece_bytes);
    for (size_t taken = 1; taken > 0 && reader.error().ok() && !reader.done();) {
      taken = reader.Read(input);
      input.erase(0, taken);
    }
    if (!reader.error().ok()) break;
  }
  return {.status = reader.error().ok() ? 0 : reader.error_status(),
          .done = reader.done(),
          .head = reader.head(),
          .body = reader.body(),
          .rest = input};
}

// Whole and byte by byte, which give the same.
Outcome Read(const std::string& bytes) {
  Outcome whole = Read(bytes, bytes.size());
  const Outcome split = Read(bytes, 1);
  EXPECT_EQ(whole.status, split.status) << bytes;
  EXPECT_EQ(whole.done, split.done) << bytes;
  EXPECT_EQ(whole.body, split.body) << bytes;
  return whole;
}

std::string Post(absl::string_view fields, absl::string_view body) {
  return absl::StrCat("POST /s/m HTTP/1.1\r\nHost: a\r\n", fields, "\r\n", body);
}

TEST(RequestReader, ARequestWithALength) {
  const Outcome got = Read(Post("Content-Length: 5\r\nX-A:  b c \r\n", "helloNEXT"));
  EXPECT_EQ(got.status, 0);
  EXPECT_TRUE(got.done);
  EXPECT_EQ(got.head.method, "POST");
  EXPECT_EQ(got.head.target, "/s/m");
  EXPECT_EQ(got.head.content_length, 5u);
  EXPECT_EQ(got.head.Value("x-a"), "b c");
  EXPECT_TRUE(got.head.keep_alive);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.rest, "NEXT") << "the next request stays";
}

TEST(RequestReader, WithoutABody) {
  const Outcome got = Read("GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(got.done);
  EXPECT_FALSE(got.head.has_body());
}

// Nothing may come after it that would give another chance.
TEST(RequestReader, AllThatIsThereOfABodyIsTakenAtOnce) {
  const std::string head = Post("Transfer-Encoding: chunked\r\n", "");
  const std::string body = "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n";
  for (size_t cut = 0; cut < body.size(); ++cut) {
    RequestReader reader;
    ASSERT_EQ(reader.Read(head), head.size());
    const size_t taken = reader.Read(body.substr(0, cut));
    EXPECT_FALSE(reader.done()) << cut;
    EXPECT_EQ(reader.Read(body.substr(taken) + "NEXT"), body.size() - taken) << cut;
    EXPECT_TRUE(reader.done()) << cut;
    EXPECT_EQ(reader.body(), "hello") << cut;
  }
}

TEST(RequestReader, InChunks) {
  const Outcome got =
      Read(Post("Transfer-Encoding: chunked\r\n", "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n"));
  EXPECT_EQ(got.status, 0);
  EXPECT_TRUE(got.done);
  EXPECT_TRUE(got.head.chunked);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.head.Count("t"), 0u) << "a trailer is no field of the head";
}

TEST(RequestReader, WhetherTheConnectionGoesOn) {
  EXPECT_FALSE(Read(Post("Connection: close\r\n", "")).head.keep_alive);
  EXPECT_FALSE(Read("GET / HTTP/1.0\r\n\r\n").head.keep_alive);
  EXPECT_TRUE(Read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head.keep_alive);
}

TEST(RequestReader, NothingIsReadInTwoWays) {
  const struct {
    const char* fields;
    int status;
  } kRows[] = {
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
      {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
      {"Content-Length: 5\r\nContent-Length: 6\r\n", 400},
      {"Content-Length: 5, 5\r\n", 400},
      {"Content-Length: +5\r\n", 400},
      {"Content-Length: -5\r\n", 400},
      {"Content-Length: 0x5\r\n", 400},
      {"Content-Length: 99999999999999999999999\r\n", 400},
      {"Content-Length:\r\n", 400},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Transfer-Encoding: chunked, chunked\r\n", 501},
      {"Transfer-Encoding: xchunked\r\n", 501},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding : chunked\r\n", 400},
      {"Transfer-Encoding\r\n", 400},
      {"Host: b\r\n", 400},
      {"X-A: b\r\n Transfer-Encoding: chunked\r\n", 400},
      {"X-A: b\nTransfer-Encoding: chunked\r\n", 400},
      {"X-A: b\rTransfer-Encoding: chunked\r\n", 400},
  };
  for (const auto& row : kRows) EXPECT_EQ(Read(Post(row.fields, "hello")).status, row.status) << row.fields;
  EXPECT_EQ(Read("GET / HTTP/1.1\r\n\r\n").status, 400) << "without Host";
  EXPECT_EQ(Read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status, 400);
  EXPECT_EQ(Read("GET / HTTP/2.0\r\nHost: a\r\n\r\n").status, 505);
  EXPECT_EQ(Read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 505);
  EXPECT_NE(Read("\x16\x03\x01\x02\x01\x01\r\n\r\n").status, 0) << "TLS at the wrong port";
}

TEST(RequestReader, ChunksThatAreNone) {
  for (const char* const body : {"x\r\nhello\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "-5\r\n",
                                 "FFFFFFFFFFFFFFFFF\r\n"}) {
    EXPECT_NE(Read(Post("Transfer-Encoding: chunked\r\n", body)).status, 0) << body;
  }
}

TEST(RequestReader, TheLargestBody) {
  EXPECT_TRUE(Read(Post("Content-Length: 100\r\n", std::string(kMaxBody, 'x'))).done);
  EXPECT_EQ(Read(Post("Content-Length: 101\r\n", "")).status, 413);
  EXPECT_EQ(Read(Post("Transfer-Encoding: chunked\r\n", "65\r\n")).status, 413);
  const std::string two = "32\r\n" + std::string(50, 'x') + "\r\n";
  EXPECT_TRUE(Read(Post("Transfer-Encoding: chunked\r\n", two + two + "0\r\n\r\n")).done);
  EXPECT_EQ(Read(Post("Transfer-Encoding: chunked\r\n", two + two + "1\r\nx\r\n0\r\n\r\n")).status, 413);
}

TEST(RequestReader, TheMostFields) {
  std::string fields;
  for (size_t i = 1; i < kMaxHeaderFields; ++i) absl::StrAppend(&fields, "X: ", i, "\r\n");
  EXPECT_EQ(Read(Post(fields, "")).status, 0);
  EXPECT_EQ(Read(Post(fields + "X: y\r\n", "")).status, 431);
  EXPECT_EQ(Read(Post("X: " + std::string(kMaxHeadBytes, 'x') + "\r\n", "")).status, 431);
}

TEST(RequestReader, ALineOfTheBodyEnds) {
  const std::string endless = "5;" + std::string(kMaxHeadBytes, 'x');
  EXPECT_EQ(Read(Post("Transfer-Encoding: chunked\r\n", endless), 4096).status, 400);
}

}  // namespace
}  // namespace mailstead::web
