#include "stored/api/message.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/envelope_convert.h"
#include "stored/api/convert/message.h"
#include "stored/api/convert/values.h"
#include "stored/api/key_record.h"
#include "stored/api/receive.h"
#include "stored/api/send_message.h"
#include "stored/api/visible.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

absl::StatusOr<Piece> PieceOf(v1::DeliverMessageStreamRequest& request) {
  Piece piece;
  if (request.has_envelope()) {
    ASSIGN_OR_RETURN(piece.envelope, store::FromProto(request.envelope()));
  }
  piece.content = std::move(*request.mutable_content());
  piece.last = request.last();
  return piece;
}

// Mail for other hosts is a submission's (mail.submit), but for operators.
Relay RelayOf(const rpc::Call& call) {
  return KeyOf(call.caller()) == nullptr ? Relay::kAllowed : Relay::kWithLogin;
}

void Answer(const Taken& taken, v1::DeliverMessageResponse& response) {
  response.set_delivery_id(taken.delivery_id);
  response.set_outcome(OutcomeOf(taken.receipt));
  response.set_sha256(taken.receipt.sha256);
  ToProto(taken.receipt.deliver_time, *response.mutable_deliver_time());
  response.set_mailbox_count(taken.mailbox_count);
}

std::string FirstRecipients(const Envelope& envelope) {
  constexpr size_t kMaxLogged = 10;
  const auto& recipients = envelope.recipients;
  std::string text = absl::StrJoin(
      recipients.begin(), recipients.begin() + std::min(recipients.size(), kMaxLogged), ",",
      [](std::string* out, const EnvelopeRecipient& recipient) { out->append(recipient.address); });
  if (recipients.size() > kMaxLogged) text += ",...";
  return text;
}

}  // namespace

void LogTaken(Environment& environment, const rpc::Call& call, const Intake& intake,
              const std::string& client_address, const Taken& taken) {
  environment.counter.CountDelivery(taken.mailbox_count, intake.size_bytes(), taken.receipt.already_stored);
  obs::LogInfo("delivered",
               {{"session", call.session_id()},
                {"trace", call.trace_id()},
                {"delivery", intake.envelope().delivery_id},
                {"from", ShownReversePath(intake.envelope())},
                {"to", FirstRecipients(intake.envelope())},
                {"recipients", intake.envelope().recipients.size()},
                {"mailboxes", taken.mailbox_count},
                {"queued", taken.queued_count},
                {"bytes", intake.size_bytes()},
                {"already_stored", taken.receipt.already_stored},
                {"caller", call.caller().name},
                {"client", client_address},
                {"duration_ms", obs::Milliseconds(environment.core.clock.Now() - call.began())}});
  if (!taken.notice_dropped.ok()) {
    environment.counter.CountDroppedNotice();
    obs::LogWarning("notice_dropped", {{"delivery", intake.envelope().delivery_id},
                                       {"from", ShownReversePath(intake.envelope())},
                                       {"error", taken.notice_dropped.ToString()}});
  }
  if (!taken.report_dropped.ok()) {
    obs::LogWarning("report_dropped", {{"delivery", intake.envelope().delivery_id},
                                       {"error", taken.report_dropped.ToString()}});
  }
  for (const Taken::PassedOverBy& by : taken.passed_over) {
    const PassedOver& targets = by.targets;
    environment.counter.CountPassedOver(targets.unknown_count, targets.disabled_count);
    obs::LogWarning("passed_over", {{"session", call.session_id()},
                                    {"trace", call.trace_id()},
                                    {"delivery", intake.envelope().delivery_id},
                                    {"recipient", by.recipient},
                                    {"count", targets.unknown_count + targets.disabled_count},
                                    {"targets", absl::StrJoin(targets.named, ", ")}});
  }
}

