#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/status.h"
#include "stored/service/call.h"
#include "stored/service/maildrop.h"

namespace mailstead::store {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

// Reads a chunk on the pool, writes it, reads the next: a slow reader holds one chunk and no thread.
class FetchMessageReactor final : public grpc::ServerWriteReactor<v1::FetchMessageResponse> {
 public:
  FetchMessageReactor(Environment& environment, grpc::CallbackServerContext* context,
                      const v1::FetchMessageRequest* request)
      : call_(environment, context, "MailboxService/FetchMessage", Call::Kind::kStream),
        request_(request),
        offset_(request->read_offset()) {
    if (const absl::Status checked = Check(); !checked.ok()) {
      End(checked);
    } else {
      SubmitStep();
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    SubmitStep();
  }

  void OnCancel() override {}
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) {
    call_.environment().metrics.CountFetchedBytes(offset_ - request_->read_offset());
    LogFetch(*request_, status);
    Finish(call_.End(status));
  }

  absl::Status Check() {
    RETURN_IF_ERROR(call_.Admit());
    return CheckFetch(*request_);
  }

  void SubmitStep() {
    if (!call_.environment().disk_pool.Submit([this] { Step(); })) End(Busy());
  }

  // On the pool.
  void Step() {
    absl::Status status = call_.StillWanted();
    if (status.ok() && reader_ == nullptr) status = Open();
    if (status.ok()) status = ReadChunk();
    if (!status.ok()) return End(status);
    if (offset_ < end_) return StartWrite(&response_);
    if (response_.content().empty()) return End(absl::OkStatus());
    call_.environment().metrics.CountFetchedBytes(offset_ - request_->read_offset());
    StartWriteAndFinish(&response_, grpc::WriteOptions(), call_.End(absl::OkStatus()));
  }

  absl::Status Open() {
    ASSIGN_OR_RETURN(reader_, call_.environment().engine.OpenMessage(MailboxId{request_->mailbox_id()},
                                                                     MessageId{request_->message_id()}));
    response_.set_delivery_id(reader_->delivery_id());
    const uint64_t size = reader_->size_bytes();
    if (offset_ > size) return absl::OutOfRangeError("read_offset is past the end");
    const uint64_t left = size - offset_;
    end_ = offset_ + (request_->read_limit() == 0 ? left : std::min<uint64_t>(left, request_->read_limit()));
    return absl::OkStatus();
  }

  absl::Status ReadChunk() {
    response_.clear_content();
    if (offset_ > request_->read_offset()) response_.clear_delivery_id();
    if (offset_ == end_) return absl::OkStatus();
    const size_t wanted = std::min<uint64_t>(end_ - offset_, kChunkBytes);
    ASSIGN_OR_RETURN(*response_.mutable_content(), reader_->Read(offset_, wanted));
    if (response_.content().empty()) return absl::DataLossError("the message is shorter than its index says");
    offset_ += response_.content().size();
    return absl::OkStatus();
  }

  Call call_;
  const v1::FetchMessageRequest* const request_;
  std::unique_ptr<MessageReader> reader_;
  uint64_t offset_;
  uint64_t end_ = 0;
  v1::FetchMessageResponse response_;
};

}  // namespace

grpc::ServerWriteReactor<v1::FetchMessageResponse>* NewFetchMessageReactor(
    Environment& environment, grpc::CallbackServerContext* context, const v1::FetchMessageRequest* request) {
  return new FetchMessageReactor(environment, context, request);
}

}  // namespace mailstead::store
