#include "stored/engine/rocksdb/backup_note.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Backup Example() {
  Backup backup;
  backup.create_time = absl::FromUnixMicros(1'764'000'000'123'456);
  backup.schema_version = 3;
  backup.incarnation = "0123456789abcdefghjkmnpqrs";
  backup.message_count = 12;
  backup.message_bytes = 3456;
  backup.disk_bytes = 7890;
  backup.secret_files = {"/var/lib/a key", "/etc/b\nc"};
  return backup;
}

constexpr char kText[] =
    "create_time 1764000000123456\n"
    "incarnation 0123456789abcdefghjkmnpqrs\n"
    "schema_version 3\n"
    "message_count 12\n"
    "message_bytes 3456\n"
    "disk_bytes 7890\n"
    "secret_file /var/lib/a key\n"
    "secret_file /etc/b\\nc\n";

TEST(BackupNoteTest, Encoding) { EXPECT_EQ(EncodeBackupNote(Example()), kText); }

TEST(BackupNoteTest, Decoding) {
  const auto backup = DecodeBackupNote(kText);
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->create_time, Example().create_time);
  EXPECT_EQ(backup->schema_version, 3);
  EXPECT_EQ(backup->incarnation, Example().incarnation);
  EXPECT_EQ(backup->message_count, 12);
  EXPECT_EQ(backup->message_bytes, 3456);
  EXPECT_EQ(backup->disk_bytes, 7890);
  EXPECT_THAT(backup->secret_files, ElementsAre("/var/lib/a key", "/etc/b\nc"));
  EXPECT_EQ(backup->verify_time, absl::InfinitePast());
}

TEST(BackupNoteTest, WhatVerificationHasFound) {
  Backup backup = Example();
  backup.verify_time = absl::FromUnixSeconds(1'764'000'100);
  backup.damaged_count = 2;
  const auto decoded = DecodeBackupNote(EncodeBackupNote(backup));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->verify_time, backup.verify_time);
  EXPECT_EQ(decoded->damaged_count, 2);
}

TEST(BackupNoteTest, UnknownKeysArePassedOver) {
  const auto backup = DecodeBackupNote("later x\nincarnation a\nschema_version 4\n");
  ASSERT_TRUE(backup.ok());
  EXPECT_EQ(backup->schema_version, 4);
  EXPECT_THAT(backup->secret_files, IsEmpty());
}

TEST(BackupNoteTest, DamageIsSeen) {
  const std::string text = kText;
  // Cut anywhere but behind a line that may be the last one.
  const size_t complete = text.find("message_count");
  for (size_t size = 0; size < complete; ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeBackupNote(text.substr(0, size)).status())) << size;
  }
  for (const std::string& bad :
       {std::string("schema_version x\nincarnation a\n"), std::string("\n"),
        std::string("schema_version 3\nincarnation \\q\n"), std::string("\0\0\0\0", 4)}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeBackupNote(bad).status())) << bad;
  }
}

}  // namespace
}  // namespace mailstead::engine
