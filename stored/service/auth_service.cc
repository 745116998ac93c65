#include <memory>
#include <mutex>
#include <utility>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "mailstead/store/v1/auth.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/service/call.h"
#include "stored/service/convert.h"
#include "stored/service/login.h"
#include "stored/service/services.h"

namespace mailstead::store {
namespace {

// No mechanism's name is longer (RFC 4422 section 3.1).
constexpr size_t kMaxLoggedMechanismBytes = 20;

// One exchange. Its steps follow one another: read, work on the pool, wait if need be, write. Only the step
// that is at work starts the next one or finishes, so nothing needs a lock but the wait, which a cancelled
// call cuts short.
class AuthenticateReactor final
    : public grpc::ServerBidiReactor<v1::AuthenticateRequest, v1::AuthenticateResponse> {
 public:
  AuthenticateReactor(Environment& environment, grpc::CallbackServerContext* context)
      : call_(environment, context, "AuthService/Authenticate", Call::Kind::kStream) {
    if (const absl::Status admitted = call_.Admit(); !admitted.ok()) {
      End(admitted);
    } else {
      StartRead(&request_);
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::AbortedError("the exchange was given up before the verdict"));
    arrived_ = absl::Now();
    const bool queued = call_.environment().auth_pool.Submit([this] { Step(); });
    if (!queued) End(Busy());
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    response_.Clear();
    StartRead(&request_);
  }

  void OnCancel() override {
    TimerQueue::Ticket ticket;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      cancelled_ = true;
      ticket = waiting_;
    }
    // With the wait cut short, nobody else is at work.
    if (ticket != 0 && call_.environment().timers.Cancel(ticket))
      End(absl::CancelledError("the caller has gone"));
  }

  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) { Finish(call_.End(status)); }

  // On the pool.
  void Step() {
    absl::Status wanted = call_.StillWanted();
    if (!wanted.ok()) return End(wanted);
    absl::StatusOr<AuthStep> step = Advance();
    if (!step.ok()) {
      if (exchange_ != nullptr) LogLoginFailure(*exchange_, step.status());
      return End(step.status());
    }
    ToProto(*step, response_);
    result_ = step->result;
    const absl::Duration wait = arrived_ + step->answer_after - absl::Now();
    if (step->answer_after == absl::ZeroDuration() || wait <= absl::ZeroDuration()) return Answer();
    AnswerAfter(wait);
  }

  absl::StatusOr<AuthStep> Advance() {
    if (exchange_ == nullptr) {
      if (!request_.has_start()) return FieldError("start", "must be in the first message");
      ASSIGN_OR_RETURN(exchange_, call_.environment().authenticator.Start(FromProto(request_.start())));
      return exchange_->Begin();
    }
    if (request_.step_case() != v1::AuthenticateRequest::kResponse) {
      return FieldError("response", "must be in every message but the first");
    }
    return exchange_->Respond(request_.response());
  }

  void AnswerAfter(absl::Duration wait) {
    bool gone;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      gone = cancelled_;
      if (!gone) {
        waiting_ = call_.environment().timers.RunAfter(wait, [this] {
          // Not before the ticket has been noted.
          { const std::lock_guard<std::mutex> lock(mutex_); }
          Answer();
        });
      }
    }
    if (gone) End(absl::CancelledError("the caller has gone"));
  }

  void Answer() {
    if (!result_.has_value()) return StartWrite(&response_);
    LogLogin(call_.environment(), *exchange_, *result_);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), call_.End(absl::OkStatus()));
  }

  Call call_;
  v1::AuthenticateRequest request_;
  v1::AuthenticateResponse response_;
  std::unique_ptr<AuthExchange> exchange_;
  std::optional<AuthResult> result_;
  absl::Time arrived_;
  std::mutex mutex_;
  bool cancelled_ = false;
  TimerQueue::Ticket waiting_ = 0;
};

class AuthService final : public v1::AuthService::CallbackService {
 public:
  explicit AuthService(Environment& environment) : environment_(environment) {}

  grpc::ServerBidiReactor<v1::AuthenticateRequest, v1::AuthenticateResponse>* Authenticate(
      grpc::CallbackServerContext* context) override {
    return new AuthenticateReactor(environment_, context);
  }

  grpc::ServerUnaryReactor* CheckSender(grpc::CallbackServerContext* context,
                                        const v1::CheckSenderRequest* request,
                                        v1::CheckSenderResponse* response) override {
    const Call call(environment_, context, "AuthService/CheckSender", Call::Kind::kUnary);
    return RunOnPool(call, context, [=, this]() -> absl::Status {
      ASSIGN_OR_RETURN(const bool allowed,
                       environment_.recipients.MaySendAs(request->account(), request->sender()));
      response->set_allowed(allowed);
      return absl::OkStatus();
    });
  }

 private:
  Environment& environment_;
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

std::unique_ptr<grpc::Service> MakeAuthService(Environment& environment) {
  return std::make_unique<AuthService>(environment);
}

}  // namespace mailstead::store
