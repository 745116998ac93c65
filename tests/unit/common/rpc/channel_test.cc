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
  store::v1::GetStatusResponse response;
  const grpc::Status status = store::v1::AdminService::NewStub(channel.Next())
                                  ->GetStatus(&context, store::v1::GetStatusRequest(), &response);
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

TEST(StoreChannel, SendsTheTokenOnceItsFileIsThere) {
  TestStore store;
  const std::string path = absl::StrCat(testing::TempDir(), "/token-", RandomId(8));
  const auto channel = *StoreChannel::Create({.target = store.address(), .token_file = path});
  ASSERT_TRUE(CallOnce(*channel).ok());
  EXPECT_EQ(store.admin.authorization, "");

  std::ofstream(path) << " secret \r\nsecond line\n";
  ASSERT_TRUE(CallOnce(*channel).ok());
  EXPECT_EQ(store.admin.authorization, "Bearer secret");
  std::remove(path.c_str());
}

TEST(StoreChannel, ComesBackAfterTheStoreRestarted) {
  TestStore store;
  const auto channel = *StoreChannel::Create({.target = store.address(), .connections = 2});
  ASSERT_TRUE(CallOnce(*channel).ok());
  store.Stop();
  // The end of a connection is noticed when it is read, not at the moment of the stop.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (channel->WaitUntilConnected(absl::Milliseconds(200)) && absl::Now() < deadline) {
  }
  EXPECT_FALSE(channel->WaitUntilConnected(absl::Milliseconds(200)));
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

TEST(StoreChannel, TlsNeedsItsFiles) {
  EXPECT_EQ(StoreChannel::Create({.target = "x:1", .tls_ca_file = "/no/such/ca"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(StoreChannel::Create({.target = "x:1", .tls_cert_file = "/some/cert"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mailstead::rpc
