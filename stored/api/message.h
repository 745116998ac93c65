// mailstead.store.v1.MessageService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/message.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> DeliverMessage(Environment& environment, rpc::Call& call,
                                  const store::v1::DeliverMessageRequest& request,
                                  store::v1::DeliverMessageResponse& response);
Task<absl::Status> GetMessage(Environment& environment, rpc::Call& call,
                              const store::v1::GetMessageRequest& request, store::v1::Message& response);
Task<absl::Status> BatchGetMessages(Environment& environment, rpc::Call& call,
                                    const store::v1::BatchGetMessagesRequest& request,
                                    store::v1::BatchGetMessagesResponse& response);
Task<absl::Status> DeliverMessageStream(Environment& environment, rpc::Call& call,
                                        rpc::Reader<store::v1::DeliverMessageStreamRequest>& pieces,
                                        store::v1::DeliverMessageResponse& response);
Task<absl::Status> ListMessages(Environment& environment, rpc::Call& call,
                                const store::v1::ListMessagesRequest& request,
                                store::v1::ListMessagesResponse& response);
Task<absl::Status> FetchMessage(Environment& environment, rpc::Call& call,
                                const store::v1::FetchMessageRequest& request,
                                rpc::Writer<store::v1::FetchMessageResponse>& pieces);
Task<absl::Status> DeleteMessages(Environment& environment, rpc::Call& call,
                                  const store::v1::DeleteMessagesRequest& request,
                                  store::v1::DeleteMessagesResponse& response);
Task<absl::Status> RestoreMessages(Environment& environment, rpc::Call& call,
                                   const store::v1::RestoreMessagesRequest& request,
                                   store::v1::RestoreMessagesResponse& response);

}  // namespace mailstead::stored
