#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "mailstead/store/v1/route.pb.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class RoutesApiTest : public ApiTest {
 protected:
  absl::StatusOr<v1::Route> Set(const v1::SetRouteRequest& request) {
    return AsOperator<v1::Route>("RouteService/SetRoute", request);
  }
  absl::StatusOr<v1::Route> Get(const std::string& destination, const std::string& sender_domain = "") {
    v1::GetRouteRequest request;
    request.set_destination(destination);
    request.set_sender_domain(sender_domain);
    return AsOperator<v1::Route>("RouteService/GetRoute", request);
  }
  absl::Status Delete(const std::string& destination, const std::string& etag = "") {
    v1::DeleteRouteRequest request;
    request.set_etag(etag);
    request.set_destination(destination);
    return AsOperator<v1::DeleteRouteResponse>("RouteService/DeleteRoute", request).status();
  }
  std::vector<std::string> Destinations() { return Page(0, "").second; }
  // The token of the next page, and the destinations of this one.
  std::pair<std::string, std::vector<std::string>> Page(int32_t size, const std::string& token) {
    v1::ListRoutesRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    const auto response = AsOperator<v1::ListRoutesResponse>("RouteService/ListRoutes", request);
    EXPECT_TRUE(response.ok()) << response.status();
    std::vector<std::string> destinations;
    for (const v1::Route& route : response->routes()) {
      destinations.push_back(route.destination() + (route.sender_domain().empty() ? "" : " ") +
                             route.sender_domain());
    }
    return {response->next_page_token(), destinations};
  }
  static v1::SetRouteRequest Via(const std::string& destination, const std::string& host) {
    v1::SetRouteRequest request;
    request.mutable_route()->set_destination(destination);
    request.mutable_route()->add_hosts()->set_host(host);
    return request;
  }
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, RoutesApiTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(RoutesApiTest, ARouteComesBackAsItIsKept) {
  v1::SetRouteRequest request = Via(".B.test", "Smtp.test");
  v1::Route& route = *request.mutable_route();
  route.set_sender_domain("A.test");
  route.mutable_hosts(0)->set_port(587);
  route.add_hosts()->set_host("192.0.2.1");
  route.set_tls(v1::ROUTE_TLS_VERIFY);
  route.set_user("u");
  request.set_password("correct horse");
  route.set_source_address("192.0.2.2");
  route.set_ehlo_name("mail.a.test");
  const auto kept = Set(request);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->destination(), ".b.test");
  EXPECT_EQ(kept->sender_domain(), "a.test");
  EXPECT_EQ(kept->mailbox(), "");
  ASSERT_EQ(kept->hosts_size(), 2);
  EXPECT_EQ(kept->hosts(0).host(), "smtp.test");
  EXPECT_EQ(kept->hosts(0).port(), 587);
  EXPECT_EQ(kept->hosts(1).port(), 25);
  EXPECT_EQ(kept->tls(), v1::ROUTE_TLS_VERIFY);
  EXPECT_EQ(kept->user(), "u");
  EXPECT_TRUE(kept->has_password());
  EXPECT_EQ(kept->source_address(), "192.0.2.2");
  EXPECT_EQ(kept->ehlo_name(), "mail.a.test");
  EXPECT_GT(kept->update_time().seconds(), 1'700'000'000);
  // SECURITY: an operator is never told a password.
  EXPECT_THAT(kept->SerializeAsString(), Not(HasSubstr("correct horse")));
  const auto got = Get(".b.test", "a.test");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->SerializeAsString(), kept->SerializeAsString());
  EXPECT_EQ(ReasonOf(Get(".b.test").status()), kReasonRouteNotFound);
}

TEST_P(RoutesApiTest, TlsIsOneOfFour) {
  for (const auto& [given, kept] :
       {std::pair{v1::ROUTE_TLS_UNSPECIFIED, v1::ROUTE_TLS_MAY},
        std::pair{v1::ROUTE_TLS_MAY, v1::ROUTE_TLS_MAY}, std::pair{v1::ROUTE_TLS_NONE, v1::ROUTE_TLS_NONE},
        std::pair{v1::ROUTE_TLS_REQUIRE, v1::ROUTE_TLS_REQUIRE},
        std::pair{v1::ROUTE_TLS_VERIFY, v1::ROUTE_TLS_VERIFY}}) {
    v1::SetRouteRequest request = Via("default", "h");
    request.mutable_route()->set_tls(given);
    const auto route = Set(request);
    ASSERT_TRUE(route.ok()) << route.status();
    EXPECT_EQ(route->tls(), kept) << given;
  }
  v1::SetRouteRequest request = Via("default", "h");
  request.mutable_route()->set_tls(static_cast<v1::RouteTls>(5));
  EXPECT_EQ(FieldOf(Set(request).status()), "route.tls");
}

