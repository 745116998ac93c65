#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/input.h"
#include "mailctl/line_ends.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;
constexpr size_t kDeliveryIdSize = 26;
constexpr size_t kSessionIdSize = 20;

// "a@b,c@d": at commas outside the quotes of a local part.
std::vector<std::string> SplitAddresses(absl::string_view text) {
  std::vector<std::string> addresses(1);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' && !quoted) {
      addresses.emplace_back();
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    addresses.back() += text[i];
    if (quoted && text[i] == '\\' && i + 1 < text.size()) addresses.back() += text[++i];
  }
  return addresses;
}

absl::StatusOr<v1::DeliverEnvelope> MakeEnvelope(const Arguments& arguments) {
  v1::DeliverEnvelope envelope;
  for (const std::string& list : arguments.GetAll("to")) {
    for (std::string& address : SplitAddresses(list)) {
      if (address.empty()) return UsageError(absl::StrCat("--to=", list, ": an address is empty"));
      envelope.add_recipients()->set_address(std::move(address));
    }
  }
  if (envelope.recipients().empty()) return UsageError("mailctl deliver needs --to=ADDRESS");
  envelope.set_delivery_id(arguments.Get("delivery_id", RandomId(kDeliveryIdSize)));
  envelope.set_reverse_path(arguments.Get("from"));
  envelope.set_session_id(RandomId(kSessionIdSize));
  return envelope;
}

// Streams envelope and message. When the message itself is bad the call is cancelled, and nothing is stored.
absl::StatusOr<v1::DeliverResponse> Send(Client& store, const v1::DeliverEnvelope& envelope, Input& input) {
  const std::unique_ptr<grpc::ClientContext> context = store.NewContext(kTransferTimeout);
  v1::DeliverResponse response;
  const auto writer = store.mailbox().Deliver(context.get(), &response);
  const auto give_up = [&](absl::Status status) {
    context->TryCancel();
    writer->Finish().ok();
    return status;
  };

  v1::DeliverRequest request;
  *request.mutable_envelope() = envelope;
  bool open = writer->Write(request);
  LineEnds line_ends;
  std::string piece;
  // The writer is closed early when the store has refused; Finish says why.
  while (open) {
    if (absl::Status status = input.Read(kPieceBytes, &piece); !status.ok()) return give_up(status);
    request.Clear();
    absl::Status status =
        piece.empty() ? line_ends.Finish() : line_ends.Convert(piece, request.mutable_content());
    if (!status.ok()) return give_up(status);
    request.set_last(piece.empty());
    open = writer->Write(request) && !request.last();
  }
  writer->WritesDone();
  RETURN_IF_ERROR(store.Explain(writer->Finish()));
  return response;
}

absl::Status Deliver(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const v1::DeliverEnvelope envelope, MakeEnvelope(arguments));
  ASSIGN_OR_RETURN(const std::unique_ptr<Input> input,
                   Input::Open(arguments.positional(0), context.terminal().input_fd()));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const absl::StatusOr<v1::DeliverResponse> response = Send(*store, envelope, *input);
  if (!response.ok()) {
    if (ExitCodeOf(response.status()) == ExitCode::kTemporary) {
      context.output().Warning(
          absl::StrCat("it is safe to try again with --delivery_id=", envelope.delivery_id()));
    }
    return response.status();
  }
  context.output().Result(
      *response,
      absl::StrCat(response->already_stored() ? "already delivered " : "delivered ", response->delivery_id(),
                   " to ", Plural(envelope.recipients_size(), "recipient")));
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
       "Return-Path line in front. The message is stored for all recipients or for none.",
       "mailctl deliver hello.eml --to=demo@example.test --from=ann@example.test",
       Deliver},
  };
}

}  // namespace mailstead::ctl
