#include "stored/api/auth.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/rpc/errors.h"
#include "common/store/limits.h"
#include "stored/api/convert/auth.h"
#include "stored/api/maildrop.h"
#include "stored/api/roles.h"
#include "stored/core/pause.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

// No mechanism's name is longer (RFC 4422 section 3.1).
constexpr size_t kMaxLoggedMechanismBytes = 20;

// Before the answer is due: whoever does not wait for it is logged and counted all the same.
void LogLogin(Environment& environment, const rpc::Call& call, const AuthExchange& exchange,
              LoginResult result) {
  environment.counter.CountLogin(result);
  obs::LogInfo("login", {{"session", call.session_id()},
                         {"trace", call.trace_id()},
                         {"result", NameOf(result)},
                         {"account", exchange.claimed_account()},
                         {"client", exchange.start().client_address},
                         {"service", call.caller().name},
                         {"mechanism", exchange.start().mechanism.substr(0, kMaxLoggedMechanismBytes)}});
}

void LogLoginFailure(const rpc::Call& call, const AuthExchange& exchange, const absl::Status& status) {
  obs::LogWarning("login_failed", {{"session", call.session_id()},
                                   {"trace", call.trace_id()},
                                   {"account", exchange.claimed_account()},
                                   {"error", status.ToString()}});
}

// Until the answer to a step that came at `came` is due. An error when nobody waits for it any more.
Task<absl::Status> AwaitAnswerTime(Environment& environment, rpc::Call& call, absl::Time came,
                                   absl::Duration answer_after) {
  const absl::Duration left = came + answer_after - environment.core.clock.Now();
  if (answer_after == absl::ZeroDuration() || left <= absl::ZeroDuration()) co_return absl::OkStatus();
  Pause pause(environment.core.timers, environment.core.executor);
  call.WhenGone([&pause] { pause.End(); });
  co_await pause.For(left);
  call.WhenGone(nullptr);
  co_return call.StillWanted();
}

// The exchange from its first step to the one with the verdict.
class Dialog {
 public:
  Dialog(Environment& environment, rpc::Call& call, rpc::Reader<v1::AuthenticateRequest>& steps,
         rpc::Writer<v1::AuthenticateResponse>& answers)
      : environment_(environment), call_(call), steps_(steps), answers_(answers) {}

  Task<absl::StatusOr<AuthStep>> Run() {
    CO_RETURN_IF_ERROR(co_await ReadStep());
    if (!request_.has_start()) co_return FieldError("start", "must be in the first message");
    if (request_.start().has_maildrop()) maildrop_ = request_.start().maildrop();
    CO_ASSIGN_OR_RETURN(exchange_, environment_.core.authenticator.Start(FromProto(request_.start())));
    CO_ASSIGN_OR_RETURN(AuthStep step, co_await exchange_->Begin());
    while (!step.verdict.has_value()) {
      v1::AuthenticateResponse challenge;
      challenge.set_challenge(step.challenge);
      absl::Status answered = co_await answers_.Write(challenge);
      if (answered.ok()) answered = co_await ReadStep();
      if (!answered.ok()) {
        logged_ = true;
        exchange_->Abandon();
        LogLogin(environment_, call_, *exchange_, LoginResult::kAbandoned);
        co_return answered;
      }
      if (request_.step_case() != v1::AuthenticateRequest::kResponse) {
        co_return FieldError("response", "must be in every message but the first");
      }
      CO_ASSIGN_OR_RETURN(step, co_await exchange_->Respond(request_.response()));
    }
    logged_ = true;
    LogLogin(environment_, call_, *exchange_, step.result);
    CO_RETURN_IF_ERROR(co_await AwaitAnswerTime(environment_, call_, came_, step.answer_after));
    co_return step;
  }

  // What was tried, when it has not been logged; else null.
  const AuthExchange* unlogged() const { return logged_ ? nullptr : exchange_.get(); }
  // The maildrop that is to be opened, when one was asked for.
  const std::optional<v1::OpenMaildropRequest>& maildrop() const { return maildrop_; }
  // Once it has run.
  const std::string& client_address() const { return exchange_->start().client_address; }

 private:
  Task<absl::Status> ReadStep() {
    CO_ASSIGN_OR_RETURN(const bool more, co_await steps_.Read(request_));
    if (!more) {
      co_return WithReason(absl::AbortedError("the exchange was given up before the verdict"),
                           kReasonExchangeAbandoned);
    }
    came_ = environment_.core.clock.Now();
    co_return call_.StillWanted();
  }

