// Sends a message's bytes, to whoever may have them. For .cc files of this folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "common/store/limits.h"
#include "stored/api/environment.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// `message_damaged` in the log, where stored bytes are.
void LogDamage(AccountId account, MessageId message, const absl::Status& status);
void LogQueuedDamage(QueueId message, const absl::Status& status);

// InvalidArgument with kReasonTooLarge for more than kWholeMessageBytes where the caller's way has a bound, as a batch has.
inline absl::Status CheckFits(const rpc::Call& call, int64_t size_bytes) {
  const bool bounded = call.max_response_bytes() < std::numeric_limits<int64_t>::max();
  if (!bounded || size_bytes <= static_cast<int64_t>(store::kWholeMessageBytes)) return absl::OkStatus();
  return WithReason(
      absl::InvalidArgumentError("the message is too large for a batch: it needs a call of its own"),
      kReasonTooLarge);
}

// Reads a piece, writes it, reads the next: a slow reader holds one piece and no thread. `response` is the first
// one, without content; the others have nothing beside it.
template <typename Response>
Task<absl::Status> SendPieces(Environment& environment, rpc::Call& call, engine::MessageReader& reader,
                              int64_t from, int64_t end, Response response, rpc::Writer<Response>& pieces) {
  // A call in a batch has one response at least.
  if (from == end) co_return co_await pieces.WriteLast(response);
  for (int64_t offset = from; offset < end;) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    const auto wanted = static_cast<size_t>(std::min<int64_t>(end - offset, store::kPieceBytes));
    CO_ASSIGN_OR_RETURN(std::string bytes, co_await reader.Read(offset, wanted));
    if (bytes.empty()) co_return absl::DataLossError("the message is shorter than its index says");
    offset += static_cast<int64_t>(bytes.size());
    environment.counter.CountFetchedBytes(static_cast<int64_t>(bytes.size()));
    response.set_content(std::move(bytes));
    if (offset == end) co_return co_await pieces.WriteLast(response);
    CO_RETURN_IF_ERROR(co_await pieces.Write(response));
    response.Clear();
  }
  co_return absl::OkStatus();
}

// NotFound with kReasonMessageNotFound.
inline Task<absl::StatusOr<std::unique_ptr<engine::MessageReader>>> OpenToRead(Environment& environment,
                                                                               AccountId account,
                                                                               MessageId message) {
  auto reader = co_await environment.core.engine.messages().Open(account, message);
  if (absl::IsNotFound(reader.status())) {
    co_return WithReason(absl::NotFoundError(absl::StrCat("there is no message ", message.value)),
                         kReasonMessageNotFound);
  }
  co_return reader;
}

// The message from `offset`, at most `limit` bytes of it (0: to its end). OutOfRange past the end; the errors of CheckFits.
template <typename Response, typename Introduce>
Task<absl::Status> SendMessage(Environment& environment, rpc::Call& call, AccountId account,
                               MessageId message, int64_t offset, int64_t limit, Introduce introduce,
                               rpc::Writer<Response>& pieces) {
  CO_ASSIGN_OR_RETURN(const auto reader, co_await OpenToRead(environment, account, message));
  const int64_t left = reader->size_bytes() - offset;
  if (left < 0) co_return absl::OutOfRangeError("read_offset is past the end");
  const int64_t wanted = limit == 0 ? left : std::min(left, limit);
  CO_RETURN_IF_ERROR(CheckFits(call, wanted));
  Response first;
  introduce(*reader, first);
  const absl::Status sent =
      co_await SendPieces(environment, call, *reader, offset, offset + wanted, std::move(first), pieces);
  LogDamage(account, message, sent);
  co_return sent;
}

}  // namespace mailstead::stored
