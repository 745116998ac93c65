#include "webd/http/head_scanner.h"

#include <string>

#include "gtest/gtest.h"
#include "webd/http/limits.h"

namespace mailstead::web {
namespace {

using Verdict = HeadScanner::Verdict;

Verdict Whole(const std::string& bytes) { return HeadScanner().Scan(bytes); }

// As it comes byte by byte; the verdict must come with the byte that decides.
Verdict ByByte(const std::string& bytes, size_t& at) {
  HeadScanner scanner;
  for (at = 0; at <= bytes.size(); ++at) {
    const Verdict verdict = scanner.Scan(bytes.substr(0, at));
    if (verdict != Verdict::kNeedMore) return verdict;
  }
  return Verdict::kNeedMore;
}

TEST(HeadScanner, FindsTheEnd) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  HeadScanner scanner;
  EXPECT_EQ(scanner.Scan(head + "body\n"), Verdict::kComplete);
  EXPECT_EQ(scanner.size_bytes(), head.size());
  EXPECT_EQ(scanner.blank_bytes(), 0u);
  size_t at = 0;
  EXPECT_EQ(ByByte(head, at), Verdict::kComplete);
  EXPECT_EQ(at, head.size());
}

TEST(HeadScanner, OneEmptyLineMayStandInFront) {
  const std::string head = "\r\nGET / HTTP/1.1\r\n\r\n";
  HeadScanner scanner;
  EXPECT_EQ(scanner.Scan(head), Verdict::kComplete);
  EXPECT_EQ(scanner.size_bytes(), head.size());
  EXPECT_EQ(scanner.blank_bytes(), 2u);
  EXPECT_EQ(Whole("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Verdict::kMalformed);
}

TEST(HeadScanner, WhatServersReadDifferentlyIsRefused) {
  for (const char* const head :
       {"GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", "GET / HTTP/1.1\r\n A: b\r\n\r\n"}) {
    EXPECT_EQ(Whole(head), Verdict::kMalformed) << head;
    size_t at = 0;
    EXPECT_EQ(ByByte(head, at), Verdict::kMalformed) << head;
  }
  EXPECT_EQ(Whole(std::string("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 25)), Verdict::kMalformed);
}

TEST(HeadScanner, TheLargestHead) {
  const std::string begin = "GET / HTTP/1.1\r\nA: ";
  for (const size_t over : {0, 1}) {
    const std::string head = begin + std::string(kMaxHeadBytes + over - begin.size() - 4, 'a') + "\r\n\r\n";
    ASSERT_EQ(head.size(), kMaxHeadBytes + over);
    EXPECT_EQ(Whole(head), over == 0 ? Verdict::kComplete : Verdict::kTooLarge);
    size_t at = 0;
    EXPECT_EQ(ByByte(head, at), over == 0 ? Verdict::kComplete : Verdict::kTooLarge);
  }
  EXPECT_EQ(Whole(std::string(kMaxHeadBytes - 1, 'a')), Verdict::kNeedMore);
  EXPECT_EQ(Whole(std::string(kMaxHeadBytes, 'a')), Verdict::kTooLarge);
}

}  // namespace
}  // namespace mailstead::web
