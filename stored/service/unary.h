// Unary methods that a function answers. Only .cc files of this folder include this.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "stored/service/served_call.h"

namespace mailstead::store {

// What gRPC generates for a unary method: &v1::DirectoryService::AsyncService::RequestGetDomain.
template <typename Service, typename Request, typename Response>
using RequestUnary = void (Service::*)(grpc::ServerContext*, Request*,
                                       grpc::ServerAsyncResponseWriter<Response>*, grpc::CompletionQueue*,
                                       grpc::ServerCompletionQueue*, void*);

// Ends a call. It may be gone when this returns.
using Answered = std::function<void(const absl::Status&)>;

template <typename Service, typename Request, typename Response, typename Work>
class AnsweredCall final : public UnaryCall<Request, Response> {
 public:
  AnsweredCall(CallLoop& loop, absl::string_view method, Service& service,
               RequestUnary<Service, Request, Response> request_caller, Work work)
      : UnaryCall<Request, Response>(loop, method),
        method_(method),
        service_(service),
        request_caller_(request_caller),
        work_(std::move(work)) {}

 private:
  void RequestCaller(void* tag) override {
    (service_.*request_caller_)(&this->context(), &this->request(), &this->writer(), this->queue(),
                                this->queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<AnsweredCall>(this->loop(), method_, service_, request_caller_, work_);
  }

  void Begin() override {
    if constexpr (std::is_invocable_v<const Work&, const Request&, Response&>) {
      const bool queued = this->environment().disk_pool.Submit([this] {
        absl::Status status = this->StillWanted();
        if (status.ok()) status = work_(this->request(), this->response());
        this->Finish(status);
      });
      if (!queued) this->Finish(Busy());
    } else {
      work_(this->request(), this->response(),
            Answered([this](const absl::Status& status) { this->Finish(status); }));
    }
  }

  const absl::string_view method_;
  Service& service_;
  const RequestUnary<Service, Request, Response> request_caller_;
  const Work work_;
};

// Serves `method` from now on, until the loop stops. `work(request, response)` may block and gives its
// absl::Status; it runs on the disk pool. `work(request, response, answered)` must not block; it calls
// `answered` once, on any thread, and the two live until then.
template <typename Service, typename Request, typename Response, typename Work>
void ServeUnary(CallLoop& loop, absl::string_view method, std::type_identity_t<Service>& service,
                RequestUnary<Service, Request, Response> request_caller, Work work) {
  ServedCall::Serve(std::make_unique<AnsweredCall<Service, Request, Response, Work>>(
      loop, method, service, request_caller, std::move(work)));
}

}  // namespace mailstead::store
