#include "stored/core/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"
#include "tests/support/faulty_engine.h"

namespace mailstead::stored {
namespace {

using engine::Route;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- The choice

struct ChoiceRow {
  // "destination" or "destination<sender_domain", parted by blanks.
  const char* routes;
  const char* recipient_domain;
  const char* sender_domain;
  // As in `routes`; empty: as the DNS says.
  const char* taken;
};

constexpr ChoiceRow kChoices[] = {
    // No route.
    {"", "b.test", "a.test", ""},
    {"c.test .b.test", "b.test", "a.test", ""},
    // A domain is itself alone, a name with a dot in front all under it and not itself.
    {"b.test", "b.test", "a.test", "b.test"},
    {"b.test", "x.b.test", "a.test", ""},
    {"b.test", "xb.test", "a.test", ""},
    {".b.test", "b.test", "a.test", ""},
    {".b.test", "xb.test", "a.test", ""},
    {".b.test", "x.b.test", "a.test", ".b.test"},
    {".b.test", "y.x.b.test", "a.test", ".b.test"},
    {".test", "b.test", "a.test", ".test"},
    // The longest name.
    {"default .test .b.test x.b.test", "x.b.test", "a.test", "x.b.test"},
    {"default .test .b.test x.b.test", "y.b.test", "a.test", ".b.test"},
    {"default .test .b.test x.b.test", "b.test", "a.test", ".test"},
    {"default .test .b.test x.b.test", "b.example", "a.test", "default"},
    {".b.test .x.b.test", "y.x.b.test", "a.test", ".x.b.test"},
    // At one name the sender's own comes first.
    {"b.test b.test<a.test", "b.test", "a.test", "b.test<a.test"},
    {"b.test b.test<a.test", "b.test", "c.test", "b.test"},
    {"b.test<a.test", "b.test", "c.test", ""},
    {".test .test<a.test", "b.test", "a.test", ".test<a.test"},
    {"default default<a.test", "b.test", "a.test", "default<a.test"},
    {"default default<a.test", "b.test", "c.test", "default"},
    // A longer name comes before a sender.
    {"b.test default<a.test", "b.test", "a.test", "b.test"},
    {".test b.test<c.test default<a.test", "b.test", "a.test", ".test"},
    // A sender's domain is not a pattern.
    {"default<a.test", "b.test", "x.a.test", ""},
    // The null reverse-path has no domain.
    {"default default<a.test", "b.test", "", "default"},
    {"default<a.test", "b.test", "", ""},
    // Address literals.
    {"default .test", "[192.0.2.1]", "a.test", "default"},
    {".test", "[192.0.2.1]", "a.test", ""},
    {"default", "[ipv6:2001:db8::1]", "[192.0.2.1]", "default"},
    // A name of one label.
    {"default .test", "localhost", "a.test", "default"},
    {"localhost", "localhost", "a.test", "localhost"},
    {"default<a.test", "default", "a.test", "default<a.test"},
};

engine::RouteKey ParseKey(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '<');
  return {parts[0], parts.size() == 2 ? parts[1] : ""};
}

TEST(RouteTable, TheLongestNameAndThenTheSender) {
  for (const ChoiceRow& row : kChoices) {
    std::vector<Route> routes;
    for (const absl::string_view text : absl::StrSplit(row.routes, ' ', absl::SkipEmpty())) {
      routes.emplace_back().key = ParseKey(text);
    }
    const RouteTable table(std::move(routes));
    const Route* const found = table.Find(row.recipient_domain, row.sender_domain);
    const std::string what =
        absl::StrCat("routes ", row.routes, ": ", row.sender_domain, " to ", row.recipient_domain);
    if (*row.taken == '\0') {
      EXPECT_EQ(found, nullptr) << what;
    } else {
      ASSERT_NE(found, nullptr) << what;
      EXPECT_EQ(found->key, ParseKey(row.taken)) << what;
    }
  }
}

// ---- Routes over an engine

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    engine::Domain domain;
    domain.name = "example.test";
    engine::Account account;
    account.address = "demo@example.test";
    std::vector<engine::DirectoryEntry> entries = {domain, account};
    for (const auto& created : BlockOn(memory_->directory().Create(std::move(entries))))
      EXPECT_TRUE(created.ok());
  }

  // As another process with that key.
  Routes With(absl::string_view secrets_key) {
    return Routes(engine_.routes(), engine_.directory(), clock_, secrets_key);
  }

  static NewRoute Via(std::string host, std::string destination = "default") {
    NewRoute route;
    route.route.key.destination = std::move(destination);
    route.route.hosts = {{std::move(host), 587}};
    return route;
  }
  static NewRoute WithUser(std::string password) {
    NewRoute route = Via("smtp.example.test");
    route.route.tls = Route::Tls::kVerify;
    route.route.user = "u";
    route.password = std::move(password);
    return route;
  }
  absl::StatusOr<Route> Set(NewRoute route) { return BlockOn(routes_.Set(std::move(route))); }
  absl::StatusOr<std::optional<RouteChoice>> Choose(std::string recipient_domain,
                                                    std::string sender_domain = "") {
    return BlockOn(routes_.Choose(std::move(recipient_domain), std::move(sender_domain)));
  }

  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  const std::unique_ptr<engine::Engine> memory_ = engine::OpenMemoryEngine();
  FaultyEngine engine_{*memory_};
  Routes routes_ = With("key");
};

