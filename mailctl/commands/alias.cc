#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

void TakeAlias(const Arguments& arguments, v1::Alias* alias) {
  alias->set_address(arguments.positional(0));
  for (size_t i = 1; i < arguments.positionals().size(); ++i) alias->add_targets(arguments.positionals()[i]);
}

absl::StatusOr<v1::Alias> Get(Client& store, const std::string& address) {
  v1::GetAliasRequest request;
  request.set_address(address);
  return store.Call(store::kGetAlias, request);
}

std::string Targets(const v1::Alias& alias) { return absl::StrJoin(alias.targets(), ", "); }

const Option kForce = {"force", "", "Take targets that get no mail now."};

// FailedPrecondition: a target takes no mail, so that this alias would lose what is sent to it. What a mailbox has room for
// changes from hour to hour; that is not asked.
absl::Status CheckTargets(Client& store, const Arguments& arguments) {
  if (arguments.Has("force")) return absl::OkStatus();
  for (size_t i = 1; i < arguments.positionals().size(); ++i) {
    const std::string& target = arguments.positionals()[i];
    v1::ResolveAddressRequest request;
    request.set_address(target);
    absl::StatusOr<v1::ResolveAddressResponse> response = store.Call(store::kResolveAddress, request);
    // What is no address, and an alias that is too deep, is told by the change itself.
    if (absl::IsInvalidArgument(response.status()) || absl::IsResourceExhausted(response.status())) continue;
    RETURN_IF_ERROR(response.status());
    const bool unknown = response->outcome() == v1::ResolveAddressResponse::OUTCOME_UNKNOWN;
    if (!unknown && response->outcome() != v1::ResolveAddressResponse::OUTCOME_DISABLED) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("nobody gets mail for ", target, unknown ? ": it does not exist" : ": it is disabled",
                     " (--force takes it all the same)"));
  }
  return absl::OkStatus();
}

absl::Status Add(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  RETURN_IF_ERROR(CheckTargets(*store, arguments));
  v1::CreateAliasRequest request;
  TakeAlias(arguments, request.mutable_alias());
  ASSIGN_OR_RETURN(const v1::Alias alias,
                   store->Call(store::kCreateAlias, request));
  context.output().Result(alias, absl::StrCat("alias ", alias.address(), " added"));
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ListAliasesRequest request;
  request.set_domain(arguments.positional(0));
  JsonList json(context.output(), "aliases");
  Table table({{"ADDRESS"}, {"TARGETS"}});
  const auto take = [&](const v1::ListAliasesResponse& page) {
    for (const v1::Alias& alias : page.aliases()) {
      json.Add(alias);
      if (!context.output().json()) table.Row({alias.address(), Targets(alias)});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListAliases, request, take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no aliases\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Alias alias, Get(*store, arguments.positional(0)));
  context.output().Json(alias);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("address", alias.address());
  for (const std::string& target : alias.targets()) fields.Add("target", target);
  fields.Add("created", FormatTime(alias.create_time()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::UpdateAliasRequest request;
  // With the etag of what was read: a change that somebody else makes meanwhile is not lost.
  ASSIGN_OR_RETURN(const v1::Alias present, Get(*store, arguments.positional(0)));
  RETURN_IF_ERROR(CheckTargets(*store, arguments));
  TakeAlias(arguments, request.mutable_alias());
  request.mutable_alias()->set_etag(present.etag());
  request.mutable_update_mask()->add_paths("targets");
  ASSIGN_OR_RETURN(const v1::Alias alias,
                   store->Call(store::kUpdateAlias, request));
  context.output().Result(alias, absl::StrCat("alias ", alias.address(), " leads to ", Targets(alias)));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteAliasRequest request;
  request.set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::DeleteAliasResponse response,
                   store->Call(store::kDeleteAlias, request));
  context.output().Result(response, absl::StrCat("alias ", request.address(), " removed"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> AliasCommands() {
  const Positional target = {"TARGET", /*optional=*/false, /*repeated=*/true};
  return {
      {"alias",
       "add",
       "Let an address lead to others.",
       {{"ADDRESS"}, target},
       {kForce},
       "Targets are accounts or other aliases. @DOMAIN as the address is a catch-all: it takes what no "
       "account or\n"
       "alias of the domain takes. A target that does not exist or is disabled is refused.",
       "mailctl alias add sales@example.test ann@example.test bob@example.test\n"
       "mailctl alias add @example.test demo@example.test",
       Add},
      {"alias",
       "list",
       "List aliases, of one domain or all.",
       {{"DOMAIN", true}},
       {},
       "",
       "mailctl alias list example.test",
       List},
      {"alias",
       "show",
       "Show an alias.",
       {{"ADDRESS"}},
       {},
       "",
       "mailctl alias show sales@example.test",
       Show},
      {"alias",
       "set",
       "Replace an alias's targets.",
       {{"ADDRESS"}, target},
       {kForce},
       "A target that does not exist or is disabled is refused.",
       "mailctl alias set sales@example.test ann@example.test",
       Set},
      {"alias",
       "remove",
       "Delete an alias.",
       {{"ADDRESS"}},
       {},
       "",
       "mailctl alias remove sales@example.test",
       Remove},
  };
}

}  // namespace mailstead::ctl
