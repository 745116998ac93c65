#include "stored/core/routes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/rules/route.h"

namespace mailstead::stored {
namespace {

constexpr absl::string_view kDefault = "default";
constexpr int32_t kMaxPort = 65535;
constexpr int32_t kDefaultPort = 25;

// ---- Checks

// An address in its canonical text; absent: it is none.
std::optional<std::string> ParseIpAddress(const std::string& text) {
  // inet_pton stops at a NUL.
  if (absl::StrContains(text, '\0')) return std::nullopt;
  char canonical[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    in6_addr binary;
    if (inet_pton(family, text.c_str(), &binary) == 1)
      return inet_ntop(family, &binary, canonical, sizeof(canonical));
  }
  return std::nullopt;
}

absl::StatusOr<std::string> CheckDestination(absl::string_view field, absl::string_view text) {
  if (text == kDefault) return std::string(text);
  if (!absl::StartsWith(text, ".")) return CheckDomainName(field, text);
  ASSIGN_OR_RETURN(const std::string domain, CheckDomainName(field, text.substr(1)));
  return absl::StrCat(".", domain);
}

absl::StatusOr<engine::RouteKey> CheckKey(absl::string_view prefix, const engine::RouteKey& key) {
  engine::RouteKey checked;
  ASSIGN_OR_RETURN(checked.destination,
                   CheckDestination(absl::StrCat(prefix, "destination"), key.destination));
  if (!key.sender_domain.empty()) {
    ASSIGN_OR_RETURN(checked.sender_domain,
                     CheckDomainName(absl::StrCat(prefix, "sender_domain"), key.sender_domain));
  }
  return checked;
}

absl::StatusOr<std::vector<engine::Route::Host>> CheckHosts(std::vector<engine::Route::Host> hosts) {
  if (hosts.size() > kMaxRouteHosts) return FieldError("route.hosts", "must be at most 10");
  for (size_t i = 0; i < hosts.size(); ++i) {
    const std::string field = absl::StrCat("route.hosts[", i, "]");
    engine::Route::Host& host = hosts[i];
    if (auto address = ParseIpAddress(host.host)) {
      host.host = *std::move(address);
    } else {
      ASSIGN_OR_RETURN(host.host, CheckDomainName(absl::StrCat(field, ".host"), host.host));
    }
    if (host.port == 0) host.port = kDefaultPort;
    if (host.port < 1 || host.port > kMaxPort)
      return FieldError(absl::StrCat(field, ".port"), "must be 1 to 65535");
    for (size_t j = 0; j < i; ++j) {
      if (hosts[j] == host) return FieldError(absl::StrCat(field, ".host"), "is there twice");
    }
  }
  return hosts;
}

// What stays on this machine.
bool IsLoopback(const engine::Route::Host& host) {
  // RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3.
  if (host.host == "localhost" || host.host == "::1") return true;
  in_addr v4;
  return absl::StartsWith(host.host, "127.") && inet_pton(AF_INET, host.host.c_str(), &v4) == 1;
}

absl::Status CheckUser(const engine::Route& route) {
  if (route.user.empty()) return absl::OkStatus();
  if (route.user.size() > kMaxRouteUserBytes) return FieldError("route.user", "must have at most 255 bytes");
  if (HasControlCharacter(route.user)) return FieldError("route.user", "must not have control characters");
  if (route.hosts.empty()) return FieldError("route.user", "needs hosts to log in at");
  // SECURITY: a password goes to a host only that has shown who it is, over TLS; what never leaves this machine apart.
  if (route.tls == engine::Route::Tls::kVerify) return absl::OkStatus();
  if (std::all_of(route.hosts.begin(), route.hosts.end(), IsLoopback)) return absl::OkStatus();
  return FieldError("route.user",
                    "needs TLS with verified certificates, as a password goes to no host that has not "
                    "shown who it is");
}

absl::Status CheckMailboxAlone(const engine::Route& route) {
  const auto refuse = [](absl::string_view field) {
    return FieldError(absl::StrCat("route.", field), "must not be set with a mailbox: nothing leaves");
  };
  if (!route.hosts.empty()) return refuse("hosts");
  if (route.tls != engine::Route::Tls::kMay) return refuse("tls");
  if (!route.user.empty()) return refuse("user");
  if (!route.source_address.empty()) return refuse("source_address");
  if (!route.ehlo_name.empty()) return refuse("ehlo_name");
  return absl::OkStatus();
}

// All but the mailbox and the password.
absl::StatusOr<engine::Route> Check(engine::Route route) {
  Violations wrong;
  route.key = wrong.Take(CheckKey("route.", route.key));
  absl::StatusOr<std::vector<engine::Route::Host>> hosts = CheckHosts(std::move(route.hosts));
  wrong.Add(hosts.status());
  if (hosts.ok()) {
    route.hosts = *std::move(hosts);
    wrong.Add(CheckUser(route));
  }
  if (!route.source_address.empty()) {
    const auto address = ParseIpAddress(route.source_address);
    if (!address.has_value())
      wrong.Add("route.source_address", "must be an address, 192.0.2.1 or 2001:db8::1");
    route.source_address = address.value_or("");
  }
  // RFC 5321 section 4.1.1.1.
  if (!route.ehlo_name.empty() && !IsDomainOrLiteral(route.ehlo_name)) {
    wrong.Add("route.ehlo_name", "must be a domain name or an address literal");
  }
  RETURN_IF_ERROR(wrong.Result());
  return route;
}

absl::Status CheckPassword(const NewRoute& from) {
  if (from.password.empty()) return absl::OkStatus();
  if (from.route.user.empty()) return FieldError("password", "needs a user");
  // RFC 4616 section 2 knows no NUL; the rest is in no password that a line of text can give.
  if (HasControlCharacter(from.password)) return FieldError("password", "must not have control characters");
  if (from.password.size() > kMaxPasswordBytes) return FieldError("password", "must have at most 1024 bytes");
  return absl::OkStatus();
}

// What a password is bound to: whose it is, and of which route. None of the parts holds a NUL.
std::string Purpose(const engine::Route& route) {
  const absl::string_view nul("\0", 1);
  return absl::StrCat("route", nul, route.key.destination, nul, route.key.sender_domain, nul, route.user);
}

absl::Status NoSecretsKey(absl::string_view what) {
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(what, ": the store was started without --secrets_key_file")),
      kReasonNoSecretsKey);
}

}  // namespace