TEST_F(RoutesTest, ARouteIsKeptInTheFormThatIsCompared) {
  NewRoute route;
  route.route.key = {".Bücher.TEST.", "EXAMPLE.test"};
  route.route.hosts = {{"Smtp.Example.test", 0}, {"192.0.2.1", 2525}, {"2001:DB8:0::1", 65535}};
  route.route.tls = Route::Tls::kRequire;
  route.route.source_address = "2001:db8::0:2";
  route.route.ehlo_name = "[192.0.2.2]";
  const auto kept = Set(std::move(route));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->key.destination, ".xn--bcher-kva.test");
  EXPECT_EQ(kept->key.sender_domain, "example.test");
  EXPECT_THAT(kept->hosts, ElementsAre(Route::Host{"smtp.example.test", 25}, Route::Host{"192.0.2.1", 2525},
                                       Route::Host{"2001:db8::1", 65535}));
  EXPECT_EQ(kept->source_address, "2001:db8::2");
  EXPECT_EQ(kept->update_time, clock_.Now());
  const auto listed = BlockOn(routes_.List(engine::RouteKey(), 100));
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(*listed, ElementsAre(*kept));
}

struct RefusedRow {
  const char* what;
  std::function<void(NewRoute&)> change;
  // Of the error; empty: it is taken.
  const char* field;
};

