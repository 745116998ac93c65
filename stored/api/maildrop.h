// mailstead.frontend.v1.MaildropService. Every function but OpenFor is a method, told in its .proto.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "common/store/ids.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

// Locks the account's maildrop for the call's session: what OpenMaildrop does, and a login that asks for it.
Task<absl::Status> OpenFor(Environment& environment, rpc::Call& call, AccountId account,
                           const frontend::v1::OpenMaildropRequest& request,
                           const std::string& client_address, frontend::v1::OpenMaildropResponse& response);

Task<absl::Status> OpenMaildrop(Environment& environment, rpc::Call& call,
                                const frontend::v1::OpenMaildropRequest& request,
                                frontend::v1::OpenMaildropResponse& response);
Task<absl::Status> ListMaildrop(Environment& environment, rpc::Call& call,
                                const frontend::v1::ListMaildropRequest& request,
                                frontend::v1::ListMaildropResponse& response);
Task<absl::Status> FetchFromMaildrop(Environment& environment, rpc::Call& call,
                                     const frontend::v1::FetchMessageRequest& request,
                                     rpc::Writer<frontend::v1::FetchMessageResponse>& pieces);
Task<absl::Status> CommitMaildrop(Environment& environment, rpc::Call& call,
                                  const frontend::v1::CommitMaildropRequest& request,
                                  frontend::v1::CommitMaildropResponse& response);
Task<absl::Status> ReleaseMaildrop(Environment& environment, rpc::Call& call,
                                   const frontend::v1::ReleaseMaildropRequest& request,
                                   frontend::v1::ReleaseMaildropResponse& response);

}  // namespace mailstead::stored
