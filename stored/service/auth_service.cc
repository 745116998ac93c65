#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "mailstead/store/v1/auth.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/service/convert.h"
#include "stored/service/login.h"
#include "stored/service/served_call.h"
#include "stored/service/services.h"
#include "stored/service/unary.h"

namespace mailstead::store {
namespace {

using Async = v1::AuthService::AsyncService;

// No mechanism's name is longer (RFC 4422 section 3.1).
constexpr size_t kMaxLoggedMechanismBytes = 20;

// One exchange. Its steps follow one another: read, work on the pool, wait if need be, write. Only the step
// that is at work starts the next one or finishes, so nothing needs a lock but the wait, which a cancelled
// call cuts short.
class AuthenticateCall final : public DialogCall<v1::AuthenticateRequest, v1::AuthenticateResponse> {
 public:
  AuthenticateCall(CallLoop& loop, Async& service)
      : DialogCall(loop, "AuthService/Authenticate"), service_(service) {}

 private:
  void RequestCaller(void* tag) override {
    service_.RequestAuthenticate(&context(), &stream(), queue(), queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<AuthenticateCall>(loop(), service_);
  }

  void Begin() override { Read(); }

  void OnRead(bool ok) override {
    if (!ok) return Finish(absl::AbortedError("the exchange was given up before the verdict"));
    arrived_ = absl::Now();
    const bool queued = environment().auth_pool.Submit([this] { Step(); });
    if (!queued) Finish(Busy());
  }

  void OnWritten(bool ok) override {
    if (!ok) return Finish(absl::CancelledError("the caller has gone"));
    response().Clear();
    Read();
  }

  void OnCancel() override {
    TimerQueue::Ticket ticket;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      gone_ = true;
      ticket = waiting_;
    }
    // With the wait cut short, nobody else is at work.
    if (ticket != 0 && environment().timers.Cancel(ticket))
      Finish(absl::CancelledError("the caller has gone"));
  }

  // On the pool.
  void Step() {
    absl::Status wanted = StillWanted();
    if (!wanted.ok()) return Finish(wanted);
    absl::StatusOr<AuthStep> step = Advance();
    if (!step.ok()) {
      if (exchange_ != nullptr) LogLoginFailure(*exchange_, step.status());
      return Finish(step.status());
    }
    ToProto(*step, response());
    result_ = step->result;
    const absl::Duration wait = arrived_ + step->answer_after - absl::Now();
    if (step->answer_after == absl::ZeroDuration() || wait <= absl::ZeroDuration()) return Answer();
    AnswerAfter(wait);
  }

  absl::StatusOr<AuthStep> Advance() {
    if (exchange_ == nullptr) {
      if (!request().has_start()) return FieldError("start", "must be in the first message");
      ASSIGN_OR_RETURN(exchange_, environment().authenticator.Start(FromProto(request().start())));
      return exchange_->Begin();
    }
    if (request().step_case() != v1::AuthenticateRequest::kResponse) {
      return FieldError("response", "must be in every message but the first");
    }
    return exchange_->Respond(request().response());
  }

  void AnswerAfter(absl::Duration wait) {
    bool gone;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      gone = gone_;
      if (!gone) {
        waiting_ = environment().timers.RunAfter(wait, [this] {
          // Not before the ticket has been noted.
          { const std::lock_guard<std::mutex> lock(mutex_); }
          Answer();
        });
      }
    }
    if (gone) Finish(absl::CancelledError("the caller has gone"));
  }

  void Answer() {
    if (!result_.has_value()) return Write();
    LogLogin(environment(), *exchange_, *result_);
    WriteAndFinish();
  }

  Async& service_;
  std::unique_ptr<AuthExchange> exchange_;
  std::optional<AuthResult> result_;
  absl::Time arrived_;
  std::mutex mutex_;
  bool gone_ = false;
  TimerQueue::Ticket waiting_ = 0;
};

class AuthService final : public Service {
 public:
  explicit AuthService(Environment& environment) : environment_(environment) {}

  grpc::Service& registered() override { return async_; }

  void Serve(CallLoop& loop) override {
    ServedCall::Serve(std::make_unique<AuthenticateCall>(loop, async_));
    ServeUnary(loop, "AuthService/CheckSender", async_, &Async::RequestCheckSender,
               std::bind_front(&AuthService::CheckSender, this));
  }

 private:
  absl::Status CheckSender(const v1::CheckSenderRequest& request, v1::CheckSenderResponse& response) {
    ASSIGN_OR_RETURN(const bool allowed,
                     environment_.recipients.MaySendAs(request.account(), request.sender()));
    response.set_allowed(allowed);
    return absl::OkStatus();
  }

  Environment& environment_;
  Async async_;
};

}  // namespace

void LogLogin(Environment& environment, const AuthExchange& exchange, AuthResult result) {
  const AuthStart& start = exchange.start();
  environment.metrics.CountLogin(result);
  obs::LogInfo("login", {{"session", start.session_id},
                         {"result", std::string(AuthResultName(result))},
                         {"account", exchange.claimed_account()},
                         {"client", start.client_address},
                         {"service", start.service},
                         {"mechanism", start.mechanism.substr(0, kMaxLoggedMechanismBytes)}});
}

void LogLoginFailure(const AuthExchange& exchange, const absl::Status& status) {
  obs::LogWarning("login_failed", {{"session", exchange.start().session_id},
                                   {"account", exchange.claimed_account()},
                                   {"error", status.ToString()}});
}

std::unique_ptr<Service> MakeAuthService(Environment& environment) {
  return std::make_unique<AuthService>(environment);
}

}  // namespace mailstead::store
