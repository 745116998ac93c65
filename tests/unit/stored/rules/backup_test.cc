#include "stored/rules/backup.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

TEST(BackupNameTest, LettersDigitsDotsDashesAndUnderscores) {
  for (const std::string& name :
       {std::string("a"), std::string("2026-11-23"), std::string("A_z.0"), std::string("-"),
        std::string("a..b"), std::string(kMaxBackupNameBytes, 'x')}) {
    EXPECT_TRUE(IsBackupName(name)) << name;
    EXPECT_TRUE(CheckBackupName(name).ok());
  }
}

TEST(BackupNameTest, NothingThatLeadsElsewhere) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string(".a"), std::string("a/b"),
        std::string("/a"), std::string("../a"), std::string("a b"), std::string("a\n"),
        std::string("a\0b", 3), std::string("\xC3\xA4"), std::string("a\\b"),
        std::string(kMaxBackupNameBytes + 1, 'x')}) {
    EXPECT_FALSE(IsBackupName(name)) << name;
    EXPECT_EQ(FieldOf(CheckBackupName(name)), "name");
  }
}

}  // namespace
}  // namespace mailstead::rules
