// DkimService (proto/mailstead/store/v1/dkim.proto) and SigningService (proto/mailstead/frontend/v1/signing.proto). Every
// function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/signing.pb.h"
#include "mailstead/store/v1/dkim.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> CreateDkimKey(Environment& environment, rpc::Call& call,
                                 const store::v1::CreateDkimKeyRequest& request,
                                 store::v1::DkimKey& response);
Task<absl::Status> ListDkimKeys(Environment& environment, rpc::Call& call,
                                const store::v1::ListDkimKeysRequest& request,
                                store::v1::ListDkimKeysResponse& response);
Task<absl::Status> RotateDkimKeys(Environment& environment, rpc::Call& call,
                                  const store::v1::RotateDkimKeysRequest& request,
                                  store::v1::RotateDkimKeysResponse& response);
Task<absl::Status> ActivateDkimKey(Environment& environment, rpc::Call& call,
                                   const store::v1::ActivateDkimKeyRequest& request,
                                   store::v1::DkimKey& response);
Task<absl::Status> DeleteDkimKey(Environment& environment, rpc::Call& call,
                                 const store::v1::DeleteDkimKeyRequest& request,
                                 store::v1::DeleteDkimKeyResponse& response);

Task<absl::Status> SignMessage(Environment& environment, rpc::Call& call,
                               const frontend::v1::SignMessageRequest& request,
                               frontend::v1::SignMessageResponse& response);
Task<absl::Status> ListPendingKeys(Environment& environment, rpc::Call& call,
                                   const frontend::v1::ListPendingKeysRequest& request,
                                   frontend::v1::ListPendingKeysResponse& response);
Task<absl::Status> ReportKeyRecords(Environment& environment, rpc::Call& call,
                                    const frontend::v1::ReportKeyRecordsRequest& request,
                                    frontend::v1::ReportKeyRecordsResponse& response);

}  // namespace mailstead::stored
