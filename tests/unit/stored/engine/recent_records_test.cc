#include "stored/engine/rocksdb/recent_records.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace mailstead::engine {
namespace {

// "-": it is not known.
std::string Known(RecentRecords& records, absl::string_view key) {
  std::string value;
  return records.Find(key, value) ? value : "-";
}

TEST(RecentRecords, KnowsWhatWasWrittenLast) {
  RecentRecords records;
  EXPECT_EQ(Known(records, "a"), "-");
  records.Put("a", "1");
  records.Put("b", "2");
  records.Put("a", "longer");
  EXPECT_EQ(Known(records, "a"), "longer");
  EXPECT_EQ(Known(records, "b"), "2");
  records.Delete("a");
  EXPECT_EQ(Known(records, "a"), "-");
  records.Forget();
  EXPECT_EQ(Known(records, "b"), "-");
}

TEST(RecentRecords, AKeyOfAnIndexIsNotKept) {
  RecentRecords records;
  records.Put("place", "");
  EXPECT_EQ(Known(records, "place"), "-");
}

TEST(RecentRecords, ForgetsWhatWasTouchedLongestAgo) {
  // Ten records in each half.
  const std::string value(99, 'v');
  RecentRecords records(2 * 10 * (kRecentRecordBytes + 1 + value.size()));
  for (const char key : std::string("abcdefghij")) records.Put(std::string(1, key), value);
  EXPECT_EQ(Known(records, "a"), value);
  for (const char key : std::string("klmnopqrs")) records.Put(std::string(1, key), value);
  // All nineteen are there; reading "a" among the new ones keeps it.
  EXPECT_EQ(Known(records, "b"), value);
  EXPECT_EQ(Known(records, "a"), value);
  for (const char key : std::string("tuvwxyz12")) records.Put(std::string(1, key), value);
  EXPECT_EQ(Known(records, "a"), value);
  EXPECT_EQ(Known(records, "c"), "-");
}

TEST(RecentRecords, WhatWasForgottenInAnOlderHalfDoesNotComeBack) {
  const std::string value(99, 'v');
  RecentRecords records(2 * 2 * (kRecentRecordBytes + 1 + value.size()));
  for (const char key : std::string("abc")) records.Put(std::string(1, key), value);
  // "a" is in the older half: it is written anew, and then deleted.
  records.Put("a", "new");
  EXPECT_EQ(Known(records, "a"), "new");
  records.Delete("a");
  EXPECT_EQ(Known(records, "a"), "-");
  records.Delete("b");
  EXPECT_EQ(Known(records, "b"), "-");
}

TEST(RecentRecords, DeletedRecordsGiveTheirRoomBack) {
  RecentRecords records(2 * 10 * (kRecentRecordBytes + 10));
  records.Put("first", "1");
  for (int i = 0; i < 1000; ++i) {
    records.Put("next", absl::StrCat(i));
    records.Delete("next");
  }
  EXPECT_EQ(Known(records, "first"), "1");
}

TEST(RecentRecords, OneThatIsTooLargeIsNotKept) {
  RecentRecords records(2 * (kRecentRecordBytes + 10));
  records.Put("a", "123456789");
  EXPECT_EQ(Known(records, "a"), "123456789");
  records.Delete("a");
  records.Put("a", "1234567890");
  EXPECT_EQ(Known(records, "a"), "-");
  // A smaller value of it is not left behind either.
  records.Put("a", "1");
  records.Put("b", "1");
  records.Put("a", "1234567890");
  EXPECT_EQ(Known(records, "a"), "-");
}

}  // namespace
}  // namespace mailstead::engine
