#include <algorithm>
#include <mutex>
#include <utility>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/core/names.h"
#include "stored/service/call.h"
#include "stored/service/convert.h"
#include "stored/service/maildrop.h"

namespace mailstead::store {
namespace {

// About 70 bytes each: a response stays far below what a client takes in one message.
constexpr size_t kMessagesPerResponse = 2000;

class OpenMaildropReactor final : public grpc::ServerWriteReactor<v1::OpenMaildropResponse> {
 public:
  OpenMaildropReactor(Environment& environment, grpc::CallbackServerContext* context,
                      const v1::OpenMaildropRequest* request)
      : call_(environment, context, "MailboxService/OpenMaildrop", Call::Kind::kStream),
        mailbox_{request->mailbox_id()},
        session_id_(request->session_id()) {
    absl::Duration min_interval;
    if (const absl::Status checked = Check(*request, min_interval); !checked.ok()) {
      End(checked);
    } else {
      environment.engine.OpenMaildrop(
          mailbox_, request->lease_id(), min_interval,
          [this](absl::StatusOr<Maildrop> maildrop) { Opened(std::move(maildrop)); });
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    if (next_ < maildrop_.messages.size()) return WritePage();
    obs::LogInfo("maildrop_opened", {{"session", session_id_},
                                     {"mailbox", mailbox_.value},
                                     {"token", maildrop_.token.value},
                                     {"messages", maildrop_.messages.size()}});
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

  absl::Status Check(const v1::OpenMaildropRequest& request, absl::Duration& min_interval) {
    RETURN_IF_ERROR(call_.Admit());
    if (request.mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
    RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
    RETURN_IF_ERROR(CheckLogText("session_id", request.session_id()));
    ASSIGN_OR_RETURN(min_interval, FromProto("min_interval", request.min_interval()));
    return absl::OkStatus();
  }

  void Opened(absl::StatusOr<Maildrop> maildrop) {
    if (!maildrop.ok()) {
      obs::LogInfo(
          "maildrop_refused",
          {{"session", session_id_}, {"mailbox", mailbox_.value}, {"error", maildrop.status().ToString()}});
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
    if (next_ == 0) response_.set_token(maildrop_.token.value);
    const size_t end = std::min(next_ + kMessagesPerResponse, maildrop_.messages.size());
    for (; next_ < end; ++next_) ToListing(maildrop_.messages[next_], *response_.add_messages());
    StartWrite(&response_);
  }

  // Should that fail, the lock ends with its lease.
  void Unlock(LeaseToken token) {
    call_.environment().engine.ReleaseMaildrop(mailbox_, token, [](absl::Status) {});
  }

  Call call_;
  const MailboxId mailbox_;
  const std::string session_id_;
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
