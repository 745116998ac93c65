// mailstead.store.v1.SubmissionService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/submission.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> SubmitMessage(Environment& environment, rpc::Call& call,
                                 const store::v1::SubmitMessageRequest& request,
                                 store::v1::SubmitMessageResponse& response);
Task<absl::Status> SubmitMessageStream(Environment& environment, rpc::Call& call,
                                       rpc::Reader<store::v1::SubmitMessageStreamRequest>& pieces,
                                       store::v1::SubmitMessageResponse& response);
Task<absl::Status> GetSubmission(Environment& environment, rpc::Call& call,
                                 const store::v1::GetSubmissionRequest& request,
                                 store::v1::Submission& response);
Task<absl::Status> ListSubmissions(Environment& environment, rpc::Call& call,
                                   const store::v1::ListSubmissionsRequest& request,
                                   store::v1::ListSubmissionsResponse& response);
Task<absl::Status> CancelSubmission(Environment& environment, rpc::Call& call,
                                    const store::v1::CancelSubmissionRequest& request,
                                    store::v1::CancelSubmissionResponse& response);

}  // namespace mailstead::stored
