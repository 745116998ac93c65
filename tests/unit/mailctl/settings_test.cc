#include "mailctl/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = ::testing::TempDir() + "/mailctl-settings-" + std::to_string(getpid());
    MakeData(root_ + "/data", "127.0.0.1:1111");
    MakeData(root_ + "/other", "127.0.0.1:2222");
    surroundings_.program_path = root_ + "/build/bin/mailctl";
    surroundings_.getenv = [this](const char* name) -> const char* {
      const auto it = environment_.find(name);
      return it == environment_.end() ? nullptr : it->second.c_str();
    };
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static void MakeData(const std::string& data, const std::string& address) {
    std::filesystem::create_directories(data + "/secrets");
    std::ofstream(data + "/store.address") << address << "\n";
    std::ofstream(data + "/secrets/operator.token") << "token\n";
  }

  absl::StatusOr<Settings> Find(std::map<std::string, std::vector<std::string>> options = {}) {
    return FindStore(Arguments({}, std::move(options)), surroundings_);
  }

  std::string root_;
  std::map<std::string, std::string> environment_;
  Surroundings surroundings_;
};

TEST_F(SettingsTest, FolderBesideTheProgram) {
  const auto settings = Find();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.target, "127.0.0.1:1111");
  EXPECT_EQ(settings->channel.token_file, root_ + "/data/secrets/operator.token");
  EXPECT_EQ(settings->timeout, absl::ZeroDuration());
}

TEST_F(SettingsTest, MailsteadDataGoesBeforeIt) {
  environment_["MAILSTEAD_DATA"] = root_ + "/other";
  const auto settings = Find();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.target, "127.0.0.1:2222");
  EXPECT_EQ(settings->channel.token_file, root_ + "/other/secrets/operator.token");
}

TEST_F(SettingsTest, EnvironmentThenOptionsGoBeforeFolders) {
  std::ofstream(root_ + "/env.token") << "token\n";
  std::ofstream(root_ + "/option.token") << "token\n";
  environment_["MAILSTEAD_DATA"] = root_ + "/other";
  environment_["MAILCTL_STORE"] = "env:1";
  environment_["MAILCTL_TOKEN_FILE"] = root_ + "/env.token";
  environment_["MAILCTL_TIMEOUT"] = "7s";
  auto settings = Find();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.target, "env:1");
  EXPECT_EQ(settings->channel.token_file, root_ + "/env.token");
  EXPECT_EQ(settings->timeout, absl::Seconds(7));
  settings = Find({{"store", {"option:1"}}, {"token_file", {root_ + "/option.token"}}, {"timeout", {"9s"}}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.target, "option:1");
  EXPECT_EQ(settings->channel.token_file, root_ + "/option.token");
  EXPECT_EQ(settings->timeout, absl::Seconds(9));
}

// The token that happens to lie beside the program is not sent to whatever --store names.
TEST_F(SettingsTest, TokenOfAnUnnamedFolderStaysWithItsStore) {
  const auto settings = Find({{"store", {"elsewhere.example:7070"}}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.token_file, "");
}

TEST_F(SettingsTest, TokenOfANamedFolderGoesWithAnyAddress) {
  environment_["MAILSTEAD_DATA"] = root_ + "/other";
  const auto settings = Find({{"store", {"127.0.0.1:3333"}}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.target, "127.0.0.1:3333");
  EXPECT_EQ(settings->channel.token_file, root_ + "/other/secrets/operator.token");
}

TEST_F(SettingsTest, CertificateInPlaceOfToken) {
  std::filesystem::remove(root_ + "/other/secrets/operator.token");
  environment_["MAILSTEAD_DATA"] = root_ + "/other";
  const auto settings = Find({{"tls_ca", {"ca.pem"}}, {"tls_cert", {"c.pem"}}, {"tls_key", {"k.pem"}}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->channel.token_file, "");
  EXPECT_EQ(settings->channel.tls_ca_file, "ca.pem");
  EXPECT_EQ(settings->channel.tls_cert_file, "c.pem");
  EXPECT_EQ(settings->channel.tls_key_file, "k.pem");
}

TEST_F(SettingsTest, SaysWhereItLooked) {
  environment_["MAILSTEAD_DATA"] = root_ + "/nothing";
  auto settings = Find();
  EXPECT_TRUE(absl::IsNotFound(settings.status()));
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr(root_ + "/nothing/store.address"));
  settings = Find({{"store", {"x:1"}}});
  EXPECT_TRUE(absl::IsNotFound(settings.status()));
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr("/nothing/secrets/operator.token"));
  settings = Find({{"store", {"x:1"}}, {"token_file", {"/nonexistent/token"}}});
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr("/nonexistent/token"));
}

TEST_F(SettingsTest, BadTimeout) {
  EXPECT_TRUE(IsUsageError(Find({{"timeout", {"soon"}}}).status()));
  environment_["MAILCTL_TIMEOUT"] = "never";
  EXPECT_TRUE(IsUsageError(Find().status()));
}

}  // namespace
}  // namespace mailstead::ctl
