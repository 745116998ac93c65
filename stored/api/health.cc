#include "stored/api/health.h"

#include <optional>

#include "absl/cleanup/cleanup.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/server/bind.h"
#include "grpc/health/v1/health.pb.h"

namespace mailstead::stored {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

namespace {

// SECURITY: strangers may watch, for as long as they like, and what they sent is kept meanwhile.
constexpr size_t kMaxServiceNameBytes = 256;

}  // namespace

void Health::AddTo(rpc::MethodTable& methods) {
  for (const std::string& service : methods.Services()) services_.insert(service);
  methods.Add(rpc::Bind({.name = "grpc.health.v1.Health/Check", .counted = false}, *this, &Health::Check));
  methods.Add(rpc::Bind({.name = "grpc.health.v1.Health/Watch", .long_lived = true, .counted = false}, *this,
                        &Health::Watch));
}

void Health::SetServing(bool serving) {
  if (serving_.exchange(serving) != serving) Start(TellWatchers());
}

Task<void> Health::TellWatchers() {
  co_await ResumeOn(executor_);
  for (rpc::Signal* const watcher : watchers_) watcher->Notify();
}

Task<absl::Status> Health::Check(rpc::Call&, const HealthCheckRequest& request,
                                 HealthCheckResponse& response) {
  if (!Knows(request.service())) co_return absl::NotFoundError("there is no such service");
  response.set_status(serving() ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  co_return absl::OkStatus();
}

Task<absl::Status> Health::Watch(rpc::Call& call, const HealthCheckRequest& request,
                                 rpc::Writer<HealthCheckResponse>& states) {
  if (request.service().size() > kMaxServiceNameBytes) {
    co_return FieldError("service", "must have at most 256 bytes");
  }
  const bool known = Knows(request.service());
  rpc::Signal changed(executor_);
  watchers_.insert(&changed);
  const absl::Cleanup leave = [this, &call, &changed] {
    call.WhenGone(nullptr);
    watchers_.erase(&changed);
  };
  const rpc::Draining::Listener draining(draining_, [&changed] { changed.Notify(); });
  call.WhenGone([&changed] { changed.Notify(); });
  std::optional<HealthCheckResponse::ServingStatus> said;
  while (true) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    const HealthCheckResponse::ServingStatus now = !known      ? HealthCheckResponse::SERVICE_UNKNOWN
                                                   : serving() ? HealthCheckResponse::SERVING
                                                               : HealthCheckResponse::NOT_SERVING;
    if (said != now) {
      HealthCheckResponse response;
      response.set_status(now);
      said = now;
      CO_RETURN_IF_ERROR(co_await states.Write(response));
    } else if (draining_.begun()) {
      co_return absl::UnavailableError("the store is shutting down");
    } else {
      co_await changed;
    }
  }
}

}  // namespace mailstead::stored
