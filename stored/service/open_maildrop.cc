#include <memory>
#include <mutex>
#include <utility>

#include "common/base/status.h"
#include "stored/service/mailbox_streams.h"
#include "stored/service/maildrop.h"
#include "stored/service/served_call.h"

namespace mailstead::store {
namespace {

class OpenMaildropCall final : public ServerStreamCall<v1::OpenMaildropRequest, v1::OpenMaildropResponse> {
 public:
  OpenMaildropCall(CallLoop& loop, v1::MailboxService::AsyncService& service)
      : ServerStreamCall(loop, "MailboxService/OpenMaildrop"), service_(service) {}

 private:
  void RequestCaller(void* tag) override {
    service_.RequestOpenMaildrop(&context(), &request(), &writer(), queue(), queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<OpenMaildropCall>(loop(), service_);
  }

  void Begin() override {
    const absl::StatusOr<absl::Duration> min_interval = CheckOpen(request());
    if (!min_interval.ok()) return Finish(min_interval.status());
    environment().engine.OpenMaildrop(
        mailbox(), request().lease_id(), *min_interval,
        [this](absl::StatusOr<Maildrop> maildrop) { Opened(std::move(maildrop)); });
  }

  void OnWritten(bool ok) override {
    if (!ok) return Finish(absl::CancelledError("the caller has gone"));
    if (next_ < maildrop_.messages.size()) return WritePage();
    LogOpen(request(), maildrop_);
    Finish(absl::OkStatus());
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

  MailboxId mailbox() const { return MailboxId{request().mailbox_id()}; }

  void Opened(absl::StatusOr<Maildrop> maildrop) {
    if (!maildrop.ok()) {
      LogOpen(request(), maildrop.status());
      return Finish(maildrop.status());
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
      return Finish(absl::CancelledError("the caller has gone"));
    }
    WritePage();
  }

  void WritePage() {
    response().Clear();
    FillListing(maildrop_, next_, response());
    Write();
  }

  // Should that fail, the lock ends with its lease.
  void Unlock(LeaseToken token) {
    environment().engine.ReleaseMaildrop(mailbox(), token, [](absl::Status) {});
  }

  v1::MailboxService::AsyncService& service_;
  Maildrop maildrop_;
  size_t next_ = 0;
  std::mutex mutex_;
  bool cancelled_ = false;
  // Set once the maildrop is open.
  LeaseToken token_;
};

}  // namespace

void ServeOpenMaildrop(CallLoop& loop, v1::MailboxService::AsyncService& service) {
  ServedCall::Serve(std::make_unique<OpenMaildropCall>(loop, service));
}

}  // namespace mailstead::store
