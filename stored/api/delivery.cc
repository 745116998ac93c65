#include "stored/api/delivery.h"

#include <string>
#include <utility>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/envelope_convert.h"
#include "stored/api/convert/directory.h"
#include "stored/api/convert/message.h"
#include "stored/api/convert/values.h"
#include "stored/api/receive.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

// Ids of smtpd's deliveries, apart from those of other callers.
constexpr char kScope[] = "smtp";

absl::StatusOr<Piece> PieceOf(v1::DeliverRequest& request) {
  Piece piece;
  if (request.has_envelope()) {
    ASSIGN_OR_RETURN(piece.envelope, store::FromProto(request.envelope()));
    RETURN_IF_ERROR(CheckLogText("client_address", request.client_address()));
    piece.client_address = request.client_address();
    piece.grant = std::move(*request.mutable_grant());
  }
  piece.content = std::move(*request.mutable_content());
  piece.last = request.has_end();
  piece.trace = std::move(*request.mutable_end()->mutable_trace());
  return piece;
}

}  // namespace

Task<absl::Status> ResolveRecipient(Environment& environment, rpc::Call&,
                                    const v1::ResolveRecipientRequest& request,
                                    v1::ResolveRecipientResponse& response) {
  if (request.message_bytes() < 0) co_return FieldError("message_bytes", "must not be negative");
  CO_ASSIGN_OR_RETURN(const Resolution resolution, co_await environment.core.recipients.Resolve(
                                                       request.address(), request.message_bytes()));
  ToProto(resolution, response);
  co_return absl::OkStatus();
}

Task<absl::Status> Deliver(Environment& environment, rpc::Call& call, rpc::Reader<v1::DeliverRequest>& pieces,
                           v1::DeliverResponse& response) {
  PieceStream<v1::DeliverRequest, Piece> stream(call, pieces, PieceOf);
  CO_ASSIGN_OR_RETURN(const Taken taken, co_await Receive(environment, call, stream, kScope, Promise::kGiven,
                                                          Relay::kWithLogin));
  response.set_outcome(OutcomeOf(taken.receipt));
  ToProto(taken.receipt.deliver_time, *response.mutable_deliver_time());
  co_return absl::OkStatus();
}

Task<absl::Status> SettleDelivery(Environment& environment, rpc::Call& call,
                                  const v1::SettleDeliveryRequest& request,
                                  v1::SettleDeliveryResponse& response) {
  CO_RETURN_IF_ERROR(CheckIdentifier("delivery_id", request.delivery_id()));
  CO_ASSIGN_OR_RETURN(const engine::Settlement settlement,
                      co_await environment.core.engine.messages().Settle(kScope, request.delivery_id()));
  if (settlement.receipt.has_value()) {
    response.set_outcome(v1::SettleDeliveryResponse::OUTCOME_STORED);
    ToProto(settlement.receipt->deliver_time, *response.mutable_deliver_time());
  } else {
    obs::LogInfo(
        "delivery_voided",
        {{"session", call.session_id()}, {"trace", call.trace_id()}, {"delivery", request.delivery_id()}});
    response.set_outcome(v1::SettleDeliveryResponse::OUTCOME_VOID);
  }
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
