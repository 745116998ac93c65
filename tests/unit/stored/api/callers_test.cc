#include "stored/api/callers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mailstead::stored {
namespace {

TEST(Callers, TokensHaveRoles) {
  Callers callers;
  callers.SetToken(kSmtp, "front");
  callers.SetToken(kPop, "pop");
  callers.SetToken(kOperator, "boss");
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer front"), kSmtp);
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer pop"), kPop);
  EXPECT_EQ(callers.RolesOfAuthorization("bearer boss"), kOperator);
  for (const char* bad : {"", "Bearer", "Bearer ", "Bearer fron", "Bearer frontt", "Bearer Front",
                          "Basic front", "front", "Bearer  front"}) {
    EXPECT_EQ(callers.RolesOfAuthorization(bad), 0u) << bad;
  }
}

TEST(Callers, AnEmptyTokenIsNobodys) {
  Callers callers;
  callers.SetToken(kSmtp, "");
  callers.SetToken(kOperator, "boss");
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer "), 0u);
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer boss"), kOperator);
}

TEST(Callers, OneTokenMayBeOfSeveralRoles) {
  Callers callers;
  callers.SetToken(kSmtp, "both");
  callers.SetToken(kPop, "both");
  const rpc::Caller caller = callers.Identify({.authorizations = {"Bearer both"}, .peer = "unix:"});
  EXPECT_EQ(caller.roles, kSmtp | kPop);
  EXPECT_EQ(caller.name, "smtp+pop");
  EXPECT_EQ(caller.peer, "unix:");
}

TEST(Callers, CertificatesHaveTheRoleOfTheirNames) {
  const Callers callers;
  EXPECT_EQ(callers.Identify({.certificate_names = {"smtp"}}).roles, kSmtp);
  EXPECT_EQ(callers.Identify({.certificate_names = {"pop3d-7", "pop"}}).roles, kPop);
  EXPECT_EQ(callers.Identify({.certificate_names = {"operator"}}).name, "operator");
  for (const char* nobody : {"", "frontend", "SMTP", "relay", "smtp+pop"}) {
    EXPECT_EQ(callers.Identify({.certificate_names = {nobody}}).roles, 0u) << nobody;
  }
  EXPECT_EQ(callers.Identify({}).name, "");
}

TEST(Callers, ATokenIsReplaced) {
  Callers callers;
  callers.SetToken(kSmtp, "old");
  const int64_t before = callers.generation();
  callers.SetToken(kSmtp, "old");
  EXPECT_EQ(callers.generation(), before) << "nothing has changed";
  callers.SetToken(kSmtp, "new");
  EXPECT_NE(callers.generation(), before);
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer old"), 0u);
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer new"), kSmtp);
}

class TokenFilesTest : public testing::Test {
 protected:
  TokenFilesTest() {
    std::string pattern = testing::TempDir() + "tokensXXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/token";
  }
  ~TokenFilesTest() override { std::filesystem::remove_all(folder_); }

  // So that it is seen, whatever the grain of the file system's clock.
  void Write(const std::string& token) {
    std::ofstream(path_) << token << "\n";
    age_ += std::chrono::seconds(1);
    std::filesystem::last_write_time(path_, std::filesystem::file_time_type::clock::now() + age_);
  }

  std::string folder_;
  std::string path_;
  std::chrono::seconds age_{0};
  Callers callers_;
};

TEST_F(TokenFilesTest, AMissingFileIsMade) {
  TokenFiles files({{kOperator, path_}, {kSmtp, ""}}, callers_);
  ASSERT_TRUE(files.Look().ok());
  std::ifstream file(path_);
  std::string token;
  std::getline(file, token);
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer " + token), kOperator);
  // One that was removed gives way to a new one.
  std::filesystem::remove(path_);
  ASSERT_TRUE(files.Look().ok());
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer " + token), 0u);
}

TEST_F(TokenFilesTest, AChangedFileIsReadAgain) {
  Write("first");
  TokenFiles files({{kPop, path_}}, callers_);
  ASSERT_TRUE(files.Look().ok());
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer first"), kPop);
  const int64_t generation = callers_.generation();
  ASSERT_TRUE(files.Look().ok());
  EXPECT_EQ(callers_.generation(), generation);
  Write("second");
  ASSERT_TRUE(files.Look().ok());
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer first"), 0u);
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer second"), kPop);
}

TEST_F(TokenFilesTest, AFileThatCannotBeReadChangesNothing) {
  Write("token");
  TokenFiles files({{kSmtp, folder_ + "/no/such/folder"}, {kPop, path_}}, callers_);
  const absl::Status looked = files.Look();
  EXPECT_TRUE(absl::IsNotFound(looked)) << looked;
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer token"), kPop) << "the other is read";
  Write("");
  EXPECT_FALSE(files.Look().ok());
  EXPECT_EQ(callers_.RolesOfAuthorization("Bearer token"), kPop);
}

}  // namespace
}  // namespace mailstead::stored