TEST_F(RoutesTest, WhatIsRefused) {
  const std::string long_label(64, 'a');
  const RefusedRow rows[] = {
      {"as it is", [](NewRoute&) {}, ""},
      {"no destination", [](NewRoute& n) { n.route.key.destination = ""; }, "route.destination"},
      {"a dot alone", [](NewRoute& n) { n.route.key.destination = "."; }, "route.destination"},
      {"two dots in front", [](NewRoute& n) { n.route.key.destination = "..test"; }, "route.destination"},
      {"a star", [](NewRoute& n) { n.route.key.destination = "*.test"; }, "route.destination"},
      {"a literal", [](NewRoute& n) { n.route.key.destination = "[192.0.2.1]"; }, "route.destination"},
      {"an address", [](NewRoute& n) { n.route.key.destination = "a@b.test"; }, "route.destination"},
      {"a NUL", [](NewRoute& n) { n.route.key.destination = std::string("b\0t", 3); }, "route.destination"},
      {"a long label", [&](NewRoute& n) { n.route.key.destination = long_label; }, "route.destination"},
      {"a sender with a dot", [](NewRoute& n) { n.route.key.sender_domain = ".a.test"; },
       "route.sender_domain"},
      {"a sender's address", [](NewRoute& n) { n.route.key.sender_domain = "u@a.test"; },
       "route.sender_domain"},
      {"no host's name", [](NewRoute& n) { n.route.hosts[0].host = ""; }, "route.hosts[0].host"},
      {"a host with a blank", [](NewRoute& n) { n.route.hosts[0].host = "a b"; }, "route.hosts[0].host"},
      {"a host in brackets", [](NewRoute& n) { n.route.hosts[0].host = "[192.0.2.1]"; },
       "route.hosts[0].host"},
      {"port -1", [](NewRoute& n) { n.route.hosts[0].port = -1; }, "route.hosts[0].port"},
      {"port 1", [](NewRoute& n) { n.route.hosts[0].port = 1; }, ""},
      {"port 65535", [](NewRoute& n) { n.route.hosts[0].port = 65535; }, ""},
      {"port 65536", [](NewRoute& n) { n.route.hosts[0].port = 65536; }, "route.hosts[0].port"},
      {"a host twice",
       [](NewRoute& n) {
         n.route.hosts = {{"h", 25}, {"g", 25}, {"H", 0}};
       },
       "route.hosts[2].host"},
      {"a host at two ports",
       [](NewRoute& n) {
         n.route.hosts = {{"h", 25}, {"h", 26}};
       },
       ""},
      {"no hosts and no mailbox", [](NewRoute& n) { n.route.hosts.clear(); }, ""},
      {"a source that is a name", [](NewRoute& n) { n.route.source_address = "a.test"; },
       "route.source_address"},
      {"a source with a port", [](NewRoute& n) { n.route.source_address = "192.0.2.1:25"; },
       "route.source_address"},
      {"a name with a blank", [](NewRoute& n) { n.route.ehlo_name = "a b"; }, "route.ehlo_name"},
      {"a name with a line end", [](NewRoute& n) { n.route.ehlo_name = "a\r\nQUIT"; }, "route.ehlo_name"},
      {"a password without a user", [](NewRoute& n) { n.password = "p"; }, "password"},
      {"a mailbox beside hosts", [](NewRoute& n) { n.mailbox = "demo@example.test"; }, "route.hosts"},
      {"a mailbox with tls",
       [](NewRoute& n) {
         n.route.hosts.clear();
         n.mailbox = "demo@example.test";
         n.route.tls = Route::Tls::kNone;
       },
       "route.tls"},
      {"a mailbox that is no address",
       [](NewRoute& n) {
         n.route.hosts.clear();
         n.mailbox = "demo";
       },
       "route.mailbox"},
  };
  for (const RefusedRow& row : rows) {
    NewRoute route = Via("smtp.example.test");
    row.change(route);
    const absl::Status status = Set(std::move(route)).status();
    EXPECT_EQ(FieldOf(status), row.field) << row.what << ": " << status;
    EXPECT_EQ(status.ok(), *row.field == '\0') << row.what << ": " << status;
  }
}

TEST_F(RoutesTest, ARouteHasAtMostTenHosts) {
  NewRoute route = Via("h");
  for (size_t i = 1; i < kMaxRouteHosts; ++i) route.route.hosts.push_back({"h", static_cast<int32_t>(i)});
  EXPECT_TRUE(Set(route).ok());
  route.route.hosts.push_back({"h", 1000});
  EXPECT_EQ(FieldOf(Set(route).status()), "route.hosts");
}

// SECURITY: a password leaves over TLS with a verified certificate, or not this machine.
TEST_F(RoutesTest, WhereAUserMayLogIn) {
  struct Row {
    Route::Tls tls;
    std::vector<std::string> hosts;
    bool may;
  };
  const Row rows[] = {
      {Route::Tls::kVerify, {"smtp.example.test"}, true},
      {Route::Tls::kRequire, {"smtp.example.test"}, false},
      {Route::Tls::kMay, {"smtp.example.test"}, false},
      {Route::Tls::kNone, {"smtp.example.test"}, false},
      {Route::Tls::kNone, {"127.0.0.1"}, true},
      {Route::Tls::kMay, {"127.255.0.9"}, true},
      {Route::Tls::kMay, {"::1"}, true},
      {Route::Tls::kMay, {"LOCALHOST"}, true},
      {Route::Tls::kMay, {"127.0.0.1", "192.0.2.1"}, false},
      {Route::Tls::kMay, {"127.example.test"}, false},
      {Route::Tls::kMay, {"localhost.example.test"}, false},
      {Route::Tls::kMay, {"::ffff:192.0.2.1"}, false},
      {Route::Tls::kVerify, {}, false},
  };
  for (const Row& row : rows) {
    NewRoute route = WithUser("p");
    route.route.tls = row.tls;
    route.route.hosts.clear();
    for (const std::string& host : row.hosts) route.route.hosts.push_back({host, 25});
    const absl::Status status = Set(std::move(route)).status();
    EXPECT_EQ(FieldOf(status), row.may ? "" : "route.user") << row.hosts.size() << ": " << status;
    EXPECT_EQ(status.ok(), row.may) << status;
  }
}

