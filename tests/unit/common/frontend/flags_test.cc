#include "common/frontend/flags.h"

#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/config/flags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::frontend {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FrontendFlagsTest : public ::testing::Test {
 protected:
  // The errors of these arguments.
  std::vector<std::string> Errors(std::vector<std::string> arguments) {
    flags = Flags();
    config::Options options = OptionsOf(flags);
    Append(options, LoginOptionsOf(flags));
    arguments.insert(arguments.begin(), "testd");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    const absl::Status status = config::SetFlags({.name = "testd"}, options, argv, [](const std::string&) {
                                  return std::nullopt;
                                }).status();
    EXPECT_TRUE(status.ok()) << status;
    config::Checker check;
    CheckOptions(options, check);
    Finish(flags, check);
    return check.errors();
  }

  Flags flags;
};

TEST_F(FrontendFlagsTest, DefaultsAreGood) {
  EXPECT_THAT(Errors({}), IsEmpty());
  EXPECT_FALSE(flags.hostname.empty()) << "the machine's name";
  EXPECT_EQ(flags.tls.self_signed_name, flags.hostname);
  EXPECT_TRUE(flags.proxy_networks.empty());
}

TEST_F(FrontendFlagsTest, ValuesFindTheirPlaces) {
  EXPECT_THAT(Errors({"--hostname=mx.example.test", "--store=unix:/run/store", "--proxy_networks=10.0.0.0/8",
                      "--max_connections=0", "--threads=3", "--drain_timeout=0s",
                      "--admin_listen=127.0.0.1:0", "--log_format=json", "--allow_plaintext_auth"}),
              IsEmpty());
  EXPECT_EQ(flags.tls.self_signed_name, "mx.example.test");
  EXPECT_EQ(flags.store.target, "unix:/run/store");
  EXPECT_TRUE(flags.proxy_networks.Contains(asio::ip::make_address("10.1.2.3")));
  EXPECT_EQ(flags.max_connections, 0u);
  EXPECT_EQ(flags.threads, 3u);
  EXPECT_EQ(flags.log.format, obs::LogFormat::kJson);
  EXPECT_TRUE(flags.allow_plaintext_auth);
}

TEST_F(FrontendFlagsTest, WhatIsImpossibleIsSaidInOneLineEach) {
  EXPECT_THAT(Errors({"--hostname=a b"}),
              ElementsAre("--hostname: must be a host name of at most 255 characters"));
  for (const char* address :
       {"--store=", "--store=nowhere", "--store=127.0.0.1:0", "--store=unix:", "--store=:7070"}) {
    EXPECT_THAT(Errors({address}), ElementsAre("--store: must be host:port, dns:///name:port or unix:/path"))
        << address;
  }
  EXPECT_THAT(Errors({"--store_tls_key=/k"}),
              ElementsAre("--store_tls_key: is needed with --store_tls_cert, and only with it"));
  EXPECT_THAT(Errors({"--tls_cert=/no/such/file", "--tls_key=/no/such/key"}),
              ElementsAre("--tls_cert: cannot read /no/such/file: No such file or directory",
                          "--tls_key: cannot read /no/such/key: No such file or directory"));
  EXPECT_THAT(Errors({"--tls_ticket_key_file=/dev/null"}),
              ElementsAre("--tls_ticket_key_file: /dev/null must hold at least 48 random bytes"));
  EXPECT_THAT(
      Errors({"--store_connections=0", "--max_connections=-1", "--threads=1025"}),
      ElementsAre("--store_connections: 0 is not in 1 to 64", "--max_connections: -1 is not in 0 to 1000000",
                  "--threads: 1025 is not in 0 to 1024"));
}

}  // namespace
}  // namespace mailstead::frontend