  Environment& environment_;
  rpc::Call& call_;
  rpc::Reader<v1::AuthenticateRequest>& steps_;
  rpc::Writer<v1::AuthenticateResponse>& answers_;
  v1::AuthenticateRequest request_;
  // When `request_` came.
  absl::Time came_;
  std::unique_ptr<AuthExchange> exchange_;
  // Set when the log has a line on how it ended.
  bool logged_ = false;
  std::optional<v1::OpenMaildropRequest> maildrop_;
};

// What a login of a POP3 session gets beside the verdict.
Task<void> GiveMaildrop(Environment& environment, rpc::Call& call, const AuthStep& step, const Dialog& dialog,
                        v1::Verdict& verdict) {
  const std::optional<v1::OpenMaildropRequest>& maildrop = dialog.maildrop();
  if (!maildrop.has_value()) co_return;
  const absl::Status opened = co_await OpenFor(environment, call, step.account->id, *maildrop,
                                               dialog.client_address(), *verdict.mutable_maildrop());
  if (opened.ok()) co_return;
  verdict.clear_maildrop();
  rpc::ToProto(opened, *verdict.mutable_maildrop_error());
}

}  // namespace

Task<absl::Status> Authenticate(Environment& environment, rpc::Call& call,
                                rpc::Reader<v1::AuthenticateRequest>& steps,
                                rpc::Writer<v1::AuthenticateResponse>& answers) {
  Dialog dialog(environment, call, steps, answers);
  const absl::StatusOr<AuthStep> step = co_await dialog.Run();
  if (!step.ok()) {
    if (dialog.unlogged() != nullptr) LogLoginFailure(call, *dialog.unlogged(), step.status());
    co_return step.status();
  }
  v1::AuthenticateResponse response;
  v1::Verdict& verdict = *response.mutable_verdict();
  verdict.set_result(ToProto(*step->verdict));
  if (step->account.has_value()) {
    verdict.set_address(step->account->address);
    verdict.set_account_id(step->account->id.value);
    const bool pops = (call.caller().roles & kPop) != 0;
    verdict.set_grant(environment.core.grants.Issue(pops ? GrantUse::kMaildrop : GrantUse::kSending,
                                                    *step->account, call.session_id(),
                                                    step->directory_version));
    if (pops) co_await GiveMaildrop(environment, call, *step, dialog, verdict);
  }
  co_return co_await answers.WriteLast(response);
}

Task<absl::Status> CheckSender(Environment& environment, rpc::Call& call,
                               const v1::CheckSenderRequest& request, v1::CheckSenderResponse& response) {
  CO_ASSIGN_OR_RETURN(const AccountId account, co_await CheckSending(environment, call, request.grant()));
  if (account.value != 0) CO_RETURN_IF_ERROR(co_await environment.core.sending.Check(account));
  CO_ASSIGN_OR_RETURN(const bool allowed,
                      co_await environment.core.recipients.MaySendAs(request.account(), request.sender()));
  response.set_allowed(allowed);
  co_return absl::OkStatus();
}

Task<absl::StatusOr<AccountId>> CheckSending(Environment& environment, const rpc::Call& call,
                                             const std::string& grant) {
  if (grant.empty()) co_return AccountId();
  CO_ASSIGN_OR_RETURN(const Grant good,
                      co_await environment.core.grants.CheckLogin(GrantUse::kSending, grant));
  if (call.session_id() == good.session_id) co_return good.account;
  co_return WithReason(absl::PermissionDeniedError("the grant is of another session"), kReasonGrantInvalid);
}

Task<absl::Status> ListLoginChanges(Environment& environment, rpc::Call&,
                                    const v1::ListLoginChangesRequest& request,
                                    v1::ListLoginChangesResponse& response) {
  LoginChanges::Since since = environment.core.login_changes.After(request.cursor());
  response.set_cursor(std::move(since.cursor));
  // Another process may have changed something where the directory does not know its own version.
  response.set_any(since.any || environment.core.engine.directory().Version() == 0);
  for (const AccountId account : since.accounts) response.add_account_ids(account.value);
  co_return absl::OkStatus();
}

Task<absl::Status> CheckLogins(Environment& environment, rpc::Call&, const v1::CheckLoginsRequest& request,
                               v1::CheckLoginsResponse& response) {
  if (static_cast<size_t>(request.grants_size()) > store::kMaxCheckedLogins)
    co_return FieldError("grants", absl::StrCat("must be at most ", store::kMaxCheckedLogins));
  for (int i = 0; i < request.grants_size(); ++i) {
    CO_ASSIGN_OR_RETURN(const bool ended, co_await environment.core.grants.HasEnded(request.grants(i)));
    if (!ended) continue;
    response.add_ended(i);
    if (environment.core.grants.IsSessionEnded(request.grants(i))) response.add_sessions_ended(i);
  }
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
