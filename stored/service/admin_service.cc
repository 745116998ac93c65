#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/service/convert.h"
#include "stored/service/served_call.h"
#include "stored/service/services.h"
#include "stored/service/unary.h"

namespace mailstead::store {
namespace {

using Async = v1::AdminService::AsyncService;

// Verifies one mailbox after another on a pool of its own, and stops between two of them when the caller has
// gone.
class VerifyMessagesCall final
    : public ServerStreamCall<v1::VerifyMessagesRequest, v1::VerifyMessagesResponse> {
 public:
  VerifyMessagesCall(CallLoop& loop, Async& service)
      : ServerStreamCall(loop, "AdminService/VerifyMessages"), service_(service) {}

 private:
  struct Damage {
    MailboxId mailbox;
    MessageId message;
    std::string error;
  };

  void RequestCaller(void* tag) override {
    service_.RequestVerifyMessages(&context(), &request(), &writer(), queue(), queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<VerifyMessagesCall>(loop(), service_);
  }

  void Begin() override { SubmitStep(); }

  void OnWritten(bool ok) override {
    if (!ok) return Finish(absl::CancelledError("the caller has gone"));
    if (last_written_) return Finish(absl::OkStatus());
    SubmitStep();
  }

  void SubmitStep() {
    if (!environment().verify_pool.Submit([this] { Step(); })) {
      Finish(absl::ResourceExhaustedError("another verification is running"));
    }
  }

  // On the pool: goes on until there is something to say.
  void Step() {
    while (damages_.empty() && !finished_) {
      absl::Status status = StillWanted();
      if (status.ok()) status = VerifyNext();
      if (!status.ok()) return Finish(status);
    }
    response().Clear();
    if (damages_.empty()) {
      last_written_ = true;
      response().set_checked_count(checked_count_);
      response().set_damaged_count(damaged_count_);
    } else {
      const Damage& damage = damages_.back();
      response().set_mailbox_id(damage.mailbox.value);
      response().set_message_id(damage.message.value);
      response().set_error(damage.error);
      damages_.pop_back();
    }
    Write();
  }

  absl::Status VerifyNext() {
    if (const MailboxId only{request().mailbox_id()}; only.value != 0) {
      finished_ = true;
      RETURN_IF_ERROR(environment().engine.GetAccountByMailbox(only).status());
      return VerifyMailbox(only);
    }
    if (accounts_.empty()) {
      ASSIGN_OR_RETURN(accounts_, environment().engine.ListAccounts("", after_, kMaxPageSize));
      if (accounts_.empty()) {
        finished_ = true;
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(const DirectoryAddress last, CheckAddress("address", accounts_.back().address));
      after_ = last.key;
    }
    const MailboxId mailbox = accounts_.back().mailbox;
    accounts_.pop_back();
    return VerifyMailbox(mailbox);
  }

  absl::Status VerifyMailbox(MailboxId mailbox) {
    absl::StatusOr<uint64_t> checked = environment().engine.Verify(
        mailbox, [this](MailboxId in, MessageId message, const absl::Status& error) {
          ++damaged_count_;
          damages_.push_back({in, message, error.ToString()});
          obs::LogError("message_damaged",
                        {{"mailbox", in.value}, {"message", message.value}, {"error", error.ToString()}});
        });
    // The account was deleted after it was listed.
    if (absl::IsNotFound(checked.status())) return absl::OkStatus();
    if (!checked.ok()) return std::move(checked).status();
    checked_count_ += *checked;
    return absl::OkStatus();
  }

  Async& service_;
  std::vector<Account> accounts_;
  std::string after_;
  std::vector<Damage> damages_;
  uint64_t checked_count_ = 0;
  uint64_t damaged_count_ = 0;
  bool finished_ = false;
  bool last_written_ = false;
};

class AdminService final : public Service {
 public:
  explicit AdminService(Environment& environment) : environment_(environment) {}

  grpc::Service& registered() override { return async_; }

  void Serve(CallLoop& loop) override {
    ServedCall::Serve(std::make_unique<VerifyMessagesCall>(loop, async_));
    ServeUnary(loop, "AdminService/GetStatus", async_, &Async::RequestGetStatus,
               std::bind_front(&AdminService::GetStatus, this));
  }

 private:
  absl::Status GetStatus(const v1::GetStatusRequest&, v1::GetStatusResponse& response) {
    ASSIGN_OR_RETURN(const EngineStatus status, environment_.engine.Status());
    ToProto(status, response);
    const absl::Status health = environment_.engine.Health();
    response.set_healthy(health.ok());
    if (!health.ok()) response.set_health_detail(health.ToString());
    response.set_version(environment_.version);
    ToProto(environment_.clock.Now() - environment_.start_time, *response.mutable_uptime());
    return absl::OkStatus();
  }

  Environment& environment_;
  Async async_;
};

}  // namespace

std::unique_ptr<Service> MakeAdminService(Environment& environment) {
  return std::make_unique<AdminService>(environment);
}

}  // namespace mailstead::store
