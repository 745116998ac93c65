// MailboxService.Deliver. Only .cc files of this folder include this.
#pragma once

#include <grpcpp/grpcpp.h>

#include "mailstead/store/v1/mailbox.pb.h"

namespace mailstead::store {

struct Environment;

// Deletes itself when the call is done.
grpc::ServerReadReactor<v1::DeliverRequest>* NewDeliverReactor(Environment& environment,
                                                               grpc::CallbackServerContext* context,
                                                               v1::DeliverResponse* response);

}  // namespace mailstead::store
