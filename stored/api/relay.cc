#include "stored/api/relay.h"

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/base/task.h"
#include "common/rpc/errors.h"
#include "common/store/limits.h"
#include "stored/api/convert/queue.h"
#include "stored/api/convert/routes.h"
#include "stored/api/convert/values.h"
#include "stored/api/send_message.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

constexpr absl::Duration kMaxWait = absl::Seconds(30);

absl::Status NoMessage(int64_t queue_id) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no message ", queue_id, " in the queue")),
                    kReasonMessageNotFound);
}

// What is sent of a message, for who would ask for it next; empty where it cannot be read, which is told to who does.
Task<std::string> ReadContent(Environment& environment, QueueId message, int64_t size_bytes) {
  const auto reader = co_await environment.core.engine.queue().Open(message);
  if (!reader.ok()) co_return std::string();
  absl::StatusOr<std::string> content = co_await (*reader)->Read(0, static_cast<size_t>(size_bytes));
  if (!content.ok() || static_cast<int64_t>(content->size()) != size_bytes) co_return std::string();
  environment.counter.CountFetchedBytes(size_bytes);
  co_return *std::move(content);
}

// Used on the executor's thread.
struct ReportsUnderWay {
  size_t left;
  Arrival<bool> ended;
};

Task<absl::Status> TakeReport(Environment& environment, const v1::AttemptReport& proto) {
  CO_ASSIGN_OR_RETURN(engine::QueueReport report, FromProto(proto, environment.core.clock.Now()));
  std::vector<int32_t> relayed;
  for (const v1::RecipientOutcome& outcome : proto.outcomes()) {
    if (outcome.dsn_relayed()) relayed.push_back(outcome.number());
  }
  co_return co_await environment.core.queue.Report(std::move(report), std::move(relayed));
}

Task<void> KeepReport(Environment& environment, const v1::AttemptReport& proto, google::rpc::Status& result) {
  rpc::ToProto(WithAnyReason(co_await TakeReport(environment, proto)), result);
}

}  // namespace

Task<absl::Status> LeaseAttempts(Environment& environment, rpc::Call& call, const v1::LeaseAttemptsRequest& request,
                                 v1::LeaseAttemptsResponse& response) {
  CO_RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  if (request.attempt_limit() < 1 || request.attempt_limit() > store::kMaxLeasedAttempts) {
    co_return FieldError("attempt_limit", absl::StrCat("must be 1 to ", store::kMaxLeasedAttempts));
  }
  CO_ASSIGN_OR_RETURN(const absl::Duration wait, FromProto("wait", request.wait()));
  if (wait > kMaxWait) co_return FieldError("wait", "must be at most 30 seconds");
  engine::QueueLeaseRequest lease;
  lease.lease_id = request.lease_id();
  lease.attempt_limit = static_cast<size_t>(request.attempt_limit());
  lease.recipient_limit = store::kMaxAttemptRecipients;
  std::function<absl::Status()> still_wanted = [&call] { return call.StillWanted(); };
  CO_ASSIGN_OR_RETURN(const std::vector<OutboundQueue::Assignment> assignments,
                      co_await environment.core.queue.Lease(std::move(lease), wait, std::move(still_wanted)));
  int64_t content_bytes = static_cast<int64_t>(store::kMaxLeasedContentBytes);
  for (const OutboundQueue::Assignment& assignment : assignments) {
    v1::Attempt& attempt = *response.add_attempts();
    ToProto(assignment.attempt, attempt);
    if (attempt.size_bytes() <= content_bytes) {
      std::string content =
          co_await ReadContent(environment, QueueId{attempt.queue_id()}, attempt.size_bytes());
      content_bytes -= static_cast<int64_t>(content.size());
      attempt.set_content(std::move(content));
    }
    // An attempt that has begun is given. Where it is not known now, who sends asks again.
    const absl::StatusOr<bool> is_signed =
        co_await environment.core.dkim_signer.IsWanted(assignment.attempt.message.lane);
    attempt.set_to_be_signed(!is_signed.ok() || *is_signed);
    if (!assignment.route.has_value()) continue;
    ToProto(*assignment.route, *attempt.mutable_route());
    attempt.set_route_password(assignment.route->password);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> FetchQueuedMessage(Environment& environment, rpc::Call& call,
                                      const v1::FetchQueuedMessageRequest& request,
                                      rpc::Writer<v1::FetchQueuedMessageResponse>& pieces) {
  if (request.queue_id() < 1) co_return FieldError("queue_id", "must be set");
  auto reader = co_await environment.core.engine.queue().Open(QueueId{request.queue_id()});
  if (absl::IsNotFound(reader.status())) co_return NoMessage(request.queue_id());
  if (!reader.ok()) co_return reader.status();
  const int64_t size = (*reader)->size_bytes();
  CO_RETURN_IF_ERROR(CheckFits(call, size));
  v1::FetchQueuedMessageResponse first;
  const absl::Status sent = co_await SendPieces(environment, call, **reader, 0, size, std::move(first), pieces);
  LogQueuedDamage(QueueId{request.queue_id()}, sent);
  co_return sent;
}

Task<absl::Status> ReportAttempts(Environment& environment, rpc::Call& call,
                                  const v1::ReportAttemptsRequest& request,
                                  v1::ReportAttemptsResponse& response) {
  const size_t count = static_cast<size_t>(request.reports_size());
  if (count < 1 || count > store::kMaxReportedAttempts) {
    co_return FieldError("reports", absl::StrCat("must be 1 to ", store::kMaxReportedAttempts));
  }
  if (count == 1) call.SetTarget(absl::StrCat("queued message ", request.reports(0).queue_id()));
  // All at once, so that they share a commit.
  ReportsUnderWay under_way{count, {}};
  for (const v1::AttemptReport& report : request.reports()) {
    Start(KeepReport(environment, report, *response.add_results()), [&under_way] {
      if (--under_way.left == 0) under_way.ended.Set(true);
    });
  }
  co_await under_way.ended;
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
