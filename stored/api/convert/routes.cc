#include "stored/api/convert/routes.h"

#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using Tls = engine::Route::Tls;

v1::RouteTls ToProto(Tls tls) {
  switch (tls) {
    case Tls::kMay:
      return v1::ROUTE_TLS_MAY;
    case Tls::kNone:
      return v1::ROUTE_TLS_NONE;
    case Tls::kRequire:
      return v1::ROUTE_TLS_REQUIRE;
    case Tls::kVerify:
      return v1::ROUTE_TLS_VERIFY;
  }
  CHECK(false);
}

absl::StatusOr<Tls> FromProto(v1::RouteTls tls) {
  switch (tls) {
    case v1::ROUTE_TLS_UNSPECIFIED:
    case v1::ROUTE_TLS_MAY:
      return Tls::kMay;
    case v1::ROUTE_TLS_NONE:
      return Tls::kNone;
    case v1::ROUTE_TLS_REQUIRE:
      return Tls::kRequire;
    case v1::ROUTE_TLS_VERIFY:
      return Tls::kVerify;
    default:
      return FieldError("route.tls", "must be one of RouteTls");
  }
}

// What Route and RouteChoice have in common.
template <typename Route>
void SetWay(const Route& route, v1::Route& proto) {
  proto.set_destination(route.key.destination);
  proto.set_sender_domain(route.key.sender_domain);
  for (const engine::Route::Host& host : route.hosts) {
    v1::RouteHost& to = *proto.add_hosts();
    to.set_host(host.host);
    to.set_port(host.port);
  }
  proto.set_tls(ToProto(route.tls));
  proto.set_user(route.user);
  proto.set_source_address(route.source_address);
  proto.set_ehlo_name(route.ehlo_name);
}

}  // namespace

void ToProto(const engine::Route& route, absl::string_view mailbox, v1::Route& proto) {
  SetWay(route, proto);
  proto.set_mailbox(std::string(mailbox));
  proto.set_has_password(!route.sealed_password.empty());
  ToProto(route.update_time, *proto.mutable_update_time());
  proto.set_etag(MakeEtag(route.version()));
}

void ToProto(const RouteChoice& choice, v1::Route& proto) {
  SetWay(choice, proto);
  proto.set_has_password(!choice.password.empty());
}

absl::StatusOr<NewRoute> FromProto(const v1::SetRouteRequest& request) {
  if (!request.has_route()) return FieldError("route", "must be set");
  const v1::Route& proto = request.route();
  NewRoute route;
  route.route.key = {proto.destination(), proto.sender_domain()};
  for (const v1::RouteHost& host : proto.hosts()) route.route.hosts.push_back({host.host(), host.port()});
  ASSIGN_OR_RETURN(route.route.tls, FromProto(proto.tls()));
  route.route.user = proto.user();
  route.route.source_address = proto.source_address();
  route.route.ehlo_name = proto.ehlo_name();
  route.mailbox = proto.mailbox();
  route.password = request.password();
  ASSIGN_OR_RETURN(route.expected_version, ReadEtag(proto.etag()));
  return route;
}

}  // namespace mailstead::stored