TEST_F(RoutesTest, BoundsOfUserAndPassword) {
  const auto field = [&](size_t user_bytes, size_t password_bytes) {
    NewRoute route = WithUser(std::string(password_bytes, 'p'));
    route.route.user = std::string(user_bytes, 'u');
    return FieldOf(Set(std::move(route)).status());
  };
  EXPECT_EQ(field(kMaxRouteUserBytes, kMaxPasswordBytes), "");
  EXPECT_EQ(field(kMaxRouteUserBytes + 1, 1), "route.user");
  EXPECT_EQ(field(1, kMaxPasswordBytes + 1), "password");
  EXPECT_EQ(FieldOf(Set(WithUser("a\r\nb")).status()), "password");
  NewRoute route = WithUser("p");
  route.route.user = std::string("a\0b", 3);
  EXPECT_EQ(FieldOf(Set(std::move(route)).status()), "route.user");
}

TEST_F(RoutesTest, AMailboxIsNamedByItsAddressOrItsId) {
  const auto by = [&](std::string mailbox) {
    NewRoute route;
    route.route.key.destination = "default";
    route.mailbox = std::move(mailbox);
    return Set(std::move(route));
  };
  const auto by_address = by("DEMO@example.test");
  ASSERT_TRUE(by_address.ok()) << by_address.status();
  EXPECT_EQ(by_address->mailbox.value, 1);
  const auto by_id = by("1");
  ASSERT_TRUE(by_id.ok()) << by_id.status();
  EXPECT_EQ(by_id->mailbox.value, 1);
  for (const char* gone : {"2", "nobody@example.test", "demo@other.test"}) {
    EXPECT_EQ(ReasonOf(by(gone).status()), kReasonAccountNotFound) << gone;
  }
  const auto choice = Choose("b.test");
  ASSERT_TRUE(choice.ok() && choice->has_value());
  EXPECT_EQ((*choice)->mailbox.value, 1);
  EXPECT_THAT((*choice)->hosts, IsEmpty());
}

TEST_F(RoutesTest, AChoiceHasAllThatIsNeeded) {
  NewRoute route = WithUser("correct horse");
  route.route.key = {"b.test", "a.test"};
  route.route.source_address = "192.0.2.1";
  route.route.ehlo_name = "mail.a.test";
  const auto kept = Set(std::move(route));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_THAT(kept->sealed_password, testing::Not(HasSubstr("correct horse")));
  const auto choice = Choose("b.test", "a.test");
  ASSERT_TRUE(choice.ok()) << choice.status();
  ASSERT_TRUE(choice->has_value());
  EXPECT_EQ((*choice)->key, kept->key);
  EXPECT_THAT((*choice)->hosts, ElementsAre(Route::Host{"smtp.example.test", 587}));
  EXPECT_EQ((*choice)->tls, Route::Tls::kVerify);
  EXPECT_EQ((*choice)->user, "u");
  EXPECT_EQ((*choice)->password, "correct horse");
  EXPECT_EQ((*choice)->source_address, "192.0.2.1");
  EXPECT_EQ((*choice)->ehlo_name, "mail.a.test");
  const auto other = Choose("b.test", "c.test");
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(other->has_value());
}

TEST_F(RoutesTest, WithoutAPasswordThatOfTheSameUserStays) {
  ASSERT_TRUE(Set(WithUser("first")).ok());
  NewRoute other_host = WithUser("");
  other_host.route.hosts = {{"smtp2.example.test", 587}};
  ASSERT_TRUE(Set(std::move(other_host)).ok());
  EXPECT_EQ((*Choose("b.test"))->password, "first");
  EXPECT_EQ((*Choose("b.test"))->hosts[0].host, "smtp2.example.test");
  NewRoute other_user = WithUser("");
  other_user.route.user = "v";
  EXPECT_EQ(FieldOf(Set(std::move(other_user)).status()), "password");
  NewRoute other_route = WithUser("");
  other_route.route.key.sender_domain = "a.test";
  EXPECT_EQ(FieldOf(Set(std::move(other_route)).status()), "password");
  NewRoute without = Via("smtp.example.test");
  ASSERT_TRUE(Set(std::move(without)).ok());
  EXPECT_EQ((*Choose("b.test"))->password, "");
}

