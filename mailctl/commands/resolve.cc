#include <string>
#include <vector>

#include "absl/strings/match.h"
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
      return "nobody for now: a mailbox is over its quota";
    case Response::OUTCOME_QUOTA_TOO_SMALL:
      return "nobody: the message is larger than the mailbox's whole quota";
    default:
      return "unknown";
  }
}

std::string KindText(const v1::ResolutionStep& step) {
  switch (step.kind()) {
    case v1::ResolutionStep::KIND_ACCOUNT:
      return absl::StrCat("account ", step.account_id());
    case v1::ResolutionStep::KIND_ALIAS:
      return "alias";
    case v1::ResolutionStep::KIND_REMOTE:
      return "at another host: no mail for any of them is taken";
    case v1::ResolutionStep::KIND_UNKNOWN:
      return "does not exist: passed over while another takes the mail";
    case v1::ResolutionStep::KIND_DISABLED:
      return absl::StrCat("account ", step.account_id(), " is disabled: passed over while another takes the mail");
    case v1::ResolutionStep::KIND_OVER_QUOTA:
      return absl::StrCat("account ", step.account_id(), " is over its quota: no mail for any of them is taken now");
    case v1::ResolutionStep::KIND_QUOTA_TOO_SMALL:
      return absl::StrCat("account ", step.account_id(),
                          " has a smaller quota than the message: passed over while another takes the mail");
    case v1::ResolutionStep::KIND_KNOWN:
      return "met above";
    default:
      return "unknown";
  }
}

// "  team@example.test: alias" and below it, further to the right, what it leads to.
void AppendSteps(const Response& response, const std::vector<std::vector<int>>& targets, int led_by, int depth,
                 std::string& text) {
  for (const int index : targets[static_cast<size_t>(led_by)]) {
    const v1::ResolutionStep& step = response.steps(index);
    absl::StrAppend(&text, "\n", std::string(static_cast<size_t>(depth) * 2, ' '), Printable(step.address()));
    if (!step.found_as().empty() && !absl::EqualsIgnoreCase(step.found_as(), step.address())) {
      absl::StrAppend(&text, " as ", Printable(step.found_as()));
    }
    absl::StrAppend(&text, ": ", KindText(step));
    AppendSteps(response, targets, index + 1, depth + 1, text);
  }
}

// The way there, where there is more to it than one account of that name.
std::string Way(const Response& response) {
  std::string text;
  if (response.steps_size() < 2) return text;
  // By the step that led to them, counted from 1.
  std::vector<std::vector<int>> targets(static_cast<size_t>(response.steps_size()) + 1);
  for (int i = 0; i < response.steps_size(); ++i) {
    const int led_by = response.steps(i).led_by();
    // A store of a later version may say more than is understood here.
    if (led_by >= 0 && led_by <= i) targets[static_cast<size_t>(led_by)].push_back(i);
  }
  AppendSteps(response, targets, 0, 1, text);
  if (response.further_step_count() > 0) {
    absl::StrAppend(&text, "\n  and ", response.further_step_count(), " more");
  }
  return text;
}

absl::Status Resolve(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ResolveAddressRequest request;
  request.set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(const Response response,
                   store->Call(store::kResolveAddress, request));
  context.output().Result(response,
                          absl::StrCat(Printable(request.address()), " leads to ", Outcome(response), Way(response)));
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
       "The answer is the one that smtpd gets for RCPT. Where aliases lead on, each address on the way is shown "
       "with what\n"
       "becomes of mail for it. The exit code is 3 when nobody has the address.",
       "mailctl resolve demo+shopping@example.test",
       Resolve},
  };
}

}  // namespace mailstead::ctl
