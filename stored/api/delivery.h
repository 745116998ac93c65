// mailstead.frontend.v1.DeliveryService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/delivery.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> ResolveRecipient(Environment& environment, rpc::Call& call,
                                    const frontend::v1::ResolveRecipientRequest& request,
                                    frontend::v1::ResolveRecipientResponse& response);
Task<absl::Status> Deliver(Environment& environment, rpc::Call& call,
                           rpc::Reader<frontend::v1::DeliverRequest>& pieces,
                           frontend::v1::DeliverResponse& response);
Task<absl::Status> SettleDelivery(Environment& environment, rpc::Call& call,
                                  const frontend::v1::SettleDeliveryRequest& request,
                                  frontend::v1::SettleDeliveryResponse& response);

}  // namespace mailstead::stored
