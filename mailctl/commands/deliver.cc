#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/store/limits.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/field_words.h"
#include "mailctl/input.h"
#include "mailctl/line_ends.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

constexpr size_t kDeliveryIdSize = 26;

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

absl::StatusOr<v1::Envelope> MakeEnvelope(const Arguments& arguments) {
  v1::Envelope envelope;
  for (const std::string& list : arguments.GetAll("to")) {
    for (std::string& address : SplitAddresses(list)) {
      if (address.empty()) return UsageError(absl::StrCat("--to=", list, ": an address is empty"));
      envelope.add_recipients()->set_address(std::move(address));
    }
  }
  if (envelope.recipients().empty()) return UsageError("mailctl deliver needs --to=ADDRESS");
  envelope.set_delivery_id(arguments.Get("delivery_id", RandomId(kDeliveryIdSize)));
  envelope.set_reverse_path(arguments.Get("from"));
  return envelope;
}

// Streams envelope and message. When the message itself is bad the call is cancelled, and nothing is stored.
absl::StatusOr<v1::DeliverMessageResponse> Send(Client& store, const v1::Envelope& envelope, Input& input) {
  auto stream = store.Open(store::kDeliverMessage, kTransferTimeout);
  v1::DeliverMessageRequest request;
  *request.mutable_envelope() = envelope;
  bool open = stream.Write(request, /*last=*/false);
  LineEnds line_ends;
  std::string piece;
  // The store may refuse before the end; then Read says why.
  while (open) {
    RETURN_IF_ERROR(input.Read(store::kPieceBytes, &piece));
    request.Clear();
    RETURN_IF_ERROR(piece.empty() ? line_ends.Finish() : line_ends.Convert(piece, request.mutable_content()));
    request.set_last(piece.empty());
    open = stream.Write(request, request.last()) && !request.last();
  }
  v1::DeliverMessageResponse response;
  ASSIGN_OR_RETURN(bool more, stream.Read(response));
  if (!more) return absl::InternalError("the store ended the call without an answer");
  v1::DeliverMessageResponse nothing;
  ASSIGN_OR_RETURN(more, stream.Read(nothing));
  return response;
}

absl::Status Deliver(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const v1::Envelope envelope, MakeEnvelope(arguments));
  ASSIGN_OR_RETURN(const std::unique_ptr<Input> input,
                   Input::Open(arguments.positional(0), context.terminal().input_fd()));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const absl::StatusOr<v1::DeliverMessageResponse> response = Send(*store, envelope, *input);
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
