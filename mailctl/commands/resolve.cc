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

// What becomes of mail for an address.
struct Verdict {
  // Where it goes.
  std::string text;
  // What smtpd answers to RCPT: its code and enhanced code (RFC 3463).
  absl::string_view reply;
  // How the command ends.
  absl::StatusCode code;
};

Verdict Judge(const Response& response) {
  const std::string mailboxes = absl::StrCat(response.account_ids_size() == 1 ? "mailbox " : "mailboxes ",
                                             absl::StrJoin(response.account_ids(), ", "));
  switch (response.outcome()) {
    case Response::OUTCOME_ACCOUNT:
      return {absl::StrCat("an account here: ", mailboxes), "250 2.1.5", absl::StatusCode::kOk};
    case Response::OUTCOME_ALIAS:
      return {absl::StrCat("an alias or catch-all here: ",
                           response.account_ids().empty() ? "other hosts only" : mailboxes),
              "250 2.1.5", absl::StatusCode::kOk};
    case Response::OUTCOME_REMOTE:
      return {"another host: its domain is not one of this server", "550 5.7.1, and 250 2.1.5 to an account that sends",
              absl::StatusCode::kFailedPrecondition};
    case Response::OUTCOME_UNKNOWN:
      return {"nobody: the domain is one of this server, the mailbox does not exist", "550 5.1.1",
              absl::StatusCode::kNotFound};
    case Response::OUTCOME_DISABLED:
      return {"nobody: the account is disabled", "550 5.2.1", absl::StatusCode::kFailedPrecondition};
    case Response::OUTCOME_OVER_QUOTA:
      return {"nobody for now: a mailbox is over its quota", "452 4.2.2", absl::StatusCode::kUnavailable};
    case Response::OUTCOME_QUOTA_TOO_SMALL:
      return {"nobody: the message is larger than the mailbox's whole quota", "552 5.2.2",
              absl::StatusCode::kFailedPrecondition};
    case Response::OUTCOME_SRS_FORGED:
      return {"nobody: no SRS secret that counts has signed it", "550 5.7.1", absl::StatusCode::kNotFound};
    case Response::OUTCOME_SRS_EXPIRED:
      return {"nobody any more: it was made by SRS too long ago", "550 5.1.1", absl::StatusCode::kNotFound};
    default:
      return {"what this mailctl does not know", "nothing that this mailctl knows",
              absl::StatusCode::kUnimplemented};
  }
}

std::string KindText(const v1::ResolutionStep& step) {
  switch (step.kind()) {
    case v1::ResolutionStep::KIND_ACCOUNT:
      return absl::StrCat("account ", step.account_id());
    case v1::ResolutionStep::KIND_ALIAS:
      return "alias";
    case v1::ResolutionStep::KIND_REMOTE:
      return "at another host: waits in the queue";
    case v1::ResolutionStep::KIND_UNKNOWN:
      return "does not exist: passed over while another takes the mail";
    case v1::ResolutionStep::KIND_DISABLED:
      return absl::StrCat("account ", step.account_id(),
                          " is disabled: passed over while another takes the mail");
    case v1::ResolutionStep::KIND_OVER_QUOTA:
      return absl::StrCat("account ", step.account_id(),
                          " is over its quota: its copy waits while another takes the mail");
    case v1::ResolutionStep::KIND_QUOTA_TOO_SMALL:
      return absl::StrCat("account ", step.account_id(),
                          " has a smaller quota than the message: it is returned while another takes the mail");
    case v1::ResolutionStep::KIND_KNOWN:
      return "met above";
    default:
      return "unknown";
  }
}

// By which rule an address was found that is not there as it was given.
std::string RuleText(const v1::ResolutionStep& step) {
  const std::string& found_as = step.found_as();
  if (found_as.empty() || absl::EqualsIgnoreCase(found_as, step.address())) return "";
  const bool untagged = absl::StrContains(step.address(), '+') && !absl::StrContains(found_as, '+');
  return absl::StrCat(found_as.front() == '@' ? ", by the catch-all "
                      : untagged              ? ", without its tag "
                                              : ", as ",
                      Printable(found_as));
}

// "  team@example.test: alias" and below it, further to the right, what it leads to.
void AppendSteps(const Response& response, const std::vector<std::vector<int>>& targets, int led_by,
                 int depth, std::string& text) {
  for (const int index : targets[static_cast<size_t>(led_by)]) {
    const v1::ResolutionStep& step = response.steps(index);
    absl::StrAppend(&text, "\n", std::string(static_cast<size_t>(depth) * 2, ' '), Printable(step.address()));
    absl::StrAppend(&text, RuleText(step));
    absl::StrAppend(&text, ": ", KindText(step));
    AppendSteps(response, targets, index + 1, depth + 1, text);
  }
}

// The way there, where there is more to it than one account of that name.
std::string Way(const Response& response) {
  std::string text;
  if (response.steps_size() == 0) return text;
  if (response.steps_size() == 1 && RuleText(response.steps(0)).empty()) return text;
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
  ASSIGN_OR_RETURN(const Response response, store->Call(store::kResolveAddress, request));
  const Verdict verdict = Judge(response);
  const std::string address = Printable(request.address());
  context.output().Result(response, absl::StrCat(address, " leads to ", verdict.text, Way(response),
                                                 "\nsmtpd answers ", verdict.reply));
  if (verdict.code == absl::StatusCode::kOk) return absl::OkStatus();
  return absl::Status(verdict.code,
                      absl::StrCat("mail for ", request.address(), " is not taken: ", verdict.reply));
}

}  // namespace

std::vector<Command> ResolveCommands() {
  return {
      {"resolve",
       "",
       "Show where mail for an address goes.",
       {{"ADDRESS"}},
       {},
       "The answer is the one that smtpd gets for RCPT. Where aliases lead on, each address on the way is "
       "shown "
       "with what\n"
       "becomes of mail for it, and the rule by which it was found. The exit code tells what smtpd answers: "
       "0 for "
       "250, 3 for a\n"
       "mailbox that does not exist, 5 for one that is full, 1 for any other refusal.",
       "mailctl resolve demo+shopping@example.test",
       Resolve},
  };
}

}  // namespace mailstead::ctl
