#include "stored/api/callers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/reason.h"
#include "common/base/worker_pool.h"
#include "stored/core/directory.h"
#include "stored/core/keys.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"

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

TEST(Callers, WhatStandsBehindATokenIsNoMatter) {
  Callers callers;
  callers.SetToken(kOperator, "boss");
  for (const char* end : {" ", "\r\n", "\n", "\t \r\n"}) {
    EXPECT_EQ(callers.RolesOfAuthorization(std::string("Bearer boss") + end), kOperator);
  }
  EXPECT_EQ(callers.RolesOfAuthorization("Bearer bo ss"), 0u);
}

TEST(Callers, ATokenThatIsShownDecidesAndNotTheCertificate) {
  Callers callers;
  callers.SetToken(kSmtp, "front");
  EXPECT_EQ(callers.Identify({.authorizations = {"Bearer front"}, .certificate_names = {"operator"}}).roles,
            kSmtp);
  EXPECT_EQ(callers.Identify({.authorizations = {"Bearer wrong"}, .certificate_names = {"operator"}}).roles,
            0u)
      << "what does not count any more becomes nobody else";
  EXPECT_EQ(callers.Identify({.certificate_names = {"operator"}}).roles, kOperator);
}

class KeyCallersTest : public testing::Test {
 protected:
  KeyCallersTest() {
    callers_.UseKeys(keys_);
    callers_.SetToken(kOperator, "boss");
    callers_.SetToken(kSmtp, "front");
  }
  // Its secret.
  std::string Make(const std::string& name, std::vector<std::string> ranges = {},
                   std::vector<std::string> certificates = {}) {
    KeyChange wanted;
    wanted.name = name;
    wanted.scopes = kMailRead;
    wanted.ip_ranges = std::move(ranges);
    wanted.certificate_names = std::move(certificates);
    auto made = BlockOn(keys_.Create(nullptr, std::move(wanted), ""));
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->secret : "";
  }
  // The caller's name, or why it is nobody.
  std::string Who(const rpc::Credentials& credentials) {
    const rpc::Caller caller = callers_.Identify(credentials);
    EXPECT_EQ(KeyOf(caller) != nullptr, caller.roles == kMailRead);
    if (!caller.refusal.ok()) return ReasonOf(caller.refusal);
    return caller.roles == 0 ? "nobody" : caller.name;
  }

  FakeClock clock_;
  ThreadExecutor executor_;
  WorkerPool pool_{1, 10};
  std::unique_ptr<engine::Engine> engine_ = engine::OpenMemoryEngine({.clock = &clock_});
  Directory directory_{engine_->directory(), clock_, 4096, pool_, executor_};
  Keys keys_{engine_->keys(), directory_, clock_, executor_};
  Callers callers_;
};

TEST_F(KeyCallersTest, OneThingSaysWhoCalls) {
  const std::string desk = "Bearer " + Make("desk", {}, {"desk.test"});
  const std::string intake = "Bearer " + Make("intake", {}, {"intake.test"});
  EXPECT_EQ(Who({.authorizations = {desk}}), "key:desk");
  EXPECT_EQ(Who({.authorizations = {desk}, .certificate_names = {"intake.test"}}), "key:desk");
  EXPECT_EQ(Who({.authorizations = {desk}, .certificate_names = {"operator"}}), "key:desk");
  EXPECT_EQ(Who({.certificate_names = {"desk.test"}}), "key:desk");
  EXPECT_EQ(Who({.certificate_names = {"desk.test", "desk.test"}}), "key:desk") << "common name and DNS name";
  EXPECT_EQ(Who({.certificate_names = {"operator", "desk.test"}}), "operator");
  EXPECT_EQ(Who({.authorizations = {desk, intake}}), kReasonNoCredential);
  EXPECT_EQ(Who({.authorizations = {desk, "Bearer boss"}}), kReasonNoCredential);
  EXPECT_EQ(Who({.certificate_names = {"desk.test", "intake.test"}}), kReasonNoCredential);
  EXPECT_EQ(Who({.authorizations = {"Bearer msk_x"}, .certificate_names = {"desk.test"}}),
            kReasonKeyMalformed);
  EXPECT_EQ(Who({.authorizations = {"Basic x"}, .certificate_names = {"desk.test"}}), "nobody");
  const int64_t before = callers_.generation();
  ASSERT_TRUE(BlockOn(keys_.Revoke(nullptr, "desk", 0)).ok());
  EXPECT_NE(callers_.generation(), before);
  EXPECT_EQ(Who({.authorizations = {desk}}), kReasonKeyRevoked);
  EXPECT_EQ(Who({.certificate_names = {"desk.test"}}), "nobody");
}

