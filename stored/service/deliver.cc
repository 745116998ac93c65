#include "stored/service/deliver.h"

#include <optional>
#include <string>
#include <utility>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/core/delivery.h"
#include "stored/core/limits.h"
#include "stored/service/convert.h"
#include "stored/service/mailbox_streams.h"
#include "stored/service/served_call.h"

namespace mailstead::store {
namespace {

// One step at a time: read a message, take it, read the next; so at most one chunk of a stream is in memory,
// and a slow disk slows the sender down. What costs little never leaves the loop's thread until the engine has
// it.
class DeliverCall final : public ClientStreamCall<v1::DeliverRequest, v1::DeliverResponse> {
 public:
  DeliverCall(CallLoop& loop, v1::MailboxService::AsyncService& service)
      : ClientStreamCall(loop, "MailboxService/Deliver"),
        service_(service),
        message_(environment().engine, environment().max_message_bytes) {}

 private:
  void RequestCaller(void* tag) override {
    service_.RequestDeliver(&context(), &reader(), queue(), queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<DeliverCall>(loop(), service_);
  }

  void Begin() override { Read(); }

  void OnRead(bool ok) override {
    if (!ok) return End(absl::CancelledError("the stream ended before its last message; nothing is stored"));
    if (const absl::Status checked = Check(); !checked.ok()) return End(checked);
    const size_t more_bytes = request().content().size();
    const bool must_look_up = !delivery_.has_value() && NeedsLookUp(envelope_);
    if (!must_look_up && more_bytes <= kMaxHashedAtOnce && !message_.WouldBlock(more_bytes)) return Take();
    if (!environment().disk_pool.Submit([this] { Take(); })) End(Busy());
  }

  void End(const absl::Status& status) {
    if (!status.ok()) LogRefusal(envelope_, status);
    Finish(status);
  }

  absl::Status Check() {
    if (request().content().size() > kMaxContentChunkBytes)
      return FieldError("content", "must have at most 1 MiB");
    if (delivery_.has_value()) {
      if (request().has_envelope()) return FieldError("envelope", "must be in the first message only");
      return absl::OkStatus();
    }
    if (!request().has_envelope()) return FieldError("envelope", "must be in the first message");
    Envelope envelope = FromProto(request().envelope());
    RETURN_IF_ERROR(CheckEnvelope(envelope));
    // Only now: what goes to the log has been checked.
    envelope_ = std::move(envelope);
    return absl::OkStatus();
  }

  // On the pool where it may block.
  void Take() {
    if (const absl::Status taken = TakeRequest(); !taken.ok()) return End(taken);
    if (!request().last()) return Read();
    mailbox_count_ = delivery_->recipients.size();
    message_.Commit(*std::move(delivery_),
                    [this](absl::StatusOr<Receipt> receipt) { Reply(std::move(receipt)); });
  }

  absl::Status TakeRequest() {
    RETURN_IF_ERROR(StillWanted());
    if (!delivery_.has_value()) {
      ASSIGN_OR_RETURN(delivery_, ResolveEnvelope(envelope_, environment().recipients, environment().clock));
      request().clear_envelope();
    }
    // Moved out, so that a stream that waits for its next chunk holds no memory of the last one.
    const std::string content = std::move(*request().mutable_content());
    request().clear_content();
    return message_.Append(content);
  }

  // On a thread of the engine.
  void Reply(absl::StatusOr<Receipt> receipt) {
    if (!receipt.ok()) return End(receipt.status());
    TakeReceipt(environment(), envelope_, {mailbox_count_, message_.size_bytes(), Took()}, *receipt,
                response());
    End(absl::OkStatus());
  }

  v1::MailboxService::AsyncService& service_;
  Envelope envelope_;
  // Set once the envelope is resolved.
  std::optional<Delivery> delivery_;
  IncomingMessage message_;
  size_t mailbox_count_ = 0;
};

}  // namespace

void LogRefusal(const Envelope& envelope, const absl::Status& status) {
  obs::LogInfo(
      "delivery_refused",
      {{"session", envelope.session_id}, {"delivery", envelope.delivery_id}, {"error", status.ToString()}});
}

void TakeReceipt(Environment& environment, const Envelope& envelope, const DeliveryFacts& facts,
                 const Receipt& receipt, v1::DeliverResponse& response) {
  response.set_delivery_id(receipt.delivery_id);
  response.set_already_stored(receipt.already_stored);
  response.set_sha256(receipt.sha256);
  ToProto(receipt.deliver_time, *response.mutable_deliver_time());
  environment.metrics.CountDelivery(facts.mailbox_count, facts.size_bytes, receipt.already_stored);
  obs::LogInfo("delivered",
               {{"session", envelope.session_id},
                {"delivery", envelope.delivery_id},
                {"mailboxes", facts.mailbox_count},
                {"bytes", facts.size_bytes},
                {"already_stored", receipt.already_stored},
                {"client", envelope.client_address},
                {"duration", absl::FormatDuration(absl::Trunc(facts.took, absl::Microseconds(1)))}});
}

void ServeDeliver(CallLoop& loop, v1::MailboxService::AsyncService& service) {
  ServedCall::Serve(std::make_unique<DeliverCall>(loop, service));
}

}  // namespace mailstead::store
