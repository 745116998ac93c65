#include "smtpd/outbound/connection_key.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"

namespace mailstead::smtp::outbound {
namespace {

using Level = TlsPolicy::Level;

ConnectionKey Base() {
  ConnectionKey key;
  key.address = "192.0.2.1";
  key.port = 25;
  key.source = "192.0.2.9";
  key.helo_name = "mail.example.test";
  key.tls = {.level = Level::kVerify, .server_name = "mx.example.test", .names = {"mx.example.test"}};
  key.identity = "user";
  return key;
}

// SECURITY: every field counts.
TEST(ConnectionKeyTest, DiffersInEveryField) {
  std::vector<ConnectionKey> keys(12, Base());
  keys[1].address = "192.0.2.2";
  keys[2].port = 587;
  keys[3].source = "";
  keys[4].helo_name = "other.example.test";
  keys[5].tls.level = Level::kRequire;
  keys[6].tls.server_name = "";
  keys[7].tls.names = {"mx.example.test", "example.test"};
  keys[8].tls.names = {};
  keys[9].identity = "";
  keys[10].require_tls = true;
  keys[11].tls.implicit = true;
  absl::flat_hash_set<ConnectionKey> set;
  for (const ConnectionKey& key : keys) EXPECT_TRUE(set.insert(key).second);
  EXPECT_FALSE(set.insert(Base()).second);
}

// SECURITY: a session of TLS that was made without a look at the certificate is never resumed where one is asked for.
TEST(ConnectionKeyTest, TicketsAreKeptApartBySecurity) {
  absl::flat_hash_set<std::string> tickets;
  for (const Level level : {Level::kMay, Level::kRequire, Level::kVerify}) {
    ConnectionKey key = Base();
    key.tls.level = level;
    EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  }
  ConnectionKey key = Base();
  key.tls.names.push_back("example.test");
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  key.tls.server_name = "example.test";
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  key.address = "192.0.2.2";
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  key.port = 587;
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  // What has nothing to do with it.
  key.identity = "";
  EXPECT_FALSE(tickets.insert(TicketKey(key)).second);
}

}  // namespace
}  // namespace mailstead::smtp::outbound