TEST_F(KeyCallersTest, AddressesAreThoseOfThePeer) {
  const std::string four = "Bearer " + Make("four", {"192.0.2.0/24"});
  const std::string six = "Bearer " + Make("six", {"2001:db8::/32", "::ffff:198.51.100.7"});
  const auto from = [&](const std::string& token, const std::string& peer) {
    return Who({.authorizations = {token}, .peer = peer});
  };
  EXPECT_EQ(from(four, "ipv4:192.0.2.255:5000"), "key:four");
  EXPECT_EQ(from(four, "ipv6:[::ffff:192.0.2.1]:5000"), "key:four");
  EXPECT_EQ(from(four, "ipv6:%5B::ffff:192.0.2.1%5D:5000"), "key:four");
  EXPECT_EQ(from(four, "ipv4:192.0.3.0:5000"), kReasonAddressNotAllowed);
  EXPECT_EQ(from(six, "ipv6:[2001:db8::1]:5000"), "key:six");
  EXPECT_EQ(from(six, "ipv4:198.51.100.7:1"), "key:six");
  EXPECT_EQ(from(six, "ipv6:[2001:db9::1]:5000"), kReasonAddressNotAllowed);
  EXPECT_EQ(from(six, "unix:"), kReasonAddressNotAllowed);
}

TEST_F(KeyCallersTest, OnlyAFrontendVouchesForAnAddress) {
  const std::string desk = "Bearer " + Make("desk", {"192.0.2.0/24"});
  rpc::Credentials credentials = {
      .authorizations = {desk}, .peer = "ipv4:10.0.0.1:1", .client_address = "192.0.2.1"};
  EXPECT_EQ(Who(credentials), kReasonAddressNotAllowed) << "nobody is believed about itself";
  credentials.certificate_names = {"smtp"};
  EXPECT_EQ(Who(credentials), "key:desk");
  credentials.certificate_names = {"operator"};
  EXPECT_EQ(Who(credentials), kReasonAddressNotAllowed);
  credentials.certificate_names.clear();
  credentials.authorizations.push_back("Bearer front");
  EXPECT_EQ(Who(credentials), "key:desk");
  EXPECT_EQ(KeyOf(callers_.Identify(credentials))->address, "192.0.2.1");
  credentials.client_address = "10.9.9.9";
  EXPECT_EQ(Who(credentials), kReasonAddressNotAllowed);
  credentials.client_address = "no address";
  EXPECT_EQ(Who(credentials), kReasonAddressNotAllowed);
}

TEST_F(KeyCallersTest, WhatAFrontendPassesOnCountsOrRefusesTheCall) {
  callers_.SetToken(kWeb, "web");
  const std::string desk = "Bearer " + Make("desk");
  EXPECT_EQ(Who({.authorizations = {"Bearer web"}}), "web");
  EXPECT_EQ(Who({.authorizations = {"Bearer web", desk}}), "key:desk");
  EXPECT_EQ(Who({.authorizations = {"Bearer web", "Bearer msk_x"}}), kReasonKeyMalformed);
  EXPECT_EQ(Who({.authorizations = {"Bearer web", "Bearer guess"}}), kReasonNoCredential);
  EXPECT_EQ(Who({.authorizations = {"Bearer web", "Basic x"}}), kReasonNoCredential);
  EXPECT_EQ(Who({.authorizations = {"Bearer web", "Bearer boss"}}), kReasonNoCredential);
  EXPECT_EQ(Who({.certificate_names = {"web"}}), "nobody") << "a host may be called that";
}

TEST_F(KeyCallersTest, WebdVouchesForAnAddress) {
  callers_.SetToken(kWeb, "web");
  const std::string desk = "Bearer " + Make("desk", {"192.0.2.0/24"});
  const auto from = [&](const std::string& address) {
    return Who(
        {.authorizations = {"Bearer web", desk}, .peer = "ipv4:10.0.0.1:1", .client_address = address});
  };
  EXPECT_EQ(from("192.0.2.1"), "key:desk");
  EXPECT_EQ(from("10.0.0.1"), kReasonAddressNotAllowed);
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