TEST_P(RoutesApiTest, AMailboxIsToldByItsAddressAndAGoneOneByItsId) {
  const int64_t account = AddAccount("demo@example.test");
  v1::SetRouteRequest request;
  request.mutable_route()->set_destination("default");
  request.mutable_route()->set_mailbox("Demo@Example.test");
  auto route = Set(request);
  ASSERT_TRUE(route.ok()) << route.status();
  EXPECT_EQ(route->mailbox(), "demo@example.test");
  request.mutable_route()->set_mailbox(absl::StrCat(account));
  ASSERT_TRUE(Set(request).ok());
  v1::DeleteAccountRequest remove;
  remove.set_account("demo@example.test");
  ASSERT_TRUE(AsOperator<v1::DeleteAccountResponse>("DirectoryService/DeleteAccount", remove).ok());
  route = Get("default");
  ASSERT_TRUE(route.ok()) << route.status();
  EXPECT_EQ(route->mailbox(), absl::StrCat(account));
  EXPECT_EQ(ReasonOf(Set(request).status()), kReasonAccountNotFound);
}

TEST_P(RoutesApiTest, RoutesAreListedPageByPage) {
  for (const char* sender : {"", "a.test", "b.test"}) {
    for (const char* destination : {"default", "b.test", ".b.test"}) {
      v1::SetRouteRequest request = Via(destination, "h");
      request.mutable_route()->set_sender_domain(sender);
      ASSERT_TRUE(Set(request).ok());
    }
  }
  const auto [behind_first, first] = Page(4, "");
  EXPECT_THAT(first, ElementsAre(".b.test", ".b.test a.test", ".b.test b.test", "b.test"));
  // What goes meanwhile is no hole, and what comes before is not told twice.
  EXPECT_TRUE(Delete("b.test").ok());
  ASSERT_TRUE(Set(Via(".a.test", "h")).ok());
  const auto [behind_second, second] = Page(4, behind_first);
  EXPECT_THAT(second, ElementsAre("b.test a.test", "b.test b.test", "default", "default a.test"));
  const auto [behind_last, last] = Page(4, behind_second);
  EXPECT_THAT(last, ElementsAre("default b.test"));
  EXPECT_EQ(behind_last, "");
  v1::ListRoutesRequest wrong;
  wrong.set_page_token("x");
  EXPECT_EQ(FieldOf(AsOperator<v1::ListRoutesResponse>("RouteService/ListRoutes", wrong).status()),
            "page_token");
}

TEST_P(RoutesApiTest, AChangeMayNameTheStateItIsMeantFor) {
  const auto first = Set(Via("b.test", "first"));
  ASSERT_TRUE(first.ok()) << first.status();
  v1::SetRouteRequest change = Via("b.test", "second");
  change.mutable_route()->set_etag(first->etag());
  const auto second = Set(change);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(second->etag(), first->etag());
  change.mutable_route()->mutable_hosts(0)->set_host("third");
  EXPECT_EQ(ReasonOf(Set(change).status()), kReasonEtagMismatch);
  change.mutable_route()->set_etag("no etag");
  EXPECT_EQ(ReasonOf(Set(change).status()), kReasonEtagMismatch);
  EXPECT_EQ(Get("b.test")->SerializeAsString(), second->SerializeAsString());
  EXPECT_EQ(ReasonOf(Delete("b.test", first->etag())), kReasonEtagMismatch);
  EXPECT_TRUE(Delete("b.test", second->etag()).ok());
  EXPECT_EQ(ReasonOf(Delete("b.test", second->etag())), kReasonRouteNotFound);
  change.mutable_route()->set_etag(second->etag());
  EXPECT_EQ(ReasonOf(Set(change).status()), kReasonRouteNotFound);
}

TEST_P(RoutesApiTest, RoutesAreListedAndDeleted) {
  EXPECT_THAT(Destinations(), testing::IsEmpty());
  EXPECT_EQ(FieldOf(Set(v1::SetRouteRequest()).status()), "route");
  for (const char* destination : {"default", "b.test", ".b.test"})
    ASSERT_TRUE(Set(Via(destination, "h")).ok());
  EXPECT_THAT(Destinations(), ElementsAre(".b.test", "b.test", "default"));
  EXPECT_TRUE(Delete("B.test").ok());
  EXPECT_EQ(ReasonOf(Delete("b.test")), kReasonRouteNotFound);
  EXPECT_EQ(FieldOf(Delete("")), "destination");
  EXPECT_THAT(Destinations(), ElementsAre(".b.test", "default"));
  Restart();
  EXPECT_THAT(Destinations(), ElementsAre(".b.test", "default"));
}

}  // namespace
}  // namespace mailstead::stored
