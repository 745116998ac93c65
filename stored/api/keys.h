// KeyService (proto/mailstead/store/v1/key.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/key.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> CreateKey(Environment& environment, rpc::Call& call,
                             const store::v1::CreateKeyRequest& request,
                             store::v1::CreateKeyResponse& response);
Task<absl::Status> GetKey(Environment& environment, rpc::Call& call, const store::v1::GetKeyRequest& request,
                          store::v1::Key& response);
Task<absl::Status> ListKeys(Environment& environment, rpc::Call& call,
                            const store::v1::ListKeysRequest& request, store::v1::ListKeysResponse& response);
Task<absl::Status> UpdateKey(Environment& environment, rpc::Call& call,
                             const store::v1::UpdateKeyRequest& request, store::v1::Key& response);
Task<absl::Status> RotateKey(Environment& environment, rpc::Call& call,
                             const store::v1::RotateKeyRequest& request,
                             store::v1::RotateKeyResponse& response);
Task<absl::Status> RevokeKey(Environment& environment, rpc::Call& call,
                             const store::v1::RevokeKeyRequest& request, store::v1::Key& response);

}  // namespace mailstead::stored
