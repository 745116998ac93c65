#include "webd/http/range.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

constexpr std::optional<uint64_t> kNone;

TEST(Range, IsRead) {
  EXPECT_EQ(ParseRange("bytes=0-99"), (RangeSpec{0, 99}));
  EXPECT_EQ(ParseRange("Bytes=5-5"), (RangeSpec{5, 5}));
  EXPECT_EQ(ParseRange("bytes=500-"), (RangeSpec{500, kNone}));
  EXPECT_EQ(ParseRange("bytes=-500"), (RangeSpec{kNone, 500}));
  EXPECT_EQ(ParseRange("bytes= 0-1 "), (RangeSpec{0, 1}));
  EXPECT_EQ(ParseRange("bytes=0-18446744073709551615"), (RangeSpec{0, 18446744073709551615u}));
}

TEST(Range, WhatIsPassedOver) {
  for (const char* const value : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=2-1",
                                  "bytes=0-1,3-4", "bytes=-1-2", "bytes=+1-2", "bytes=1 - 2", "bytes=0x1-2",
                                  "lines=0-1", "bytes=0-18446744073709551616", "bytes=--1"}) {
    EXPECT_EQ(ParseRange(value), std::nullopt) << value;
  }
}

TEST(Range, OfASize) {
  const auto of = [](const char* text, uint64_t size) { return Resolve(*ParseRange(text), size); };
  EXPECT_EQ(of("bytes=0-99", 100), (ByteRange{0, 100}));
  EXPECT_EQ(of("bytes=0-99", 99), (ByteRange{0, 99}));
  EXPECT_EQ(of("bytes=0-99", 101), (ByteRange{0, 100}));
  EXPECT_EQ(of("bytes=99-", 100), (ByteRange{99, 100}));
  EXPECT_EQ(of("bytes=100-", 100), std::nullopt);
  EXPECT_EQ(of("bytes=100-100", 100), std::nullopt);
  EXPECT_EQ(of("bytes=-1", 100), (ByteRange{99, 100}));
  EXPECT_EQ(of("bytes=-100", 100), (ByteRange{0, 100}));
  EXPECT_EQ(of("bytes=-101", 100), (ByteRange{0, 100}));
  EXPECT_EQ(of("bytes=-0", 100), std::nullopt);
  EXPECT_EQ(of("bytes=0-", 0), std::nullopt);
  EXPECT_EQ(of("bytes=-1", 0), std::nullopt);
  EXPECT_EQ(of("bytes=0-18446744073709551615", 5), (ByteRange{0, 5})) << "the end does not wrap";
}

}  // namespace
}  // namespace mailstead::web
