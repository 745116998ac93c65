// The way to the store over gRPC.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/rpc/transport.h"
#include "mailctl/settings.h"

namespace mailstead::ctl {

// Does not wait for the store. InvalidArgument / NotFound when a TLS file cannot be read.
absl::StatusOr<std::unique_ptr<rpc::Transport>> ConnectByGrpc(const Settings& settings);

}  // namespace mailstead::ctl
