#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/text/utf8.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/route_text.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

// ---- From the command line

// "smtp.example.test", "smtp.example.test:587", "192.0.2.1:587", "2001:db8::1", "[2001:db8::1]:587".
absl::StatusOr<v1::RouteHost> ParseHost(absl::string_view text) {
  v1::RouteHost host;
  absl::string_view name = text;
  absl::string_view port;
  if (absl::ConsumePrefix(&name, "[")) {
    const size_t end = name.find(']');
    if (end == absl::string_view::npos) return UsageError(absl::StrCat("--via=", text, ": \"]\" is missing"));
    port = name.substr(end + 1);
    name = name.substr(0, end);
    if (!port.empty() && !absl::StartsWith(port, ":")) {
      return UsageError(absl::StrCat("--via=", text, ": must be [ADDRESS]:PORT"));
    }
  } else if (const size_t colon = name.find(':');
             colon != absl::string_view::npos && colon == name.rfind(':')) {
    port = name.substr(colon);
    name = name.substr(0, colon);
  }
  host.set_host(std::string(name));
  if (port.empty()) return host;
  const absl::StatusOr<uint64_t> number = ParseId("port", port.substr(1));
  if (!number.ok() || *number > 65535)
    return UsageError(absl::StrCat("--via=", text, ": the port must be 1 to 65535"));
  host.set_port(static_cast<int32_t>(*number));
  return host;
}

absl::StatusOr<v1::RouteTls> ParseTls(const Arguments& arguments) {
  // SECURITY: a password goes to a host only that has shown who it is.
  const std::string tls = arguments.Get("tls", arguments.Has("user") ? "verify" : "may");
  if (tls == "none") return v1::ROUTE_TLS_NONE;
  if (tls == "may") return v1::ROUTE_TLS_MAY;
  if (tls == "require") return v1::ROUTE_TLS_REQUIRE;
  if (tls == "verify") return v1::ROUTE_TLS_VERIFY;
  return UsageError(absl::StrCat("--tls=", tls, ": must be none, may, require or verify"));
}

absl::Status CheckWay(const Arguments& arguments) {
  int ways = 0;
  for (const char* way : {"via", "to", "direct"}) ways += arguments.Has(way) ? 1 : 0;
  if (ways != 1) return UsageError("give one of --via, --to and --direct");
  if (!arguments.Has("user") && arguments.Has("password_stdin"))
    return UsageError("--password_stdin needs --user");
  if (!arguments.Has("via") && arguments.Has("user")) return UsageError("--user needs --via");
  if (!arguments.Has("to")) return absl::OkStatus();
  for (const char* other : {"tls", "source", "ehlo"}) {
    if (arguments.Has(other)) return UsageError(absl::StrCat("--to excludes --", other, ": nothing leaves"));
  }
  return absl::OkStatus();
}

absl::Status TakeRoute(const Arguments& arguments, v1::Route& route) {
  RETURN_IF_ERROR(CheckWay(arguments));
  route.set_destination(arguments.positional(0));
  route.set_sender_domain(arguments.Get("sender"));
  for (const std::string& via : arguments.GetAll("via")) {
    for (const absl::string_view text : absl::StrSplit(via, ',')) {
      ASSIGN_OR_RETURN(*route.add_hosts(), ParseHost(text));
    }
  }
  if (arguments.Has("to")) {
    // Empty would be no mailbox, and let mail out.
    if (arguments.Get("to").empty()) return UsageError("--to=: must be an account's address");
    route.set_mailbox(arguments.Get("to"));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const v1::RouteTls tls, ParseTls(arguments));
  route.set_tls(tls);
  route.set_user(arguments.Get("user"));
  route.set_source_address(arguments.Get("source"));
  route.set_ehlo_name(arguments.Get("ehlo"));
  return absl::OkStatus();
}

// ---- Commands

absl::StatusOr<v1::Route> Get(Client& store, const std::string& destination,
                              const std::string& sender_domain) {
  v1::GetRouteRequest request;
  request.set_destination(destination);
  request.set_sender_domain(sender_domain);
  return store.Call(store::kGetRoute, request);
}

// The user's password; empty: that of the route that is there.
absl::StatusOr<std::string> ReadRoutePassword(const Arguments& arguments, Context& context, Client& store,
                                              const v1::Route& route) {
  if (route.user().empty()) return std::string();
  std::string password;
  if (arguments.Has("password_stdin")) {
    // SECURITY: there is no option that takes the password itself: other users of the machine see the arguments.
    ASSIGN_OR_RETURN(password, context.terminal().SecretLine());
  } else {
    const absl::StatusOr<v1::Route> present = Get(store, route.destination(), route.sender_domain());
    if (present.ok() && present->user() == route.user() && present->has_password()) return std::string();
    if (!context.terminal().interactive()) {
      return UsageError(
          "no terminal to ask for a password at: give it on standard input with --password_stdin");
    }
    ASSIGN_OR_RETURN(password,
                     context.terminal().NewPassword(absl::StrCat("Password for ", Printable(route.user()))));
  }
  if (!IsValidUtf8(password)) return absl::InvalidArgumentError("the password is not valid UTF-8");
  return password;
}

