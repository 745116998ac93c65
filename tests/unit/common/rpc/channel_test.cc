#include "common/rpc/channel.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "tests/unit/common/rpc/test_store.h"

namespace mailstead::rpc {
namespace {

absl::Status CallOnce(StoreChannel& channel) {
  grpc::ClientContext context;
  channel.Prepare(context, absl::Seconds(10));
  context.set_wait_for_ready(true);
  v1::RenewLeaseResponse response;
  const grpc::Status status =
      v1::MailboxService::NewStub(channel.Next())->RenewLease(&context, v1::RenewLeaseRequest(), &response);
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

TEST(StoreChannel, SendsTheTokenOnceItsFileIsThere) {
  TestStore store;
  const std::string path = absl::StrCat(testing::TempDir(), "/token-", RandomId(8));
  const auto channel = *StoreChannel::Create({.target = store.address(), .token_file = path});
  ASSERT_TRUE(CallOnce(*channel).ok());
  EXPECT_EQ(store.mailbox.authorization, "");

  std::ofstream(path) << "secret\nsecond line\n";
  ASSERT_TRUE(CallOnce(*channel).ok());
  EXPECT_EQ(store.mailbox.authorization, "Bearer secret");
  std::remove(path.c_str());
}

TEST(StoreChannel, ComesBackAfterTheStoreRestarted) {
  TestStore store;
  const auto channel = *StoreChannel::Create({.target = store.address(), .connections = 2});
  ASSERT_TRUE(CallOnce(*channel).ok());
  store.Stop();
  EXPECT_FALSE(channel->CheckHealth(absl::Milliseconds(200)).ok());
  store.Start();
  EXPECT_TRUE(channel->WaitUntilConnected(absl::Seconds(10)));
  // A connection that no call has gone through since may not have noticed the end of the old one: callers try
  // again, and each connection fails them once at most.
  int failed = 0;
  for (int i = 0; i < 6; ++i) failed += CallOnce(*channel).ok() ? 0 : 1;
  EXPECT_LE(failed, 2);
  EXPECT_TRUE(CallOnce(*channel).ok());
  EXPECT_TRUE(CallOnce(*channel).ok());
}

TEST(StoreChannel, HealthSpeaksForTheStore) {
  grpc::EnableDefaultHealthCheckService(true);
  TestStore store;
  const auto channel = *StoreChannel::Create({.target = store.address()});
  ASSERT_TRUE(channel->WaitUntilConnected(absl::Seconds(10)));
  EXPECT_TRUE(channel->CheckHealth(absl::Seconds(10)).ok());
  // A store that refuses the caller is of no use to him, healthy or not.
  store.directory.answer = grpc::Status(grpc::UNAUTHENTICATED, "unknown token");
  EXPECT_EQ(channel->CheckHealth(absl::Seconds(10)), absl::UnauthenticatedError("unknown token"));
  grpc::EnableDefaultHealthCheckService(false);
}

TEST(StoreChannel, TlsNeedsItsFiles) {
  EXPECT_EQ(StoreChannel::Create({.target = "x:1", .tls_ca_file = "/no/such/ca"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(StoreChannel::Create({.target = "x:1", .tls_cert_file = "/some/cert"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mailstead::rpc
