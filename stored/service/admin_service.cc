#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/service/call.h"
#include "stored/service/convert.h"
#include "stored/service/services.h"

namespace mailstead::store {
namespace {

// Verifies one mailbox after another on a pool of its own, and stops between two of them when the caller has
// gone.
class VerifyReactor final : public grpc::ServerWriteReactor<v1::VerifyMessagesResponse> {
 public:
  VerifyReactor(Environment& environment, grpc::CallbackServerContext* context,
                const v1::VerifyMessagesRequest* request)
      : call_(environment, context, "AdminService/VerifyMessages", Call::Kind::kStream),
        only_{request->mailbox_id()} {
    if (const absl::Status admitted = call_.Admit(); !admitted.ok()) {
      End(admitted);
    } else {
      SubmitStep();
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    if (last_written_) return End(absl::OkStatus());
    SubmitStep();
  }

  void OnCancel() override {}
  void OnDone() override { delete this; }

 private:
  struct Damage {
    MailboxId mailbox;
    MessageId message;
    std::string error;
  };

  void End(const absl::Status& status) { Finish(call_.End(status)); }

  void SubmitStep() {
    if (!call_.environment().verify_pool.Submit([this] { Step(); })) {
      End(absl::ResourceExhaustedError("another verification is running"));
    }
  }

  // On the pool: goes on until there is something to say.
  void Step() {
    while (damages_.empty() && !finished_) {
      absl::Status status = call_.StillWanted();
      if (status.ok()) status = VerifyNext();
      if (!status.ok()) return End(status);
    }
    response_.Clear();
    if (damages_.empty()) {
      last_written_ = true;
      response_.set_checked_count(checked_count_);
      response_.set_damaged_count(damaged_count_);
    } else {
      const Damage& damage = damages_.back();
      response_.set_mailbox_id(damage.mailbox.value);
      response_.set_message_id(damage.message.value);
      response_.set_error(damage.error);
      damages_.pop_back();
    }
    StartWrite(&response_);
  }

  absl::Status VerifyNext() {
    if (only_.value != 0) {
      finished_ = true;
      RETURN_IF_ERROR(call_.environment().engine.GetAccountByMailbox(only_).status());
      return VerifyMailbox(only_);
    }
    if (accounts_.empty()) {
      ASSIGN_OR_RETURN(accounts_, call_.environment().engine.ListAccounts("", after_, kMaxPageSize));
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
    absl::StatusOr<uint64_t> checked = call_.environment().engine.Verify(
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

  Call call_;
  const MailboxId only_;
  std::vector<Account> accounts_;
  std::string after_;
  std::vector<Damage> damages_;
  uint64_t checked_count_ = 0;
  uint64_t damaged_count_ = 0;
  bool finished_ = false;
  bool last_written_ = false;
  v1::VerifyMessagesResponse response_;
};

class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(Environment& environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
                                      v1::GetStatusResponse* response) override {
    const Call call(environment_, context, "AdminService/GetStatus", Call::Kind::kUnary);
    return RunOnPool(call, context, [=, this]() -> absl::Status {
      ASSIGN_OR_RETURN(const EngineStatus status, environment_.engine.Status());
      ToProto(status, *response);
      const absl::Status health = environment_.engine.Health();
      response->set_healthy(health.ok());
      if (!health.ok()) response->set_health_detail(health.ToString());
      response->set_version(environment_.version);
      ToProto(environment_.clock.Now() - environment_.start_time, *response->mutable_uptime());
      return absl::OkStatus();
    });
  }

  grpc::ServerWriteReactor<v1::VerifyMessagesResponse>* VerifyMessages(
      grpc::CallbackServerContext* context, const v1::VerifyMessagesRequest* request) override {
    return new VerifyReactor(environment_, context, request);
  }

 private:
  Environment& environment_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(Environment& environment) {
  return std::make_unique<AdminService>(environment);
}

}  // namespace mailstead::store
