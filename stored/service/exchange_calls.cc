#include "stored/service/exchange_calls.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "stored/core/delivery.h"
#include "stored/core/limits.h"
#include "stored/service/call.h"
#include "stored/service/convert.h"
#include "stored/service/deliver.h"
#include "stored/service/environment.h"
#include "stored/service/login.h"
#include "stored/service/maildrop.h"

namespace mailstead::store {
namespace {

using Kind = v1::ExchangeCall;

constexpr size_t kMaxFetchBytes = 64 << 10;
// Calls that block and came together share a task of the pool: going there costs more than most of them do.
constexpr size_t kCallsPerTask = 8;
constexpr size_t kCostOfCall = 512;

absl::string_view MethodOf(Kind::CallCase kind) {
  switch (kind) {
    case Kind::kResolveRecipient:
      return "DirectoryService/ResolveRecipient";
    case Kind::kCheckSender:
      return "AuthService/CheckSender";
    case Kind::kDeliver:
      return "MailboxService/Deliver";
    case Kind::kAuthenticate:
      return "AuthService/Authenticate";
    case Kind::kOpenMaildrop:
      return "MailboxService/OpenMaildrop";
    case Kind::kFetchMessage:
      return "MailboxService/FetchMessage";
    case Kind::kCommitMaildrop:
      return "MailboxService/CommitMaildrop";
    case Kind::kReleaseMaildrop:
      return "MailboxService/ReleaseMaildrop";
    case Kind::kRenewLease:
      return "MailboxService/RenewLease";
    case Kind::kEndLease:
      return "MailboxService/EndLease";
    case Kind::CALL_NOT_SET:
      break;
  }
  return "ExchangeService/Exchange";
}

// One call on its way. The callbacks of its steps share it.
class RunningCall : public std::enable_shared_from_this<RunningCall> {
 public:
  RunningCall(Environment& environment, std::shared_ptr<AnswerSink> sink, v1::ExchangeCall call)
      : environment_(environment),
        sink_(std::move(sink)),
        call_(std::move(call)),
        began_(absl::Now()),
        timeout_(TimeoutOf(call_)) {
    answer_.set_call_id(call_.call_id());
  }

  bool blocks() const {
    switch (call_.call_case()) {
      case Kind::kResolveRecipient:
        return !environment_.recipients.Remembered(call_.resolve_recipient().address()).has_value();
      case Kind::kCheckSender:
      case Kind::kFetchMessage:
      case Kind::kRenewLease:
      case Kind::kEndLease:
        return true;
      case Kind::kDeliver:
        return call_.deliver().content().size() > kMaxHashedAtOnce || NeedsLookUp(call_.deliver());
      default:
        return false;
    }
  }

  // What front-ends keep their locks with, and must not wait behind what reads a slow disk.
  bool urgent() const { return call_.has_renew_lease() || call_.has_end_lease(); }

  void Begin();
  void End(const absl::Status& status) {
    environment_.metrics.CountCall(MethodOf(call_.call_case()), status.code(), Took());
    if (!status.ok()) {
      answer_.clear_answer();
      rpc::ToProto(status, *answer_.mutable_error());
    }
    sink_->Give({.answer = std::move(answer_), .freed_bytes = CostOf(call_), .undo = nullptr});
  }

 private:
  static bool NeedsLookUp(const v1::DeliverRequest& request) {
    for (const v1::DeliverRecipient& recipient : request.envelope().recipients()) {
      if (recipient.mailbox_ids().empty()) return true;
    }
    return false;
  }

  static absl::Duration TimeoutOf(const v1::ExchangeCall& call) {
    return call.timeout_ms() == 0 ? kMaxUnaryTime
                                  : std::min(absl::Milliseconds(call.timeout_ms()), kMaxUnaryTime);
  }

