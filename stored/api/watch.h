// WatchService of mailstead.store.v1.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/watch.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> Watch(Environment& environment, rpc::Call& call, const store::v1::WatchRequest& request,
                         rpc::Writer<store::v1::WatchResponse>& events);

Task<absl::Status> CreateConsumer(Environment& environment, rpc::Call& call,
                                  const store::v1::CreateConsumerRequest& request,
                                  store::v1::Consumer& response);
Task<absl::Status> GetConsumer(Environment& environment, rpc::Call& call,
                               const store::v1::GetConsumerRequest& request, store::v1::Consumer& response);
Task<absl::Status> ListConsumers(Environment& environment, rpc::Call& call,
                                 const store::v1::ListConsumersRequest& request,
                                 store::v1::ListConsumersResponse& response);
Task<absl::Status> DeleteConsumer(Environment& environment, rpc::Call& call,
                                  const store::v1::DeleteConsumerRequest& request,
                                  store::v1::DeleteConsumerResponse& response);
Task<absl::Status> AckConsumer(Environment& environment, rpc::Call& call,
                               const store::v1::AckConsumerRequest& request,
                               store::v1::AckConsumerResponse& response);
Task<absl::Status> ResetConsumer(Environment& environment, rpc::Call& call,
                                 const store::v1::ResetConsumerRequest& request,
                                 store::v1::Consumer& response);

}  // namespace mailstead::stored
