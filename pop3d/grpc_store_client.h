// The store over gRPC.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "common/rpc/channel.h"
#include "pop3d/store_client.h"

namespace mailstead::pop3 {

// `channel`, which has so many `connections`, outlives it. `timeout` is for each call but FetchMessage.
std::unique_ptr<StoreClient> NewGrpcStoreClient(rpc::StoreChannel& channel, int connections,
                                                absl::Duration timeout);

}  // namespace mailstead::pop3