// ---- RouteTable

RouteTable::RouteTable(std::vector<engine::Route> routes) : routes_(std::move(routes)) {
  for (const engine::Route& route : routes_) {
    by_key_[{route.key.destination, route.key.sender_domain}] = &route;
  }
}

const engine::Route* RouteTable::Find(absl::string_view recipient_domain,
                                      absl::string_view sender_domain) const {
  const auto at = [&](absl::string_view destination) -> const engine::Route* {
    for (const absl::string_view sender : {sender_domain, absl::string_view()}) {
      if (const auto it = by_key_.find({destination, sender}); it != by_key_.end()) return it->second;
    }
    return nullptr;
  };
  if (const engine::Route* const found = at(recipient_domain)) return found;
  for (size_t dot = recipient_domain.find('.'); dot != absl::string_view::npos;
       dot = recipient_domain.find('.', dot + 1)) {
    if (const engine::Route* const found = at(recipient_domain.substr(dot))) return found;
  }
  return at(kDefault);
}

// ---- Routes

Routes::Routes(engine::RouteEngine& engine, engine::DirectoryEngine& directory, const Clock& clock,
               absl::string_view secrets_key)
    : engine_(engine),
      directory_(directory),
      clock_(clock),
      box_(secrets_key.empty() ? std::nullopt : std::optional<SecretBox>(secrets_key)) {}

Task<absl::StatusOr<AccountId>> Routes::FindMailbox(std::string account) {
  CO_ASSIGN_OR_RETURN(AccountName name, CheckAccountName("route.mailbox", account));
  const absl::Status missing =
      WithReason(absl::NotFoundError(absl::StrCat("there is no account ", account)), kReasonAccountNotFound);
  if (name.id.value != 0) {
    const absl::StatusOr<engine::Account> found = co_await directory_.FindAccount(name.id);
    if (absl::IsNotFound(found.status())) co_return missing;
    if (!found.ok()) co_return found.status();
    co_return name.id;
  }
  std::vector<std::string> keys;
  keys.push_back(std::move(name.key));
  CO_ASSIGN_OR_RETURN(const std::vector<engine::Place> places, co_await directory_.LookUp(std::move(keys)));
  if (!places.front().account.has_value()) co_return missing;
  co_return places.front().account->id;
}

Task<absl::Status> Routes::Seal(const NewRoute& from, engine::Route& route) {
  if (route.user.empty()) co_return absl::OkStatus();
  if (!from.password.empty()) {
    if (!box_.has_value()) co_return NoSecretsKey("a password cannot be kept");
    route.sealed_password = box_->Seal(from.password, Purpose(route));
    co_return absl::OkStatus();
  }
  const absl::StatusOr<engine::Route> present = co_await Find(route.key);
  if (!present.ok() && !absl::IsNotFound(present.status())) co_return present.status();
  if (present.ok() && present->user == route.user) route.sealed_password = present->sealed_password;
  co_return route.sealed_password.empty() ? FieldError("password", "must be set for a user")
                                          : absl::OkStatus();
}

