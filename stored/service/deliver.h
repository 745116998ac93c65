// MailboxService.Deliver, and what it has in common with a delivery in an Exchange. Only .cc files of this
// folder include this.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mailstead/store/v1/mailbox.pb.h"
#include "stored/core/delivery.h"

namespace mailstead::store {

struct Environment;

struct DeliveryFacts {
  size_t mailbox_count;
  uint64_t size_bytes;
  absl::Duration took;
};

void LogRefusal(const Envelope& envelope, const absl::Status& status);
// Fills the response, counts and logs.
void TakeReceipt(Environment& environment, const Envelope& envelope, const DeliveryFacts& facts,
                 const Receipt& receipt, v1::DeliverResponse& response);

// Deletes itself when the call is done.
grpc::ServerReadReactor<v1::DeliverRequest>* NewDeliverReactor(Environment& environment,
                                                               grpc::CallbackServerContext* context,
                                                               v1::DeliverResponse* response);

}  // namespace mailstead::store