  absl::Duration Took() const { return absl::Now() - began_; }
  absl::Status StillWanted() const {
    if (sink_->abandoned()) return absl::CancelledError("the caller has gone");
    if (Took() > timeout_) return absl::DeadlineExceededError("the call waited too long");
    return absl::OkStatus();
  }

  absl::Status Resolve();
  absl::Status CheckSender();
  absl::Status Fetch();
  void Deliver();
  absl::Status StartDelivery();
  void LogIn();
  absl::StatusOr<AuthStep> Verify();
  void Conclude();
  void Open();
  void Opened(absl::StatusOr<Maildrop> maildrop);
  void Commit();
  void Release();

  Environment& environment_;
  const std::shared_ptr<AnswerSink> sink_;
  const v1::ExchangeCall call_;
  const absl::Time began_;
  const absl::Duration timeout_;
  v1::ExchangeAnswer answer_;
  Envelope envelope_;
  std::unique_ptr<AuthExchange> login_;
  AuthResult login_result_ = AuthResult::kInvalidCredentials;
};

void RunningCall::Begin() {
  if (const absl::Status wanted = StillWanted(); !wanted.ok()) return End(wanted);
  switch (call_.call_case()) {
    case Kind::kResolveRecipient:
      return End(Resolve());
    case Kind::kCheckSender:
      return End(CheckSender());
    case Kind::kFetchMessage:
      return End(Fetch());
    case Kind::kDeliver:
      return Deliver();
    case Kind::kAuthenticate:
      return LogIn();
    case Kind::kOpenMaildrop:
      return Open();
    case Kind::kCommitMaildrop:
      return Commit();
    case Kind::kReleaseMaildrop:
      return Release();
    case Kind::kRenewLease:
      answer_.mutable_renew_lease();
      return End(RenewLease(environment_.engine, call_.renew_lease()));
    case Kind::kEndLease:
      answer_.mutable_end_lease();
      return End(EndLease(environment_.engine, call_.end_lease()));
    case Kind::CALL_NOT_SET:
      return End(FieldError("call", "must be one of those that this store knows"));
  }
}

// ---- What is done when it returns

absl::Status RunningCall::Resolve() {
  const v1::ResolveRecipientRequest& request = call_.resolve_recipient();
  if (const auto remembered = environment_.recipients.Remembered(request.address()); remembered.has_value()) {
    ToProto(*remembered, *answer_.mutable_resolve_recipient());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Resolution resolution,
                   environment_.recipients.Resolve(request.address(), request.message_bytes()));
  ToProto(resolution, *answer_.mutable_resolve_recipient());
  return absl::OkStatus();
}

absl::Status RunningCall::CheckSender() {
  const v1::CheckSenderRequest& request = call_.check_sender();
  ASSIGN_OR_RETURN(const bool allowed,
                   environment_.recipients.MaySendAs(request.account(), request.sender()));
  answer_.mutable_check_sender()->set_allowed(allowed);
  return absl::OkStatus();
}

absl::Status RunningCall::Fetch() {
  const v1::FetchMessageRequest& request = call_.fetch_message();
  RETURN_IF_ERROR(CheckFetch(request));
  absl::StatusOr<std::unique_ptr<MessageReader>> reader =
      environment_.engine.OpenMessage(MailboxId{request.mailbox_id()}, MessageId{request.message_id()});
  RETURN_IF_ERROR(reader.status());
  const uint64_t size = (*reader)->size_bytes();
  if (request.read_offset() > size) return absl::OutOfRangeError("read_offset is past the end");
  uint64_t left = size - request.read_offset();
  if (request.read_limit() != 0) left = std::min(left, request.read_limit());
  if (left > kMaxFetchBytes) return FieldError("read_limit", "must be set, to at most 65536");
  answer_.mutable_fetch_message()->set_delivery_id((*reader)->delivery_id());
  std::string& content = *answer_.mutable_fetch_message()->mutable_content();
  while (content.size() < left) {
    absl::StatusOr<std::string> piece =
        (*reader)->Read(request.read_offset() + content.size(), left - content.size());
    if (piece.ok() && piece->empty())
      piece = absl::DataLossError("the message is shorter than its index says");
    if (!piece.ok()) {
      LogFetch(request, piece.status());
      return piece.status();
    }
    if (content.empty()) {
      content = *std::move(piece);
    } else {
      content.append(*piece);
    }
  }
  environment_.metrics.CountFetchedBytes(content.size());
  return absl::OkStatus();
}

// ---- Deliveries

void RunningCall::Deliver() {
  const absl::Status started = StartDelivery();
  if (started.ok()) return;
  LogRefusal(envelope_, started);
  End(started);
}

absl::Status RunningCall::StartDelivery() {
  const v1::DeliverRequest& request = call_.deliver();
  if (!request.has_envelope()) return FieldError("envelope", "must be set");
  if (!request.last()) return FieldError("last", "must be set: a message in parts has a call of its own");
  if (request.content().size() > kSmallMessageBytes) return FieldError("content", "must have at most 64 KiB");
  Envelope envelope = FromProto(request.envelope());
  RETURN_IF_ERROR(CheckEnvelope(envelope));
  // Only now: what goes to the log has been checked.
  envelope_ = std::move(envelope);
  ASSIGN_OR_RETURN(Delivery delivery,
                   ResolveEnvelope(envelope_, environment_.recipients, environment_.clock));
  IncomingMessage message(environment_.engine, environment_.max_message_bytes);
  RETURN_IF_ERROR(message.Append(request.content()));
  const size_t mailbox_count = delivery.recipients.size();
  message.Commit(std::move(delivery),
                 [self = shared_from_this(), mailbox_count](absl::StatusOr<Receipt> receipt) {
                   if (receipt.ok()) {
                     TakeReceipt(self->environment_, self->envelope_,
                                 {mailbox_count, self->call_.deliver().content().size(), self->Took()},
                                 *receipt, *self->answer_.mutable_deliver());
                   } else {
                     LogRefusal(self->envelope_, receipt.status());
                   }
                   self->End(receipt.status());
                 });
  return absl::OkStatus();
}

// ---- Logins

void RunningCall::LogIn() {
  const bool queued = environment_.auth_pool.Submit([self = shared_from_this()] {
    const absl::StatusOr<AuthStep> step = self->Verify();
    if (!step.ok()) {
      if (self->login_ != nullptr) LogLoginFailure(*self->login_, step.status());
      return self->End(step.status());
    }
    v1::AuthenticateResponse response;
    ToProto(*step, response);
    *self->answer_.mutable_authenticate() = std::move(*response.mutable_verdict());
    self->login_result_ = *step->result;
    const absl::Duration wait = self->began_ + step->answer_after - absl::Now();
    if (step->answer_after == absl::ZeroDuration() || wait <= absl::ZeroDuration()) return self->Conclude();
    self->environment_.timers.RunAfter(wait, [self] { self->Conclude(); });
  });
  if (!queued) End(Busy());
}

absl::StatusOr<AuthStep> RunningCall::Verify() {
  RETURN_IF_ERROR(StillWanted());
  ASSIGN_OR_RETURN(login_, environment_.authenticator.Start(FromProto(call_.authenticate())));
  ASSIGN_OR_RETURN(AuthStep step, login_->Begin());
  if (!step.result.has_value()) {
    return FieldError("mechanism", "must be one of a single step, with its initial response");
  }
  return step;
}

void RunningCall::Conclude() {
  LogLogin(environment_, *login_, login_result_);
  End(absl::OkStatus());
}

// ---- Maildrops

void RunningCall::Open() {
  const v1::OpenMaildropRequest& request = call_.open_maildrop();
  const absl::StatusOr<absl::Duration> min_interval = CheckOpen(request);
  if (!min_interval.ok()) return End(min_interval.status());
  environment_.engine.OpenMaildrop(
      MailboxId{request.mailbox_id()}, request.lease_id(), *min_interval,
      [self = shared_from_this()](absl::StatusOr<Maildrop> maildrop) { self->Opened(std::move(maildrop)); });
}

void RunningCall::Opened(absl::StatusOr<Maildrop> maildrop) {
  LogOpen(call_.open_maildrop(), maildrop);
  if (!maildrop.ok()) return End(maildrop.status());
  environment_.metrics.CountCall(MethodOf(call_.call_case()), absl::StatusCode::kOk, Took());
  size_t next = 0;
  do {
    OutgoingAnswer part;
    part.answer.set_call_id(call_.call_id());
    FillListing(*maildrop, next, *part.answer.mutable_open_maildrop());
    const bool more = next < maildrop->messages.size();
    part.answer.set_more(more);
    if (!more) {
      part.freed_bytes = CostOf(call_);
      // Nobody else knows the token. Should that fail, the lock ends with its lease.
      part.undo = [self = shared_from_this(), token = maildrop->token] {
        self->environment_.engine.ReleaseMaildrop(MailboxId{self->call_.open_maildrop().mailbox_id()}, token,
                                                  [](const absl::Status&) {});
      };
    }
    sink_->Give(std::move(part));
  } while (next < maildrop->messages.size());
}

void RunningCall::Commit() {
  const v1::CommitMaildropRequest& request = call_.commit_maildrop();
  if (const absl::Status checked = CheckCommit(request); !checked.ok()) return End(checked);
  answer_.mutable_commit_maildrop();
  environment_.engine.CommitMaildrop(
      MailboxId{request.mailbox_id()}, LeaseToken{request.token()}, ToMessageIds(request.message_ids()),
      [self = shared_from_this()](const absl::Status& committed) {
        LogCommit(self->environment_, self->call_.commit_maildrop(), committed, self->Took());
        self->End(committed);
      });
}

void RunningCall::Release() {
  const v1::ReleaseMaildropRequest& request = call_.release_maildrop();
  if (const absl::Status checked = CheckRelease(request); !checked.ok()) return End(checked);
  answer_.mutable_release_maildrop();
  environment_.engine.ReleaseMaildrop(
      MailboxId{request.mailbox_id()}, LeaseToken{request.token()},
      [self = shared_from_this()](const absl::Status& released) { self->End(released); });
}

// On the pool, or not at all.
void RunTogether(Environment& environment, std::vector<std::shared_ptr<RunningCall>> calls) {
  const bool queued = environment.disk_pool.Submit([calls] {
    for (const std::shared_ptr<RunningCall>& call : calls) call->Begin();
  });
  if (queued) return;
  for (const std::shared_ptr<RunningCall>& call : calls) call->End(Busy());
}

}  // namespace

size_t CostOf(const v1::ExchangeCall& call) {
  switch (call.call_case()) {
    case Kind::kDeliver:
      return kCostOfCall + call.deliver().content().size();
    case Kind::kFetchMessage:
      return kCostOfCall + kMaxFetchBytes;
    default:
      return kCostOfCall;
  }
}

void RunCalls(Environment& environment, v1::ExchangeRequest& request,
              const std::shared_ptr<AnswerSink>& sink) {
  std::vector<std::shared_ptr<RunningCall>> blocking;
  for (v1::ExchangeCall& call : *request.mutable_calls()) {
    auto running = std::make_shared<RunningCall>(environment, sink, std::move(call));
    if (!running->blocks()) {
      running->Begin();
      continue;
    }
    if (running->urgent()) {
      RunTogether(environment, {std::move(running)});
      continue;
    }
    blocking.push_back(std::move(running));
    if (blocking.size() == kCallsPerTask) RunTogether(environment, std::exchange(blocking, {}));
  }
  if (!blocking.empty()) RunTogether(environment, std::move(blocking));
  request.Clear();
}

}  // namespace mailstead::store
