// A message as a caller wants to see it: by GetMessage, in lists, and wherever else a message is told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/task.h"
#include "google/protobuf/wrappers.pb.h"
#include "mailstead/store/v1/message.pb.h"
#include "stored/api/environment.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

// What gRPC's clients take by default, with what is not counted: no answer has more.
inline constexpr size_t kMaxAnswerBytes = (4 << 20) - 1024;
// proto: text_limit_bytes.
inline constexpr size_t kDefaultTextBytes = 64 << 10;
inline constexpr size_t kMaxTextBytes = 1 << 20;

struct MessageViewOptions {
  store::v1::MessageView view = store::v1::MESSAGE_VIEW_SUMMARY;
  size_t text_limit_bytes = kDefaultTextBytes;
};

// `text_limit_bytes` may be null. FieldError "view", "text_limit_bytes".
absl::StatusOr<MessageViewOptions> CheckView(store::v1::MessageView view,
                                             const google::protobuf::Int64Value* text_limit_bytes);
// What a request of MessageService says of it.
template <typename Request>
absl::StatusOr<MessageViewOptions> ViewOf(const Request& request) {
  return CheckView(request.view(), request.has_text_limit_bytes() ? &request.text_limit_bytes() : nullptr);
}

// NotFound with kReasonMessageNotFound; DataLoss, which is logged; InvalidArgument with the field "view" and kReasonTooLarge;
// ResourceExhausted with kReasonBusy. Asks nobody whether the caller may see the account.
Task<absl::StatusOr<store::v1::Message>> ReadView(Environment& environment, AccountId account,
                                                  MessageId message, MessageViewOptions options);

// With its SearchedFields, wherever they are. NotFound with kReasonMessageNotFound.
Task<absl::StatusOr<engine::MessageSummary>> FindSummary(Environment& environment, AccountId account,
                                                         MessageId message);

// As ReadView of one of many, whose summary is known: one that is too large, or damaged, is its summary, which says so.
Task<absl::StatusOr<store::v1::Message>> ReadListedView(Environment& environment, AccountId account,
                                                        engine::MessageSummary summary,
                                                        MessageViewOptions options);

// Of a message that a store of an earlier version took in: reads its SearchedFields out of it. Gives how many bytes were
// read. NotFound: it has gone. Where its bytes are damaged, which is logged, its fields stay unknown.
Task<absl::StatusOr<int64_t>> ReadSearchedFields(Environment& environment, AccountId account,
                                                 engine::MessageSummary& summary);

}  // namespace mailstead::stored
