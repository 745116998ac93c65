#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/outgoing.h"
#include "mailctl/exit_code.h"
#include "mailctl/field_words.h"
#include "mailctl/input.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

constexpr size_t kDeliveryIdSize = 26;

absl::StatusOr<v1::Envelope> MakeEnvelope(const Arguments& arguments) {
  v1::Envelope envelope;
  RETURN_IF_ERROR(AddRecipients(arguments, "deliver", envelope));
  envelope.set_delivery_id(arguments.Get("delivery_id", RandomId(kDeliveryIdSize)));
  envelope.set_reverse_path(arguments.Get("from"));
  return envelope;
}

absl::Status Deliver(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const v1::Envelope envelope, MakeEnvelope(arguments));
  ASSIGN_OR_RETURN(const std::unique_ptr<Input> input,
                   Input::Open(arguments.positional(0), context.terminal().input_fd()));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeliverMessageStreamRequest request;
  *request.mutable_envelope() = envelope;
  const absl::StatusOr<v1::DeliverMessageResponse> response =
      SendContent(*store, store::kDeliverMessageStream, std::move(request), *input);
  if (!response.ok()) {
    const absl::Status& status = response.status();
    if (ExitCodeOf(status) != ExitCode::kTemporary) return status;
    return Reworded(status, absl::StrCat(status.message(), "; it is safe to try again with --delivery_id=",
                                         envelope.delivery_id()));
  }
  context.output().Result(
      *response,
      absl::StrCat(
          response->outcome() == v1::DELIVER_OUTCOME_ALREADY_STORED ? "already delivered " : "delivered ",
          response->delivery_id(), " to ", Plural(envelope.recipients_size(), "recipient")));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> DeliverCommands() {
  return {
      {"deliver",
       "",
       "Put one message into mailboxes.",
       {{"FILE"}},
       {{"to", "ADDRESSES", "Who gets it: addresses separated by commas. May be repeated."},
        {"from", "ADDRESS", "The reverse-path. Without it: the null reverse-path."},
        {"delivery_id", "ID", "16 to 64 of [A-Za-z0-9_-]: a second delivery with this id stores nothing."}},
       "\"-\" reads standard input. Line ends that are LF become CRLF; nothing else is changed or added but "
       "the\n"
       "Return-Path, Delivered-To and X-Original-To lines in front. The message is stored for all recipients "
       "or "
       "for none.",
       "mailctl deliver hello.eml --to=demo@example.test --from=ann@example.test",
       Deliver},
  };
}

}  // namespace mailstead::ctl
