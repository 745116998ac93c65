#include "common/net/local_address.h"

#include "gtest/gtest.h"

namespace mailstead::net {
namespace {

TEST(IsLocalAddressTest, TellsThisMachineFromOthers) {
  const struct {
    const char* address;
    bool local;
  } kTable[] = {
      {"127.0.0.1", true},    {"0.0.0.0", false}, {"224.0.0.1", false}, {"192.0.2.1", false},
      {"203.0.113.7", false}, {"::", false},      {"ff02::1", false},   {"2001:db8::1", false},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(IsLocalAddress(asio::ip::make_address(row.address)), row.local) << row.address;
  }
}

}  // namespace
}  // namespace mailstead::net
