// mailstead.store.v1.BackupService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/backup.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> CreateBackup(Environment& environment, rpc::Call& call,
                                const store::v1::CreateBackupRequest& request,
                                rpc::Writer<store::v1::CreateBackupResponse>& events);
Task<absl::Status> ListBackups(Environment& environment, rpc::Call& call,
                               const store::v1::ListBackupsRequest& request,
                               store::v1::ListBackupsResponse& response);
Task<absl::Status> VerifyBackup(Environment& environment, rpc::Call& call,
                                const store::v1::VerifyBackupRequest& request,
                                rpc::Writer<store::v1::VerifyBackupResponse>& events);
Task<absl::Status> DeleteBackup(Environment& environment, rpc::Call& call,
                                const store::v1::DeleteBackupRequest& request,
                                store::v1::DeleteBackupResponse& response);

}  // namespace mailstead::stored
