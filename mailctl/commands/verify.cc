#include <memory>

#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

absl::Status Verify(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::VerifyMessagesRequest request;
  if (!arguments.positionals().empty()) {
    ASSIGN_OR_RETURN(const uint64_t mailbox_id, store->MailboxOf(arguments.positional(0)));
    request.set_mailbox_id(mailbox_id);
  }
  const std::unique_ptr<grpc::ClientContext> call = store->NewContext(kVerifyTimeout);
  const auto reader = store->admin().VerifyMessages(call.get(), request);
  JsonList json(context.output(), "damaged");
  uint64_t checked = 0;
  uint64_t damaged = 0;
  v1::VerifyMessagesResponse response;
  while (reader->Read(&response)) {
    if (response.message_id() == 0) {
      checked = response.checked_count();
      damaged = response.damaged_count();
      continue;
    }
    json.Add(response);
    context.output().Line(absl::StrCat("mailbox ", response.mailbox_id(), " message ", response.message_id(),
                                       ": ", Printable(response.error())));
  }
  RETURN_IF_ERROR(store->Explain(reader->Finish()));
  json.Finish(absl::StrCat("\"checked_count\": \"", checked, "\", \"damaged_count\": \"", damaged, "\""));
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
       "Reads all messages of the account, or of the whole store. The exit code is 1 when one is damaged.",
       "mailctl verify\nmailctl verify demo@example.test",
       Verify},
  };
}

}  // namespace mailstead::ctl
