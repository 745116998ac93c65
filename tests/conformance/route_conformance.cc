#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Route Keyed(std::string destination, std::string sender_domain = "") {
  Route route;
  route.key = {std::move(destination), std::move(sender_domain)};
  return route;
}

TEST_P(RouteConformance, ARouteIsKeptAsGiven) {
  EXPECT_THAT(Routes(), IsEmpty());
  Route full = Keyed(".b.test", "a.test");
  full.mailbox = AccountId{std::numeric_limits<int64_t>::max()};
  full.hosts = {{"h", 1}, {"2001:db8::1", 65535}, {"h", 25}};
  full.tls = Route::Tls::kVerify;
  full.user = "u";
  full.sealed_password = std::string("\0\xff sealed", 9);
  full.source_address = "192.0.2.1";
  full.ehlo_name = "e.test";
  full.update_time = absl::FromUnixMicros(1'600'000'000'000'001);
  ASSERT_OK(Set(full));
  ASSERT_OK(Set(Keyed("default")));
  EXPECT_THAT(Routes(), ElementsAre(full, Keyed("default")));
  Restart();
  EXPECT_THAT(Routes(), ElementsAre(full, Keyed("default")));
}

TEST_P(RouteConformance, RoutesAreSortedByDestinationAndSender) {
  std::vector<RouteKey> sorted = {{".b.test", ""},  {".b.test", "a.test"}, {"b", "z.test"},
                                  {"b.test", ""},   {"b.test", "a.a"},     {"b.test", "a.test"},
                                  {"b.test.x", ""}, {"default", ""},       {"default", "a.test"}};
  std::vector<RouteKey> shuffled = sorted;
  std::reverse(shuffled.begin(), shuffled.end());
  std::swap(shuffled[1], shuffled[5]);
  for (const RouteKey& key : shuffled) ASSERT_OK(Set(Keyed(key.destination, key.sender_domain)));
  EXPECT_EQ(Keys(), sorted);
  Restart();
  EXPECT_EQ(Keys(), sorted);
}

TEST_P(RouteConformance, ARouteTakesThePlaceOfTheOneWithItsKeyAndOfNoOther) {
  Route first = Keyed("b.test");
  first.hosts = {{"first", 25}};
  first.user = "u";
  ASSERT_OK(Set(first));
  ASSERT_OK(Set(Keyed("b.test", "a.test")));
  Route second = Keyed("b.test");
  second.mailbox = AccountId{1};
  second.update_time = absl::UnixEpoch() + absl::Seconds(1);
  ASSERT_OK(Set(second));
  EXPECT_THAT(Routes(), ElementsAre(second, Keyed("b.test", "a.test")));
}

TEST_P(RouteConformance, ARouteIsDeletedByItsWholeKey) {
  ASSERT_OK(Set(Keyed("b.test")));
  ASSERT_OK(Set(Keyed("b.test", "a.test")));
  for (const RouteKey& missing : {RouteKey{"b.test", "c.test"}, RouteKey{"b", ""}, RouteKey{".b.test", ""}}) {
    EXPECT_THAT(Delete(missing), HasReason(absl::StatusCode::kNotFound, kReasonRouteNotFound))
        << missing.destination;
  }
  ASSERT_OK(Delete({"b.test", ""}));
  EXPECT_THAT(Routes(), ElementsAre(Keyed("b.test", "a.test")));
  EXPECT_THAT(Delete({"b.test", ""}), HasReason(absl::StatusCode::kNotFound, kReasonRouteNotFound));
  Restart();
  EXPECT_THAT(Routes(), ElementsAre(Keyed("b.test", "a.test")));
}

TEST_P(RouteConformance, TheDirectorysVersionGrowsWithEachChange) {
  int64_t before = engine().DirectoryVersion();
  const auto has_grown = [&] {
    const int64_t now = engine().DirectoryVersion();
    const bool grown = now > before;
    before = now;
    return grown;
  };
  ASSERT_OK(Set(Keyed("default")));
  EXPECT_TRUE(has_grown());
  ASSERT_OK(Set(Keyed("default")));
  EXPECT_TRUE(has_grown());
  ASSERT_OK(Delete({"default", ""}));
  EXPECT_TRUE(has_grown());
}

TEST_P(RouteConformance, AChangeMayExpectAVersion) {
  const auto has_changed = HasReason(absl::StatusCode::kAborted, kReasonEtagMismatch);
  const auto is_missing = HasReason(absl::StatusCode::kNotFound, kReasonRouteNotFound);
  Route route = Keyed("b.test");
  route.update_time = absl::FromUnixMicros(1'600'000'000'000'000);
  EXPECT_THAT(SetIf(1, route).status(), is_missing);
  EXPECT_THAT(Delete(route.key, 1), is_missing);
  const auto first = SetIf(0, route);
  ASSERT_OK(first.status());
  EXPECT_EQ(*first, route);
  // At the same time, and at an earlier one: it is a new version all the same.
  route.user = "u";
  const auto second = SetIf(first->version(), route);
  ASSERT_OK(second.status());
  EXPECT_EQ(second->user, "u");
  EXPECT_GT(second->version(), first->version());
  route.update_time -= absl::Hours(1);
  const auto third = SetIf(0, route);
  ASSERT_OK(third.status());
  EXPECT_GT(third->version(), second->version());
  EXPECT_THAT(Routes(), ElementsAre(*third));
  route.user = "lost";
  for (const int64_t other : {first->version(), second->version(), third->version() + 1, int64_t{1}}) {
    EXPECT_THAT(SetIf(other, route).status(), has_changed);
    EXPECT_THAT(Delete(route.key, other), has_changed);
  }
  Restart();
  EXPECT_THAT(Routes(), ElementsAre(*third));
  EXPECT_OK(Delete(route.key, third->version()));
  EXPECT_THAT(Routes(), IsEmpty());
}

TEST_P(RouteConformance, RoutesAreApartFromTheRestOfTheDirectory) {
  const AccountId account = NewMailbox("r@example.test");
  ASSERT_OK(engine().CreateAlias({"a@example.test", {"r@example.test"}, clock().Now()}));
  ASSERT_OK(Set(Keyed("example.test")));
  ASSERT_OK(Set(Keyed("example.test", "example.test")));
  EXPECT_EQ(engine().ListDomains("", 10)->size(), 1u);
  EXPECT_EQ(engine().ListAccounts("", "", 10)->size(), 1u);
  EXPECT_EQ(engine().ListAliases("", "", 10)->size(), 1u);
  EXPECT_EQ(engine().GetAccount("r@example.test")->id, account);
  ASSERT_OK(engine().DeleteAlias("a@example.test"));
  ASSERT_OK(engine().DeleteAccount("r@example.test"));
  ASSERT_OK(engine().DeleteDomain("example.test"));
  EXPECT_EQ(Keys().size(), 2u);
}

TEST_P(RouteConformance, ThereIsAGreatestNumberOfThem) {
  for (size_t i = 1; i < kMaxRoutes; ++i) ASSERT_OK(Set(Keyed(absl::StrCat("d", i, ".test"))));
  ASSERT_OK(Set(Keyed("default")));
  EXPECT_EQ(Keys().size(), kMaxRoutes);
  EXPECT_THAT(Set(Keyed("more.test")), HasReason(absl::StatusCode::kResourceExhausted, kReasonTooManyRoutes));
  EXPECT_THAT(Set(Keyed("default", "a.test")),
              HasReason(absl::StatusCode::kResourceExhausted, kReasonTooManyRoutes));
  EXPECT_EQ(Keys().size(), kMaxRoutes);
  // One that is there may change.
  Route changed = Keyed("default");
  changed.user = "u";
  changed.update_time = absl::UnixEpoch() + absl::Seconds(1);
  EXPECT_OK(Set(changed));
  EXPECT_EQ(Routes().back(), changed);
  ASSERT_OK(Delete({"d1.test", ""}));
  EXPECT_OK(Set(Keyed("more.test")));
}

}  // namespace
}  // namespace mailstead::engine
