// mailstead.store.v1.QueueService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/queue.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> ListQueuedMessages(Environment& environment, rpc::Call& call,
                                      const store::v1::ListQueuedMessagesRequest& request,
                                      store::v1::ListQueuedMessagesResponse& response);
Task<absl::Status> GetQueuedMessage(Environment& environment, rpc::Call& call,
                                    const store::v1::GetQueuedMessageRequest& request,
                                    store::v1::QueuedMessage& response);
Task<absl::Status> ChangeQueuedMessages(Environment& environment, rpc::Call& call,
                                        const store::v1::ChangeQueuedMessagesRequest& request,
                                        rpc::Writer<store::v1::ChangeQueuedMessagesResponse>& changes);
Task<absl::Status> ListDestinations(Environment& environment, rpc::Call& call,
                                    const store::v1::ListDestinationsRequest& request,
                                    store::v1::ListDestinationsResponse& response);
Task<absl::Status> GetQueueStatus(Environment& environment, rpc::Call& call,
                                  const store::v1::GetQueueStatusRequest& request,
                                  store::v1::GetQueueStatusResponse& response);

}  // namespace mailstead::stored
