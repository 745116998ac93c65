// The server streams of MailboxService: OpenMaildrop and FetchMessage. Only .cc files of this folder include
// this.
#pragma once

#include <grpcpp/grpcpp.h>

#include "mailstead/store/v1/mailbox.pb.h"

namespace mailstead::store {

struct Environment;

// Both delete themselves when the call is done. The request lives until then.
grpc::ServerWriteReactor<v1::OpenMaildropResponse>* NewOpenMaildropReactor(
    Environment& environment, grpc::CallbackServerContext* context, const v1::OpenMaildropRequest* request);
grpc::ServerWriteReactor<v1::FetchMessageResponse>* NewFetchMessageReactor(
    Environment& environment, grpc::CallbackServerContext* context, const v1::FetchMessageRequest* request);

}  // namespace mailstead::store
