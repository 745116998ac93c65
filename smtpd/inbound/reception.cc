#include "smtpd/inbound/reception.h"

#include <algorithm>
#include <utility>

#include "common/store/retry.h"
#include "smtpd/inbound/metrics.h"
#include "smtpd/session/store_replies.h"

namespace mailstead::smtp {
namespace {

MessageIntake::Options IntakeOptions(const Reception::Options& options, TraceInfo trace) {
  return {.max_message_bytes = options.limits.max_message_bytes,
          .max_received_headers = options.limits.max_received_headers,
          .bare_line_ends = options.limits.bare_line_ends,
          .submitted = options.submitted,
          .trace = std::move(trace)};
}

Reception::Outcome CutShort(absl::Status status) {
  return {.kind = Reception::Outcome::Kind::kCutShort, .status = std::move(status)};
}

}  // namespace

absl::Duration MessageDeadline::NextWait() const {
  return std::min(began_ + limits_.message_timeout - steady_.Now(), limits_.data_timeout);
}

asio::awaitable<absl::Status> SwallowChunk(Input& input, uint64_t size_bytes, MessageDeadline deadline) {
  uint64_t left = size_bytes;
  while (left > 0) {
    if (input.empty()) {
      absl::Status filled = co_await input.Fill(deadline.NextWait());
      if (!filled.ok()) co_return filled;
    }
    const size_t size = input.bytes().substr(0, left).size();
    left -= size;
    input.Consume(size);
  }
  co_return absl::OkStatus();
}

Reception::Reception(Options options, Envelope envelope, TraceInfo trace)
    : options_(std::move(options)),
      envelope_(std::move(envelope)),
      deadline_(options_.limits, options_.steady),
      intake_(IntakeOptions(options_, std::move(trace))) {}

asio::awaitable<Reception::Outcome> Reception::ReceiveData(Input& input) {
  while (true) {
    if (input.empty()) {
      absl::Status filled = co_await input.Fill(deadline_.NextWait());
      if (!filled.ok()) co_return CutShort(std::move(filled));
    }
    const DotDecoder::Result result = intake_.FeedData(input.bytes());
    input.Consume(result.consumed);
    if (result.done) break;
    co_await PassOn();
  }
  Outcome outcome = co_await Finish();
  co_return outcome;
}

asio::awaitable<Reception::Outcome> Reception::ReceiveChunk(Input& input, uint64_t size_bytes, bool last) {
  uint64_t left = size_bytes;
  while (left > 0) {
    if (input.empty()) {
      absl::Status filled = co_await input.Fill(deadline_.NextWait());
      if (!filled.ok()) co_return CutShort(std::move(filled));
    }
    const absl::string_view octets = input.bytes().substr(0, left);
    intake_.FeedChunk(octets);
    left -= octets.size();
    input.Consume(octets.size());
    co_await PassOn();
  }
  if (!last && intake_.defect() == MessageDefect::kNone)
    co_return Outcome{.kind = Outcome::Kind::kChunkTaken};
  if (last) intake_.FinishChunks();
  Outcome outcome = co_await Finish();
  co_return outcome;
}

asio::awaitable<void> Reception::PassOn() {
  if (intake_.defect() != MessageDefect::kNone) {
    upload_.reset();
  } else if (intake_.has_full_piece()) {
    co_await Upload(intake_.Take());
  }
}

asio::awaitable<void> Reception::Upload(std::string piece) {
  if (!upload_failure_.ok()) co_return;
  if (upload_ == nullptr) {
    store::CallContext context = options_.call;
    context.timeout += options_.limits.message_timeout;
    upload_ = options_.store.StartUpload(envelope_, options_.client_address, options_.call.timeout,
                                         std::move(context));
  }
  upload_failure_ = co_await upload_->Write(std::move(piece));
  if (upload_failure_.ok()) co_return;
  NoteUpload(upload_failure_);
  upload_.reset();
}

asio::awaitable<Reception::Outcome> Reception::Finish() {
  if (intake_.defect() != MessageDefect::kNone) {
    upload_.reset();
    co_return Outcome{.kind = Outcome::Kind::kRefused, .defect = intake_.defect()};
  }
  const absl::Time ended = options_.steady.Now();
  const absl::StatusOr<MessageDefect> forged = co_await CheckOriginators();
  if (!forged.ok() || *forged != MessageDefect::kNone) {
    upload_.reset();
    if (!forged.ok()) co_return Outcome{.kind = Outcome::Kind::kNotStored, .status = forged.status()};
    co_return Outcome{.kind = Outcome::Kind::kRefused, .defect = *forged};
  }
  absl::Status status = co_await Deliver();
  // Where the message leads the store knows. Our number counts what the client sent, with what was taken out of it.
  if (IsLongLine(status)) {
    co_return Outcome{
        .kind = Outcome::Kind::kRefused, .defect = MessageDefect::kLongLine, .line = intake_.long_line()};
  }
  if (!status.ok()) co_return Outcome{.kind = Outcome::Kind::kNotStored, .status = std::move(status)};
  const absl::Time stored = options_.steady.Now();
  co_return Outcome{
      .kind = Outcome::Kind::kStored, .total = stored - deadline_.began(), .store_wait = stored - ended};
}

asio::awaitable<absl::StatusOr<MessageDefect>> Reception::CheckOriginators() {
  if (options_.from_account.empty()) co_return MessageDefect::kNone;
  const Originators& originators = intake_.originators();
  if (!originators.readable()) co_return MessageDefect::kUnreadableFrom;
  for (const std::string& address : originators.addresses()) {
    // MAIL asked about that one, and most mail has no other.
    if (address == envelope_.reverse_path) continue;
    const absl::StatusOr<bool> allowed =
        co_await options_.store.CheckSender(options_.from_account, address, options_.call);
    if (!allowed.ok()) co_return allowed.status();
    if (!*allowed) co_return MessageDefect::kForeignFrom;
  }
  co_return MessageDefect::kNone;
}

asio::awaitable<absl::Status> Reception::Deliver() {
  if (!upload_failure_.ok()) co_return upload_failure_;
  if (upload_ == nullptr) {
    // A message in one piece is tried again with the same delivery id; of a greater one the first pieces are
    // gone.
    const std::string content = intake_.Take();
    const std::string trace = intake_.Trace();
    absl::Status whole =
        co_await options_.store.Deliver(envelope_, options_.client_address, content, trace, options_.call);
    co_return whole;
  }
  absl::Status status = co_await upload_->Finish(intake_.Take(), intake_.Trace());
  upload_.reset();
  if (!status.ok()) NoteUpload(status);
  co_return status;
}

void Reception::NoteUpload(const absl::Status& status) {
  // Other failures are counted where the session hears of them; the pieces of a message are no tries of a
  // call.
  if (store::WorthTryingAgain(status)) options_.metrics.StoreFailure("deliver", status);
}

}  // namespace mailstead::smtp
