#include "mailctl/commands/route_text.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/client.h"
#include "mailctl/output.h"
#include "mailstead/store/v1/route.pb.h"

namespace mailstead::ctl {

std::string RouteNameText(const v1::Route& route) {
  return route.sender_domain().empty()
             ? route.destination()
             : absl::StrCat(route.destination(), " for mail from ", route.sender_domain());
}

std::string RouteWayText(const v1::Route& route) {
  if (!route.mailbox().empty()) {
    // An id: the account is gone.
    const bool gone = !absl::StrContains(route.mailbox(), '@');
    return gone ? absl::StrCat("mailbox ", route.mailbox(), ", which is gone")
                : absl::StrCat("the mailbox of ", route.mailbox());
  }
  if (route.hosts().empty()) return "as the DNS says";
  const auto host_text = [](std::string* out, const v1::RouteHost& host) {
    const bool v6 = absl::StrContains(host.host(), ':');
    absl::StrAppend(out, v6 ? "[" : "", host.host(), v6 ? "]" : "", ":", host.port());
  };
  return absl::StrJoin(route.hosts(), ", ", host_text);
}

std::string RouteTlsText(const v1::Route& route) {
  switch (route.tls()) {
    case v1::ROUTE_TLS_NONE:
      return "none";
    case v1::ROUTE_TLS_REQUIRE:
      return "require";
    case v1::ROUTE_TLS_VERIFY:
      return "verify";
    default:
      return "may";
  }
}

absl::StatusOr<std::string> RoutesText(Client& store) {
  std::string way = "goes to the hosts that the DNS names";
  int others = 0;
  RETURN_IF_ERROR(store.Pages(store::kListRoutes, {}, [&](const v1::ListRoutesResponse& page) {
    for (const v1::Route& route : page.routes()) {
      if (route.destination() != "default" || !route.sender_domain().empty()) {
        ++others;
      } else if (!route.mailbox().empty()) {
        way = absl::StrCat("stays here, in ", RouteWayText(route));
      } else if (!route.hosts().empty()) {
        way = absl::StrCat("goes to ", RouteWayText(route));
      }
    }
  }));
  if (others == 0) return way;
  return absl::StrCat(way, "; ", Plural(static_cast<uint64_t>(others), "other route"),
                      " (mailctl route list)");
}

}  // namespace mailstead::ctl
