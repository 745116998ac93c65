// SrsService (proto/mailstead/store/v1/srs.proto).
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/srs.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> RotateSrsSecret(Environment& environment, rpc::Call& call,
                                   const store::v1::RotateSrsSecretRequest& request,
                                   store::v1::SrsSecret& response);
Task<absl::Status> ListSrsSecrets(Environment& environment, rpc::Call& call,
                                  const store::v1::ListSrsSecretsRequest& request,
                                  store::v1::ListSrsSecretsResponse& response);
Task<absl::Status> DecodeSrsAddress(Environment& environment, rpc::Call& call,
                                    const store::v1::DecodeSrsAddressRequest& request,
                                    store::v1::DecodeSrsAddressResponse& response);

}  // namespace mailstead::stored