Task<absl::StatusOr<engine::Route>> Routes::Set(NewRoute from) {
  CO_RETURN_IF_ERROR(CheckPassword(from));
  CO_ASSIGN_OR_RETURN(engine::Route route, Check(from.route));
  route.mailbox = AccountId();
  route.sealed_password.clear();
  if (!from.mailbox.empty()) {
    CO_RETURN_IF_ERROR(CheckMailboxAlone(route));
    CO_ASSIGN_OR_RETURN(route.mailbox, co_await FindMailbox(from.mailbox));
  }
  CO_RETURN_IF_ERROR(co_await Seal(from, route));
  // Engines keep microseconds.
  route.update_time = absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()));
  co_return co_await engine_.Set(std::move(route), from.expected_version);
}

Task<absl::StatusOr<std::vector<engine::Route>>> Routes::List(engine::RouteKey after, size_t limit) {
  CO_ASSIGN_OR_RETURN(const std::shared_ptr<const RouteTable> table, co_await Table());
  const auto is_before = [](const engine::RouteKey& key, const engine::Route& route) {
    return key < route.key;
  };
  const auto begin = std::upper_bound(table->all().begin(), table->all().end(), after, is_before);
  const size_t count = std::min(limit, static_cast<size_t>(table->all().end() - begin));
  co_return std::vector<engine::Route>(begin, begin + static_cast<std::ptrdiff_t>(count));
}

Task<absl::StatusOr<engine::Route>> Routes::Find(engine::RouteKey key) {
  CO_ASSIGN_OR_RETURN(std::vector<engine::Route> routes, co_await engine_.List());
  for (engine::Route& route : routes) {
    if (route.key == key) co_return std::move(route);
  }
  co_return rules::NoRoute(key);
}

Task<absl::StatusOr<engine::Route>> Routes::Get(std::string destination, std::string sender_domain) {
  const engine::RouteKey key{std::move(destination), std::move(sender_domain)};
  CO_ASSIGN_OR_RETURN(engine::RouteKey checked, CheckKey("", key));
  co_return co_await Find(std::move(checked));
}

Task<absl::Status> Routes::Delete(std::string destination, std::string sender_domain,
                                  int64_t expected_version) {
  const engine::RouteKey key{std::move(destination), std::move(sender_domain)};
  CO_ASSIGN_OR_RETURN(engine::RouteKey checked, CheckKey("", key));
  co_return co_await engine_.Delete(std::move(checked), expected_version);
}

Task<absl::StatusOr<std::shared_ptr<const RouteTable>>> Routes::Table() {
  // Asked for before the routes are read: a change that comes in between makes what was read too old, not the version.
  const int64_t version = directory_.Version();
  if (table_ != nullptr && version != 0 && version == table_version_) co_return table_;
  CO_ASSIGN_OR_RETURN(std::vector<engine::Route> routes, co_await engine_.List());
  auto table = std::make_shared<const RouteTable>(std::move(routes));
  table_ = table;
  table_version_ = version;
  co_return table;
}

absl::StatusOr<std::string> Routes::OpenPassword(const engine::Route& route) const {
  if (route.sealed_password.empty()) return std::string();
  const std::string name =
      absl::StrCat("the password of route ", rules::RouteName(route.key), " cannot be opened");
  if (!box_.has_value()) return NoSecretsKey(name);
  absl::StatusOr<std::string> password = box_->Open(route.sealed_password, Purpose(route));
  if (password.ok()) return password;
  if (!absl::IsFailedPrecondition(password.status())) {
    return absl::DataLossError(absl::StrCat(name, ": ", password.status().message()));
  }
  return absl::DataLossError(absl::StrCat(
      name,
      ": --secrets_key_file has another key than the one that it was sealed under; put that back, or "
      "set the route again with its password"));
}

Task<absl::StatusOr<AccountId>> Routes::MailboxFor(std::string recipient_domain, std::string sender_domain) {
  CO_ASSIGN_OR_RETURN(const std::shared_ptr<const RouteTable> table, co_await Table());
  const engine::Route* const route = table->Find(recipient_domain, sender_domain);
  co_return route == nullptr ? AccountId() : route->mailbox;
}

Task<absl::StatusOr<std::optional<RouteChoice>>> Routes::Choose(std::string recipient_domain,
                                                                std::string sender_domain) {
  CO_ASSIGN_OR_RETURN(const std::shared_ptr<const RouteTable> table, co_await Table());
  const engine::Route* const route = table->Find(recipient_domain, sender_domain);
  if (route == nullptr) co_return std::optional<RouteChoice>();
  RouteChoice choice;
  choice.key = route->key;
  choice.mailbox = route->mailbox;
  choice.hosts = route->hosts;
  choice.tls = route->tls;
  choice.user = route->user;
  CO_ASSIGN_OR_RETURN(choice.password, OpenPassword(*route));
  choice.source_address = route->source_address;
  choice.ehlo_name = route->ehlo_name;
  co_return std::optional<RouteChoice>(std::move(choice));
}

}  // namespace mailstead::stored
