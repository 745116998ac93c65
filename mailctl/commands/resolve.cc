#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

using Response = v1::ResolveAddressResponse;

std::string Outcome(const Response& response) {
  const std::string mailboxes = absl::StrCat(response.account_ids_size() == 1 ? "mailbox " : "mailboxes ",
                                             absl::StrJoin(response.account_ids(), ", "));
  switch (response.outcome()) {
    case Response::OUTCOME_ACCOUNT:
      return absl::StrCat("an account here: ", mailboxes);
    case Response::OUTCOME_ALIAS:
      return absl::StrCat("an alias or catch-all here: ", mailboxes);
    case Response::OUTCOME_REMOTE:
      return "another host: its domain is not one of this server, or an alias leads there";
    case Response::OUTCOME_UNKNOWN:
      return "nobody: the domain is one of this server, the mailbox does not exist";
    case Response::OUTCOME_DISABLED:
      return "nobody: the account is disabled";
    case Response::OUTCOME_OVER_QUOTA:
      return "nobody for now: the mailbox is over its quota";
    default:
      return "unknown";
  }
}

absl::Status Resolve(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ResolveAddressRequest request;
  request.set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(const Response response,
                   store->Call(store::kResolveAddress, request));
  context.output().Result(response,
                          absl::StrCat(Printable(request.address()), " leads to ", Outcome(response)));
  if (response.outcome() == Response::OUTCOME_UNKNOWN) {
    return absl::NotFoundError(absl::StrCat("no mailbox for ", request.address()));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> ResolveCommands() {
  return {
      {"resolve",
       "",
       "Show where mail for an address goes.",
       {{"ADDRESS"}},
       {},
       "The answer is the one that smtpd gets for RCPT. The exit code is 3 when nobody has the address.",
       "mailctl resolve demo+shopping@example.test",
       Resolve},
  };
}

}  // namespace mailstead::ctl
