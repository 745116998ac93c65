#include <mutex>
#include <utility>

#include "common/base/status.h"
#include "stored/service/call.h"
#include "stored/service/maildrop.h"

namespace mailstead::store {
namespace {

class OpenMaildropReactor final : public grpc::ServerWriteReactor<v1::OpenMaildropResponse> {
 public:
  OpenMaildropReactor(Environment& environment, grpc::CallbackServerContext* context,
                      const v1::OpenMaildropRequest* request)
      : call_(environment, context, "MailboxService/OpenMaildrop", Call::Kind::kStream),
        mailbox_{request->mailbox_id()},
        request_(request) {
    if (const absl::StatusOr<absl::Duration> min_interval = Check(); !min_interval.ok()) {
      End(min_interval.status());
    } else {
      environment.engine.OpenMaildrop(
          mailbox_, request->lease_id(), *min_interval,
          [this](absl::StatusOr<Maildrop> maildrop) { Opened(std::move(maildrop)); });
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    if (next_ < maildrop_.messages.size()) return WritePage();
    LogOpen(*request_, maildrop_);
    End(absl::OkStatus());
  }

  // The caller has gone, and nobody else knows the token: unlock now, since a write that is on its way may
  // wait for the socket for long.
  void OnCancel() override {
    LeaseToken token;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      cancelled_ = true;
      token = token_;
    }
    if (token.value != 0) Unlock(token);
  }

  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) { Finish(call_.End(status)); }

  absl::StatusOr<absl::Duration> Check() {
    RETURN_IF_ERROR(call_.Admit());
    return CheckOpen(*request_);
  }

  void Opened(absl::StatusOr<Maildrop> maildrop) {
    if (!maildrop.ok()) {
      LogOpen(*request_, maildrop.status());
      return End(maildrop.status());
    }
    maildrop_ = *std::move(maildrop);
    bool gone;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      gone = cancelled_;
      token_ = maildrop_.token;
    }
    if (gone) {
      Unlock(maildrop_.token);
      return End(absl::CancelledError("the caller has gone"));
    }
    WritePage();
  }

  void WritePage() {
    response_.Clear();
    FillListing(maildrop_, next_, response_);
    StartWrite(&response_);
  }

  // Should that fail, the lock ends with its lease.
  void Unlock(LeaseToken token) {
    call_.environment().engine.ReleaseMaildrop(mailbox_, token, [](absl::Status) {});
  }

  Call call_;
  const MailboxId mailbox_;
  const v1::OpenMaildropRequest* const request_;
  Maildrop maildrop_;
  size_t next_ = 0;
  v1::OpenMaildropResponse response_;
  std::mutex mutex_;
  bool cancelled_ = false;
  // Set once the maildrop is open.
  LeaseToken token_;
};

}  // namespace

grpc::ServerWriteReactor<v1::OpenMaildropResponse>* NewOpenMaildropReactor(
    Environment& environment, grpc::CallbackServerContext* context, const v1::OpenMaildropRequest* request) {
  return new OpenMaildropReactor(environment, context, request);
}

}  // namespace mailstead::store
