#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/postmaster.h"
#include "mailctl/commands/route_text.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

bool IsHealthy(const v1::GetStatusResponse& status) { return status.health() == v1::HEALTH_SERVING; }

google::protobuf::Duration SinceStart(const v1::GetStatusResponse& status, absl::Time now) {
  google::protobuf::Duration duration;
  duration.set_seconds(absl::ToUnixSeconds(now) - status.start_time().seconds());
  return duration;
}

// Domains that are asked about, and those that are named; `domain show` tells of the others.
constexpr int kAskedDomains = 100;
constexpr size_t kShownDomains = 5;

// Who gets mail for postmaster, and which domains have named nobody.
absl::StatusOr<std::string> PostmasterText(Client& store) {
  ASSIGN_OR_RETURN(const Postmaster postmaster, FindPostmaster(store, ""));
  v1::ListDomainsRequest request;
  request.set_page_size(kAskedDomains);
  ASSIGN_OR_RETURN(const v1::ListDomainsResponse page, store.Call(store::kListDomains, request));
  std::vector<std::string> without;
  for (const v1::Domain& domain : page.domains()) {
    ASSIGN_OR_RETURN(const Postmaster own, FindPostmaster(store, domain.name()));
    if (own.by_default) without.push_back(absl::StrCat(domain.name(), " (", own.text, ")"));
  }
  if (without.empty()) return postmaster.text;
  const size_t count = without.size();
  if (count > kShownDomains) {
    without.resize(kShownDomains);
    without.push_back("...");
  }
  const bool more = !page.next_page_token().empty();
  return absl::StrCat(postmaster.text, "; of ", more ? "the first " : "",
                      Plural(page.domains_size(), "domain"), ", ", count,
                      count == 1 ? " names nobody: " : " name nobody: ", absl::StrJoin(without, ", "));
}

std::string StatusText(const v1::GetStatusResponse& status, absl::string_view postmaster, absl::string_view routes,
                       absl::Time now) {
  FieldList fields;
  fields.Add("health", IsHealthy(status) ? "good" : absl::StrCat("BAD: ", status.health_detail()));
  fields.Add("version", status.version());
  fields.Add("engine", absl::StrCat(status.engine(), ", schema ", status.schema_version()));
  fields.Add("up for", FormatDuration(SinceStart(status, now)));
  fields.Add("domains", absl::StrCat(status.domain_count()));
  fields.Add("accounts", absl::StrCat(status.account_count()));
  fields.Add("aliases", absl::StrCat(status.alias_count()));
  fields.Add("postmaster", postmaster);
  fields.Add("outgoing mail", routes);
  fields.Add("messages", absl::StrCat(status.message_count(), ", ", FormatBytes(status.message_bytes())));
  fields.Add("on disk", absl::StrCat(FormatBytes(status.disk_bytes()), ", ",
                                     FormatBytes(status.disk_free_bytes()), " free"));
  fields.Add("open maildrops", absl::StrCat(status.open_maildrop_count()));
  if (status.leases().empty()) return absl::StrCat(fields.Text(), "\nno front-end holds a lease\n");
  Table leases({{"FRONT-END"}, {"LEASE"}, {"ENDS IN", true}});
  for (const v1::Lease& lease : status.leases()) {
    leases.Row({lease.holder(), lease.lease_id(), FormatDuration(lease.remaining())});
  }
  return absl::StrCat(fields.Text(), "\n", leases.Text());
}

absl::Status Status(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::GetStatusResponse status,
                   store->Call(store::kGetStatus, v1::GetStatusRequest()));
  context.output().Json(status);
  if (!context.output().json()) {
    const absl::StatusOr<std::string> postmaster = PostmasterText(*store);
    const absl::StatusOr<std::string> routes = RoutesText(*store);
    context.output().Raw(StatusText(status, postmaster.ok() ? *postmaster : postmaster.status().message(),
                                    routes.ok() ? *routes : routes.status().message(), context.clock().Now()));
  }
  if (IsHealthy(status)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the store is not healthy: ", status.health_detail()));
}

}  // namespace

std::vector<Command> StatusCommands() {
  return {
      {"status",
       "",
       "Show the store's health, contents and front-ends.",
       {},
       {},
       "The exit code is 0 when the store can take mail, and 5 when it cannot or cannot be reached.",
       "mailctl status",
       Status},
  };
}

}  // namespace mailstead::ctl
