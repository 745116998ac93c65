#include "stored/api/routes.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "stored/api/convert/routes.h"
#include "stored/api/convert/values.h"
#include "stored/core/paging.h"
#include "stored/core/routes.h"
#include "stored/rules/route.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

constexpr absl::string_view kListing = "routes";

// Of a page's token. Neither part holds a space.
std::string TextOf(const engine::RouteKey& key) {
  return absl::StrCat(key.destination, " ", key.sender_domain);
}

engine::RouteKey KeyFrom(absl::string_view text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 1));
  return {parts.first, parts.second};
}

// SECURITY: for the audit, which never has the password.
void SetTarget(rpc::Call& call, const std::string& destination, const std::string& sender_domain) {
  call.SetTarget(absl::StrCat("route ", rules::RouteName({destination, sender_domain})));
}

// What the account of the route's mailbox is called.
Task<absl::StatusOr<std::string>> MailboxOf(Environment& environment, AccountId account) {
  if (account.value == 0) co_return std::string();
  CO_ASSIGN_OR_RETURN(std::string address, co_await environment.core.recipients.AddressOf(account));
  co_return address.empty() ? absl::StrCat(account.value) : std::move(address);
}

Task<absl::Status> Give(Environment& environment, const engine::Route& route, v1::Route& response) {
  CO_ASSIGN_OR_RETURN(const std::string mailbox, co_await MailboxOf(environment, route.mailbox));
  ToProto(route, mailbox, response);
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::Status> SetRoute(Environment& environment, rpc::Call& call, const v1::SetRouteRequest& request,
                            v1::Route& response) {
  SetTarget(call, request.route().destination(), request.route().sender_domain());
  CO_ASSIGN_OR_RETURN(NewRoute route, FromProto(request));
  CO_ASSIGN_OR_RETURN(const engine::Route kept, co_await environment.core.routes.Set(std::move(route)));
  co_return co_await Give(environment, kept, response);
}

Task<absl::Status> GetRoute(Environment& environment, rpc::Call&, const v1::GetRouteRequest& request,
                            v1::Route& response) {
  CO_ASSIGN_OR_RETURN(const engine::Route route,
                      co_await environment.core.routes.Get(request.destination(), request.sender_domain()));
  co_return co_await Give(environment, route, response);
}

Task<absl::Status> ListRoutes(Environment& environment, rpc::Call&, const v1::ListRoutesRequest& request,
                              v1::ListRoutesResponse& response) {
  CO_ASSIGN_OR_RETURN(const PageStart start, ReadPage(kListing, request.page_size(), request.page_token()));
  const auto list = [&environment](engine::RouteKey after, size_t limit) {
    return environment.core.routes.List(std::move(after), limit);
  };
  const auto key = [](const engine::Route& route) { return route.key; };
  const auto size = [](const engine::Route& route) {
    return sizeof(route) + route.hosts.size() * sizeof(engine::Route::Host);
  };
  CO_ASSIGN_OR_RETURN(const Gathered<engine::Route> page,
                      co_await Gather<engine::Route>(KeyFrom(start.after), start.size, list, key, size));
  for (const engine::Route& route : page.items) {
    CO_RETURN_IF_ERROR(co_await Give(environment, route, *response.add_routes()));
  }
  if (page.more) response.set_next_page_token(MakePageToken(kListing, TextOf(page.items.back().key)));
  co_return absl::OkStatus();
}

Task<absl::Status> DeleteRoute(Environment& environment, rpc::Call& call,
                               const v1::DeleteRouteRequest& request, v1::DeleteRouteResponse&) {
  SetTarget(call, request.destination(), request.sender_domain());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  co_return co_await environment.core.routes.Delete(request.destination(), request.sender_domain(), version);
}

}  // namespace mailstead::stored
