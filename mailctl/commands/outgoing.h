// What commands that give a message to the store have in common. For .cc files of this folder.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status.h"
#include "common/store/limits.h"
#include "mailctl/arguments.h"
#include "mailctl/client.h"
#include "mailctl/input.h"
#include "mailctl/line_ends.h"

namespace mailstead::ctl {

// Adds the recipients of --to, of which there may be several, each with addresses between commas. A usage error: there is
// none, or one is empty; `command` is for that.
absl::Status AddRecipients(const Arguments& arguments, absl::string_view command, v1::Envelope& envelope);

// Streams a message behind its first request, which has all but the content. When the message itself is bad the call is
// cancelled, and nothing is stored.
template <typename Request, typename Response>
absl::StatusOr<Response> SendContent(Client& store, const store::Method<Request, Response>& method,
                                     Request request, Input& input) {
  auto stream = store.Open(method, kTransferTimeout);
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
  Response response;
  ASSIGN_OR_RETURN(bool more, stream.Read(response));
  if (!more) return absl::InternalError("the store ended the call without an answer");
  Response nothing;
  ASSIGN_OR_RETURN(more, stream.Read(nothing));
  return response;
}

}  // namespace mailstead::ctl