TEST_F(RoutesTest, WithoutAKeyThereAreNoPasswords) {
  Routes without = With("");
  const absl::Status refused = BlockOn(without.Set(WithUser("p"))).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), kReasonNoSecretsKey);
  EXPECT_TRUE(BlockOn(without.Set(Via("smtp.example.test"))).ok());
  ASSERT_TRUE(Set(WithUser("p")).ok());
  const absl::Status chosen = BlockOn(without.Choose("b.test", "")).status();
  EXPECT_EQ(ReasonOf(chosen), kReasonNoSecretsKey) << chosen;
  EXPECT_THAT(std::string(chosen.message()), HasSubstr("route default"));
}

TEST_F(RoutesTest, AnotherKeyIsToldWithTheRoute) {
  NewRoute route = WithUser("p");
  route.route.key = {"b.test", "a.test"};
  ASSERT_TRUE(Set(std::move(route)).ok());
  Routes replaced = With("another key");
  const absl::Status status = BlockOn(replaced.Choose("b.test", "a.test")).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("route b.test for mail from a.test"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--secrets_key_file"));
  // Mail that takes another way goes on.
  EXPECT_TRUE(BlockOn(replaced.Choose("c.test", "a.test")).ok());
}

// SECURITY: who can write to the store's files, and has not the key, cannot send a password to a host of his own.
TEST_F(RoutesTest, ASealedPasswordOpensInItsOwnRouteOnly) {
  const auto kept = Set(WithUser("p"));
  ASSERT_TRUE(kept.ok());
  const std::function<void(Route&)> moves[] = {
      [](Route& route) { route.key.destination = "b.test"; },
      [](Route& route) { route.key.sender_domain = "a.test"; },
      [](Route& route) { route.user = "v"; },
  };
  for (size_t i = 0; i < std::size(moves); ++i) {
    Route moved = *kept;
    moves[i](moved);
    ASSERT_TRUE(BlockOn(memory_->routes().Set(moved, 0)).ok());
    EXPECT_TRUE(absl::IsDataLoss(Choose("b.test", "a.test").status())) << i;
    ASSERT_TRUE(BlockOn(memory_->routes().Delete(moved.key, 0)).ok());
  }
}

TEST_F(RoutesTest, ARouteIsRemoved) {
  ASSERT_TRUE(Set(Via("h")).ok());
  EXPECT_EQ(FieldOf(BlockOn(routes_.Delete("", "", 0))), "destination");
  EXPECT_EQ(ReasonOf(BlockOn(routes_.Delete("b.test", "", 0))), kReasonRouteNotFound);
  EXPECT_EQ(ReasonOf(BlockOn(routes_.Delete("default", "a.test", 0))), kReasonRouteNotFound);
  EXPECT_TRUE((*Choose("b.test")).has_value());
  EXPECT_TRUE(BlockOn(routes_.Delete("default", "", 0)).ok());
  EXPECT_FALSE((*Choose("b.test")).has_value());
}

TEST_F(RoutesTest, RoutesAreReadAgainOnlyWhenTheDirectoryHasChanged) {
  ASSERT_TRUE(Set(Via("first")).ok());
  const int before = engine_.calls("Routes.List");
  for (int i = 0; i < 10; ++i) EXPECT_EQ((*Choose("b.test"))->hosts[0].host, "first");
  EXPECT_EQ(engine_.calls("Routes.List"), before + 1);
  ASSERT_TRUE(Set(Via("second")).ok());
  EXPECT_EQ((*Choose("b.test"))->hosts[0].host, "second");
  EXPECT_EQ(engine_.calls("Routes.List"), before + 2);
}

TEST_F(RoutesTest, AnEngineThatFailsIsNoAnswer) {
  engine_.Fail("Routes.List", FaultyEngine::When::kBefore, absl::UnavailableError("away"));
  EXPECT_TRUE(absl::IsUnavailable(Choose("b.test").status()));
  EXPECT_TRUE(Choose("b.test").ok());
}

}  // namespace
}  // namespace mailstead::stored