void LogNotTaken(const rpc::Call& call, const Intake& intake, const absl::Status& status) {
  obs::LogInfo("delivery_refused", {{"session", call.session_id()},
                                    {"trace", call.trace_id()},
                                    {"delivery", intake.envelope().delivery_id},
                                    {"from", ShownReversePath(intake.envelope())},
                                    {"to", FirstRecipients(intake.envelope())},
                                    {"caller", call.caller().name},
                                    {"error", status.ToString()}});
}

void LogDamage(AccountId account, MessageId message, const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return;
  obs::LogError("message_damaged",
                {{"mailbox", account.value}, {"message", message.value}, {"error", status.ToString()}});
}

void LogQueuedDamage(QueueId message, const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return;
  obs::LogError("message_damaged", {{"queued", message.value}, {"error", status.ToString()}});
}

Task<absl::Status> DeliverMessage(Environment& environment, rpc::Call& call,
                                  const v1::DeliverMessageRequest& request,
                                  v1::DeliverMessageResponse& response) {
  Piece piece;
  if (request.has_envelope()) {
    CO_ASSIGN_OR_RETURN(piece.envelope, store::FromProto(request.envelope()));
  }
  piece.content = request.content();
  WholePiece<Piece> whole(std::move(piece));
  CO_ASSIGN_OR_RETURN(const Taken taken, co_await Receive(environment, call, whole, DeliveryScope(call),
                                                          Promise::kNone, RelayOf(call)));
  Answer(taken, response);
  co_return absl::OkStatus();
}

Task<absl::Status> DeliverMessageStream(Environment& environment, rpc::Call& call,
                                        rpc::Reader<v1::DeliverMessageStreamRequest>& pieces,
                                        v1::DeliverMessageResponse& response) {
  PieceStream<v1::DeliverMessageStreamRequest, Piece> stream(call, pieces, PieceOf);
  CO_ASSIGN_OR_RETURN(const Taken taken, co_await Receive(environment, call, stream, DeliveryScope(call),
                                                          Promise::kNone, RelayOf(call)));
  Answer(taken, response);
  co_return absl::OkStatus();
}

Task<absl::Status> DeleteMessages(Environment& environment, rpc::Call& call,
                                  const v1::DeleteMessagesRequest& request,
                                  v1::DeleteMessagesResponse& response) {
  const size_t count = request.message_ids_size();
  call.SetTarget(absl::StrCat(count, " messages of account ", request.account()));
  if (count == 0 || count > kMaxDeleteMessages) co_return FieldError("message_ids", "must be 1 to 10000");
  CO_ASSIGN_OR_RETURN(std::vector<MessageId> messages, MessageIds("message_ids", request.message_ids()));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  call.SetTarget(absl::StrCat(count, " messages of account ", account.id.value, " ", account.address));
  CO_ASSIGN_OR_RETURN(const engine::DeletedMessages deleted,
                      co_await environment.core.engine.messages().Delete(account.id, std::move(messages)));
  response.set_deleted_count(deleted.count);
  for (const MessageId message : deleted.missing) response.add_missing_message_ids(message.value);
  co_return absl::OkStatus();
}

Task<absl::Status> RestoreMessages(Environment& environment, rpc::Call& call,
                                   const v1::RestoreMessagesRequest& request,
                                   v1::RestoreMessagesResponse& response) {
  const size_t count = request.message_ids_size();
  call.SetTarget(absl::StrCat(count, " messages of account ", request.account()));
  if (count == 0 || count > engine::kMaxRestoredAtOnce)
    co_return FieldError("message_ids", "must be 1 to 1000");
  CO_ASSIGN_OR_RETURN(std::vector<MessageId> messages, MessageIds("message_ids", request.message_ids()));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  call.SetTarget(absl::StrCat(count, " messages of account ", account.id.value, " ", account.address));
  CO_ASSIGN_OR_RETURN(const engine::RestoredMessages restored,
                      co_await environment.core.engine.messages().Restore(account.id, std::move(messages)));
  response.set_restored_count(restored.count);
  for (const MessageId message : restored.missing) response.add_missing_message_ids(message.value);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
