#include <memory>

#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/damage_text.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

absl::Status Verify(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::VerifyMessagesRequest request;
  request.set_account(arguments.positional(0));
  JsonList json(context.output(), "damaged");
  v1::VerifyMessagesResponse::Summary summary;
  const auto take = [&](const v1::VerifyMessagesResponse& response) {
    if (response.has_summary()) summary = response.summary();
    if (!response.has_damage()) return;
    json.Add(response.damage());
    context.output().Line(DamageText(response.damage()));
  };
  RETURN_IF_ERROR(store->ReadAll(store::kVerifyMessages, request, kVerifyTimeout, take));
  const auto checked = static_cast<uint64_t>(summary.checked_count());
  const auto damaged = static_cast<uint64_t>(summary.damaged_count());
  json.Finish(
      absl::StrCat("\"checked_count\": ", JsonNumber(checked), ", \"damaged_count\": ", JsonNumber(damaged)));
  context.output().Line(absl::StrCat(Plural(checked, "message"), " checked, ", damaged, " damaged"));
  if (damaged == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(Plural(damaged, "message"), " of ", checked, " are damaged"));
}

}  // namespace

std::vector<Command> VerifyCommands() {
  return {
      {"verify",
       "",
       "Compare every stored message with its SHA-256.",
       {{"ADDRESS", /*optional=*/true}},
       {},
       "Reads all messages of the account, or of the whole store with its queue. The exit code is 1 when one is\n"
       "damaged.",
       "mailctl verify\nmailctl verify demo@example.test",
       Verify},
  };
}

}  // namespace mailstead::ctl
