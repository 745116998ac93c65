#include "stored/api/probe.h"

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/store/revision.h"

namespace mailstead::stored {

absl::Status CheckRevision(int revision) {
  if (revision < store::kOldestServedRevision) {
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "the front-end speaks revision ", revision, " and this store serves ",
                          store::kOldestServedRevision, " and later: replace smtpd or pop3d by a newer one")),
                      kReasonRevisionTooOld);
  }
  if (revision > store::kRevision) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("the front-end speaks revision ", revision,
                                                   " and this store serves up to ", store::kRevision,
                                                   ": replace stored by a newer one")),
        kReasonRevisionTooNew);
  }
  return absl::OkStatus();
}

Task<absl::Status> Probe(Environment&, rpc::Call&, const frontend::v1::ProbeRequest& request,
                         frontend::v1::ProbeResponse& response) {
  CO_RETURN_IF_ERROR(CheckRevision(request.revision()));
  response.set_newest_revision(store::kRevision);
  response.set_oldest_revision(store::kOldestServedRevision);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
