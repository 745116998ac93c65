#include "smtpd/outbound/connection_key.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"

namespace mailstead::smtp::outbound {
namespace {

using Level = TlsPolicy::Level;
using Source = TlsPolicy::Source;

const dns::Tlsa kRecord = {.usage = 3, .selector = 1, .matching_type = 1, .data = std::string(32, 'x')};

TlsPolicy ByDane() {
  TlsPolicy policy;
  policy.level = Level::kDane;
  policy.source = Source::kDane;
  policy.server_name = "mx.example.test";
  policy.names = {"mx.example.test"};
  policy.tlsa = {kRecord};
  return policy;
}

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
  std::vector<ConnectionKey> keys(17, Base());
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
  keys[12].tls.source = Source::kSts;
  keys[13].tls = ByDane();
  keys[14].tls = ByDane();
  keys[14].tls.tlsa[0].data[31] ^= 1;
  keys[15].tls = ByDane();
  keys[15].tls.tlsa.push_back(kRecord);
  keys[16].tls = ByDane();
  keys[16].tls.tlsa[0].usage = 2;
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
  key.tls.source = Source::kSts;
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  // Another set of TLSA records, and one that only looks like it when they are written one after the other.
  key.tls = ByDane();
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  key.tls.tlsa.push_back(kRecord);
  const std::string two = TicketKey(key);
  EXPECT_TRUE(tickets.insert(two).second);
  key.tls.tlsa = {kRecord};
  key.tls.tlsa[0].data += two.substr(two.size() - kRecord.data.size() - 9);
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  key.tls.tlsa[0].selector = 0;
  EXPECT_TRUE(tickets.insert(TicketKey(key)).second);
  // What has nothing to do with it.
  key.identity = "";
  EXPECT_FALSE(tickets.insert(TicketKey(key)).second);
}

}  // namespace
}  // namespace mailstead::smtp::outbound