absl::Status Set(const Arguments& arguments, Context& context) {
  v1::SetRouteRequest request;
  RETURN_IF_ERROR(TakeRoute(arguments, *request.mutable_route()));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const std::string password,
                   ReadRoutePassword(arguments, context, *store, request.route()));
  request.set_password(password);
  ASSIGN_OR_RETURN(const v1::Route route, store->Call(store::kSetRoute, request));
  context.output().Result(route, absl::StrCat("route ", RouteNameText(route), ": ", RouteWayText(route)));
  return absl::OkStatus();
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "routes");
  Table table({{"DESTINATION"}, {"MAIL FROM"}, {"GOES TO"}, {"TLS"}, {"USER"}});
  const auto take = [&](const v1::ListRoutesResponse& page) {
    for (const v1::Route& route : page.routes()) {
      json.Add(route);
      table.Row({route.destination(), route.sender_domain().empty() ? "anybody" : route.sender_domain(),
                 RouteWayText(route), route.mailbox().empty() ? RouteTlsText(route) : "-",
                 route.user().empty() ? "-" : route.user()});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListRoutes, v1::ListRoutesRequest(), take));
  json.Finish();
  if (context.output().json()) return absl::OkStatus();
  context.output().Raw(table.empty() ? "no routes: mail goes as the DNS says\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Route route, Get(*store, arguments.positional(0), arguments.Get("sender")));
  context.output().Json(route);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("destination", route.destination());
  fields.Add("mail from", route.sender_domain().empty() ? "anybody" : route.sender_domain());
  fields.Add("goes to", RouteWayText(route));
  if (route.mailbox().empty()) fields.Add("tls", RouteTlsText(route));
  if (!route.user().empty()) {
    fields.Add("user", route.user());
    fields.Add("password", route.has_password() ? "kept" : "none");
  }
  if (!route.source_address().empty()) fields.Add("source", route.source_address());
  if (!route.ehlo_name().empty()) fields.Add("ehlo", route.ehlo_name());
  fields.Add("set", FormatTime(route.update_time()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteRouteRequest request;
  request.set_destination(arguments.positional(0));
  request.set_sender_domain(arguments.Get("sender"));
  ASSIGN_OR_RETURN(const v1::DeleteRouteResponse response, store->Call(store::kDeleteRoute, request));
  v1::Route route;
  route.set_destination(request.destination());
  route.set_sender_domain(request.sender_domain());
  context.output().Result(response, absl::StrCat("route ", RouteNameText(route), " removed"));
  return absl::OkStatus();
}

const Option kSender = {"sender", "DOMAIN", "The route for mail from this domain only."};

std::vector<Option> SetOptions() {
  return {
      {"via", "HOSTS",
       "HOST[:PORT], or several with commas between; port 25 by default; 465 is TLS at once."},
      {"to", "MAILBOX", "Keep the mail in this account's mailbox; nothing leaves."},
      {"direct", "", "To the hosts that the DNS names, for what another route would catch."},
      {"tls", "WHAT", "How connections are secured; without it may, and with --user verify.",
       "none|may|require|verify"},
      {"user", "NAME", "Log in at the hosts."},
      {"password_stdin", "", "Read the user's password from the first line of standard input."},
      kSender,
      {"source", "ADDRESS", "The local address that connections come from."},
      {"ehlo", "NAME", "What EHLO says there."},
  };
}

constexpr absl::string_view kSetDetails =
    "DESTINATION is a domain; .DOMAIN for all domains under it; or default for what no other route is for. "
    "The longest\n"
    "name counts, and at one name the route for the sender's domain. The route takes the place of the one "
    "that has the\n"
    "same DESTINATION and --sender, and holds for mail that waits already.\n"
    "\n"
    "TLS: none; may, where the host offers it; require, always, whatever the certificate; verify, always, "
    "with a\n"
    "certificate for the host's name. Port 465 (submissions) is spoken to under TLS from the first byte, but "
    "with none. A\n"
    "user needs verify, or hosts on this machine's loopback. Without\n"
    "--password_stdin the password of the same user stays, or is asked for.";

}  // namespace

std::vector<Command> RouteCommands() {
  return {
      {"route",
       "set",
       "Send mail for a destination another way.",
       {{"DESTINATION"}},
       SetOptions(),
       kSetDetails,
       "mailctl route set default --to demo@example.test\n"
       "mailctl route set default --via smtp.example.test:587 --user me --password_stdin < password.txt\n"
       "mailctl route set .corp.test --via 192.0.2.1,192.0.2.2:2525 --tls=none\n"
       "mailctl route set other.test --direct",
       Set},
      {"route", "list", "List all routes.", {}, {}, "", "mailctl route list", List},
      {"route",
       "show",
       "Show a route.",
       {{"DESTINATION"}},
       {kSender},
       "The password is never shown.",
       "mailctl route show default",
       Show},
      {"route",
       "remove",
       "Delete a route.",
       {{"DESTINATION"}},
       {kSender},
       "Without a default route mail goes to the hosts that the DNS names.",
       "mailctl route remove default",
       Remove},
  };
}

}  // namespace mailstead::ctl
