#include "stored/engine/rocksdb/acknowledged.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/base/check.h"

namespace mailstead::engine {
namespace {

class AcknowledgedTest : public testing::Test {
 protected:
  AcknowledgedTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-acknowledged-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~AcknowledgedTest() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<uint64_t> Read() { return ReadAcknowledged(*rocksdb::Env::Default(), folder_); }
  absl::Status Write(uint64_t sequence) {
    return WriteAcknowledged(*rocksdb::Env::Default(), folder_, sequence);
  }
  void Put(const std::string& content) { std::ofstream(folder_ + "/acknowledged") << content; }

  std::string folder_;
};

TEST_F(AcknowledgedTest, WhatWasNotedIsRead) {
  EXPECT_EQ(Read().value(), 0u) << "nothing was";
  for (const uint64_t sequence : {uint64_t{1}, uint64_t{77}, ~uint64_t{0}}) {
    ASSERT_TRUE(Write(sequence).ok());
    EXPECT_EQ(Read().value(), sequence);
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/acknowledged.tmp"));
}

// As 0 it would let a damaged log pass.
TEST_F(AcknowledgedTest, WhatIsNoNumberIsDataLoss) {
  for (const char* content : {"", "\n", "12x\n", "-1\n", "1 2", "18446744073709551616\n"}) {
    Put(content);
    const auto read = Read();
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << content;
    EXPECT_THAT(std::string(read.status().message()), testing::HasSubstr(folder_ + "/acknowledged"));
  }
  Put("12");
  EXPECT_EQ(Read().value(), 12u) << "its line end may be missing";
}

TEST_F(AcknowledgedTest, WhatCannotBeReadOrWrittenIsAnError) {
  std::filesystem::create_directory(folder_ + "/acknowledged");
  EXPECT_FALSE(Read().ok());
  std::filesystem::remove_all(folder_);
  EXPECT_FALSE(Write(1).ok());
}

}  // namespace
}  // namespace mailstead::engine
