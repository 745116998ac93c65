#include "stored/engine/rocksdb/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "common/base/check.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/support/block_on.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class SchemaTest : public testing::Test {
 protected:
  SchemaTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-schema-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~SchemaTest() override { std::filesystem::remove_all(path_); }

  absl::Status Open() {
    RocksDbOptions options;
    options.path = path_;
    options.min_free_bytes = 0;
    options.executor = &executor_;
    return OpenRocksDbEngine(options).status();
  }
  void Write(const std::string& text) { std::ofstream(path_ + "/schema") << text; }
  std::string Read() {
    std::ifstream file(path_ + "/schema");
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }

  std::string path_;
  ThreadExecutor executor_;
};

TEST_F(SchemaTest, AFreshStoreIsMarked) {
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Read(), "9\n");
  EXPECT_TRUE(Open().ok());
}

TEST_F(SchemaTest, AnotherVersionIsRefusedAndNotTouched) {
  ASSERT_TRUE(Open().ok());
  for (const char* version : {"0\n", "10\n", "17\n", "10 new\n"}) {
    Write(version);
    const auto before = std::filesystem::last_write_time(path_ + "/db");
    const absl::Status refused = Open();
    EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("version " + std::string(version, strcspn(version, " \n"))));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("this program reads and writes version 9"));
    EXPECT_EQ(Read(), version);
    EXPECT_EQ(std::filesystem::last_write_time(path_ + "/db"), before);
  }
  Write("9\n");
  EXPECT_TRUE(Open().ok());
}

TEST_F(SchemaTest, EarlierVersionsAreTakenOn) {
  Write("1 new\n");
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Read(), "9\n");
  for (const char* version : {"1", "2", "3", "4", "5", "6", "7", "8"}) {
    Write(std::string(version) + "\n");
    testing::internal::CaptureStderr();
    const absl::Status opened = Open();
    const absl::Status again = Open();
    const std::string log = testing::internal::GetCapturedStderr();
    ASSERT_TRUE(opened.ok()) << opened;
    ASSERT_TRUE(again.ok()) << again;
    EXPECT_EQ(Read(), "9\n");
    // Said when it happens, and never again.
    const std::string line =
        std::string("level=info event=schema_taken_on from=") + version + " to=9 path=" + path_ + "\n";
    EXPECT_THAT(log, HasSubstr(line));
    EXPECT_EQ(log.find("schema_taken_on"), log.rfind("schema_taken_on")) << log;
  }
}

// What an interrupted start of version 4 had still to look through.
TEST_F(SchemaTest, MessagesOfBeforeVersion4AreToBeLookedThrough) {
  ASSERT_TRUE(Open().ok());
  rocksdb::Env& env = *rocksdb::Env::Default();
  for (const auto& [line, has_old] : {std::pair("3", true),
                                      {"4", false},
                                      {"4 old messages", true},
                                      {"5", false},
                                      {"5 old messages", true},
                                      {"6", false},
                                      {"6 old messages", true},
                                      {"7", false},
                                      {"7 old messages", true},
                                      {"8", false},
                                      {"8 old messages", true},
                                      {"9", false}}) {
    Write(std::string(line) + "\n");
    ASSERT_TRUE(CheckSchema(env, path_, path_ + "/db").ok());
    EXPECT_EQ(HasOldMessages(env, path_).value(), has_old) << line;
  }
}

TEST_F(SchemaTest, AnUnreadableMarkIsDamage) {
  ASSERT_TRUE(Open().ok());
  for (const char* text : {"", "one\n", "-1\n", "99999999999\n"}) {
    Write(text);
    EXPECT_EQ(Open().code(), StatusCode::kDataLoss) << text;
  }
}

TEST_F(SchemaTest, AMissingDatabaseIsNotMadeAnew) {
  ASSERT_TRUE(Open().ok());
  std::filesystem::remove_all(path_ + "/db");
  EXPECT_EQ(Open().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(path_ + "/db/CURRENT"));
}

TEST_F(SchemaTest, AFirstStartThatDidNotGetFarIsGoneOnWith) {
  Write("8 new\n");
  EXPECT_TRUE(Open().ok());
  EXPECT_EQ(Read(), "9\n");
}

TEST_F(SchemaTest, ADatabaseOfSomethingElseIsRefused) {
  ASSERT_TRUE(Open().ok());
  std::filesystem::remove(path_ + "/schema");
  EXPECT_EQ(Open().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace mailstead::engine
