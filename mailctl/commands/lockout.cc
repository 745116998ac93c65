#include <string>

#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

std::string AccountText(const v1::Lockout& lockout) {
  switch (lockout.scope()) {
    case v1::Lockout::SCOPE_NETWORK:
      return "all";
    case v1::Lockout::SCOPE_KNOWN_ACCOUNT_IN_NETWORK:
      return absl::StrCat(lockout.account(), " (known there)");
    default:
      return lockout.account();
  }
}

std::string NetworkText(const v1::Lockout& lockout) {
  return lockout.scope() == v1::Lockout::SCOPE_ACCOUNT ? "all" : lockout.network();
}

absl::string_view StateText(const v1::Lockout& lockout) {
  return lockout.state() == v1::Lockout::STATE_LOCKED_OUT ? "locked out" : "delayed";
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "lockouts");
  Table table({{"ACCOUNT"}, {"NETWORK"}, {"STATE"}, {"FAILURES", true}, {"UNTIL"}});
  const auto take = [&](const v1::ListLockoutsResponse& page) {
    for (const v1::Lockout& lockout : page.lockouts()) {
      json.Add(lockout);
      if (context.output().json()) continue;
      table.Row({AccountText(lockout), NetworkText(lockout), std::string(StateText(lockout)),
                 absl::StrCat(lockout.failure_count()), FormatTime(lockout.end_time())});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListLockouts, v1::ListLockoutsRequest(), take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no lockouts\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Clear(const Arguments& arguments, Context& context) {
  v1::ClearLockoutsRequest request;
  request.set_account(arguments.positional(0));
  request.set_network(arguments.Get("network"));
  if (request.account().empty() && request.network().empty()) return UsageError("give ADDRESS or --network");
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::ClearLockoutsResponse response, store->Call(store::kClearLockouts, request));
  context.output().Result(
      response, absl::StrCat("failures forgotten, ", Plural(response.lockout_count(), "lockout"), " ended"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> LockoutCommands() {
  return {
      {"lockout",
       "list",
       "List who is locked out after wrong passwords, or answered late.",
       {},
       {},
       "An account is locked out in one network, and a network for all accounts but those that logged in\n"
       "from it lately. Names are shown as clients gave them: not each is an account.",
       "mailctl lockout list",
       List},
      {"lockout",
       "clear",
       "Forget wrong passwords, and end the lockouts they led to.",
       {{"ADDRESS", true}},
       {{"network", "NETWORK", "Only those from this IPv4 address or IPv6 network; alone: of all accounts."}},
       "An account stays locked out where its whole network is: clear that, too. The exit code is 3 when\n"
       "no wrong passwords are counted.",
       "mailctl lockout clear demo@example.test\n"
       "mailctl lockout clear --network=192.0.2.1",
       Clear},
  };
}

}  // namespace mailstead::ctl
