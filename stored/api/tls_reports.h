// mailstead.frontend.v1.TlsReportService. Every function is a method, told in its .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/frontend/v1/tls_report.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> CountTlsSessions(Environment& environment, rpc::Call& call,
                                    const frontend::v1::CountTlsSessionsRequest& request,
                                    frontend::v1::CountTlsSessionsResponse& response);
Task<absl::Status> LeaseTlsReports(Environment& environment, rpc::Call& call,
                                   const frontend::v1::LeaseTlsReportsRequest& request,
                                   frontend::v1::LeaseTlsReportsResponse& response);
Task<absl::Status> FinishTlsReport(Environment& environment, rpc::Call& call,
                                   const frontend::v1::FinishTlsReportRequest& request,
                                   frontend::v1::FinishTlsReportResponse& response);

}  // namespace mailstead::stored
