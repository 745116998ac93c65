#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/status.h"
#include "stored/service/mailbox_streams.h"
#include "stored/service/maildrop.h"
#include "stored/service/served_call.h"

namespace mailstead::store {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

// Reads a chunk on the pool, writes it, reads the next: a slow reader holds one chunk and no thread.
class FetchMessageCall final : public ServerStreamCall<v1::FetchMessageRequest, v1::FetchMessageResponse> {
 public:
  FetchMessageCall(CallLoop& loop, v1::MailboxService::AsyncService& service)
      : ServerStreamCall(loop, "MailboxService/FetchMessage"), service_(service) {}

 private:
  void RequestCaller(void* tag) override {
    service_.RequestFetchMessage(&context(), &request(), &writer(), queue(), queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<FetchMessageCall>(loop(), service_);
  }

  void Begin() override {
    offset_ = request().read_offset();
    if (const absl::Status checked = CheckFetch(request()); !checked.ok()) return End(checked);
    SubmitStep();
  }

  void OnWritten(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    SubmitStep();
  }

  void End(const absl::Status& status) {
    CountBytes();
    LogFetch(request(), status);
    Finish(status);
  }

  void CountBytes() { environment().metrics.CountFetchedBytes(offset_ - request().read_offset()); }

  void SubmitStep() {
    if (!environment().disk_pool.Submit([this] { Step(); })) End(Busy());
  }

  // On the pool.
  void Step() {
    absl::Status status = StillWanted();
    if (status.ok() && reader_ == nullptr) status = Open();
    if (status.ok()) status = ReadChunk();
    if (!status.ok()) return End(status);
    if (offset_ < end_) return Write();
    if (response().content().empty()) return End(absl::OkStatus());
    CountBytes();
    WriteAndFinish();
  }

  absl::Status Open() {
    ASSIGN_OR_RETURN(reader_, environment().engine.OpenMessage(MailboxId{request().mailbox_id()},
                                                               MessageId{request().message_id()}));
    response().set_delivery_id(reader_->delivery_id());
    const uint64_t size = reader_->size_bytes();
    if (offset_ > size) return absl::OutOfRangeError("read_offset is past the end");
    const uint64_t left = size - offset_;
    end_ = offset_ + (request().read_limit() == 0 ? left : std::min<uint64_t>(left, request().read_limit()));
    return absl::OkStatus();
  }

  absl::Status ReadChunk() {
    response().clear_content();
    if (offset_ > request().read_offset()) response().clear_delivery_id();
    if (offset_ == end_) return absl::OkStatus();
    const size_t wanted = std::min<uint64_t>(end_ - offset_, kChunkBytes);
    ASSIGN_OR_RETURN(*response().mutable_content(), reader_->Read(offset_, wanted));
    if (response().content().empty())
      return absl::DataLossError("the message is shorter than its index says");
    offset_ += response().content().size();
    return absl::OkStatus();
  }

  v1::MailboxService::AsyncService& service_;
  std::unique_ptr<MessageReader> reader_;
  uint64_t offset_ = 0;
  uint64_t end_ = 0;
};

}  // namespace

void ServeFetchMessage(CallLoop& loop, v1::MailboxService::AsyncService& service) {
  ServedCall::Serve(std::make_unique<FetchMessageCall>(loop, service));
}

}  // namespace mailstead::store
