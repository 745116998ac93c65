#include "stored/api/secret_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

namespace mailstead::stored {
namespace {

class SecretFileTest : public testing::Test {
 protected:
  SecretFileTest() {
    std::string pattern = testing::TempDir() + "secretXXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/token";
  }
  ~SecretFileTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  std::string path_;
};

TEST_F(SecretFileTest, IsMadeOnceAndForItsOwnerOnly) {
  const auto made = ReadOrMakeSecretFile(path_);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->size(), 52u);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(*ReadOrMakeSecretFile(path_), *made);
  EXPECT_NE(*ReadOrMakeSecretFile(folder_ + "/other"), *made);
}

TEST_F(SecretFileTest, AnExistingSecretIsKept) {
  std::ofstream(path_) << "chosen by the operator\n";
  EXPECT_EQ(*ReadOrMakeSecretFile(path_), "chosen by the operator");
}

TEST_F(SecretFileTest, OfManyThatMakeItOneWinsForAll) {
  std::vector<std::string> secrets(8);
  std::vector<std::thread> threads;
  for (std::string& secret : secrets) threads.emplace_back([&] { secret = *ReadOrMakeSecretFile(path_); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(secrets.begin(), secrets.end()).size(), 1u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "nothing is left behind";
}

TEST_F(SecretFileTest, ErrorsNameTheFile) {
  const auto missing = ReadOrMakeSecretFile(folder_ + "/no/such/folder");
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_NE(missing.status().message().find("/no/such/folder"), absl::string_view::npos);
  std::ofstream(path_).flush();
  EXPECT_TRUE(absl::IsInvalidArgument(ReadOrMakeSecretFile(path_).status()));
}

TEST_F(SecretFileTest, FilesAreReplacedAtOnce) {
  ASSERT_TRUE(WriteFileAtOnce(path_, "one\n", 0644).ok());
  ASSERT_TRUE(WriteFileAtOnce(path_, "two\n", 0644).ok());
  std::ifstream file(path_);
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace mailstead::stored
