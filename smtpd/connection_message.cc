// How a connection receives a message: the part of Connection from DATA or BDAT to the store's word.
#include <algorithm>
#include <utility>

#include "common/obs/log.h"
#include "smtpd/connection.h"
#include "smtpd/inbound/delivery.h"
#include "smtpd/inbound/message_intake.h"
#include "smtpd/metrics.h"
#include "smtpd/steady_clock.h"
#include "smtpd/store_client.h"

namespace mailstead::smtp {
namespace {

constexpr size_t kDeliveryIdCharacters = 26;

}  // namespace

DeliveryEnvelope Connection::MakeEnvelope(const Transaction& transaction) const {
  DeliveryEnvelope envelope;
  envelope.delivery_id = context_.new_id(kDeliveryIdCharacters);
  envelope.reverse_path = transaction.mail.reverse_path.ToString();
  for (const AcceptedRecipient& recipient : transaction.recipients) {
    envelope.recipients.push_back({recipient.command.forward_path.ToString(), recipient.mailbox_ids,
                                   recipient.command.notify, recipient.command.orcpt});
  }
  envelope.dsn_ret = transaction.mail.ret;
  envelope.dsn_envid = transaction.mail.envid;
  envelope.session_id = id_;
  envelope.client_address = client_;
  return envelope;
}

void Connection::BeginMessage() {
  const Dialog& dialog = session_.dialog();
  const Transaction& transaction = *dialog.transaction;
  DeliveryEnvelope envelope = MakeEnvelope(transaction);
  MessageIntake::Options options;
  options.max_message_bytes = context_.session.limits.max_message_bytes;
  options.max_received_headers = context_.session.limits.max_received_headers;
  options.bare_line_ends = context_.session.limits.bare_line_ends;
  options.add_missing_fields = context_.session.is_submission();
  options.trace.helo = dialog.helo;
  options.trace.client_address = client_;
  options.trace.hostname = context_.session.hostname;
  options.trace.delivery_id = envelope.delivery_id;
  if (envelope.recipients.size() == 1) options.trace.recipient = envelope.recipients.front().address;
  if (stream_.tls() != nullptr) {
    options.trace.tls_version = stream_.tls()->version;
    options.trace.tls_cipher = stream_.tls()->cipher;
  }
  options.trace.esmtp = dialog.esmtp;
  options.trace.authenticated = !dialog.account.empty();
  options.trace.smtp_utf8 = transaction.mail.smtp_utf8;
  options.trace.time = context_.clock.Now();
  intake_ = std::make_unique<MessageIntake>(std::move(options));
  delivery_ = std::make_unique<Delivery>(context_.store, context_.metrics, std::move(envelope));
  message_started_ = SteadyNow();
}

void Connection::EndMessage() {
  delivery_.reset();
  intake_.reset();
}

asio::awaitable<absl::Status> Connection::FillForMessage() {
  const absl::Duration left = message_started_ + context_.session.limits.message_timeout - SteadyNow();
  absl::Status filled = co_await Fill(std::min(left, context_.session.limits.data_timeout));
  co_return filled;
}

Action Connection::MessageCutShort(const absl::Status& status) {
  // Without its end a message is nobody's promise: nothing is stored, the client still has it.
  obs::LogInfo("message_cut_short", {{"session", id_}, {"client", client_}, {"error", status.message()}});
  EndMessage();
  return EndAfter(status);
}

asio::awaitable<void> Connection::PassOn() {
  if (intake_->defect() != MessageDefect::kNone) {
    delivery_->Abandon();
  } else if (intake_->has_full_piece()) {
    co_await delivery_->Pass(intake_->Take());
  }
}

asio::awaitable<Action> Connection::Do(ReceiveData) {
  const absl::Status flushed = co_await Flush();
  if (!flushed.ok()) co_return EndAfter(flushed);
  BeginMessage();
  while (true) {
    if (input_.empty()) {
      const absl::Status filled = co_await FillForMessage();
      if (!filled.ok()) co_return MessageCutShort(filled);
    }
    const DotDecoder::Result result = intake_->FeedData(input_.bytes());
    input_.Consume(result.consumed);
    if (result.done) break;
    co_await PassOn();
  }
  Action action = co_await FinishMessage();
  co_return action;
}

asio::awaitable<Action> Connection::Do(ReceiveChunk chunk) {
  if (intake_ == nullptr) BeginMessage();
  uint64_t left = chunk.size_bytes;
  while (left > 0) {
    if (input_.empty()) {
      const absl::Status filled = co_await FillForMessage();
      if (!filled.ok()) co_return MessageCutShort(filled);
    }
    const absl::string_view octets = input_.bytes().substr(0, left);
    intake_->FeedChunk(octets);
    left -= octets.size();
    input_.Consume(octets.size());
    co_await PassOn();
  }
  if (!chunk.last && intake_->defect() == MessageDefect::kNone)
    co_return session_.OnChunkTaken(chunk.size_bytes);
  if (chunk.last) intake_->FinishChunks();
  Action action = co_await FinishMessage();
  co_return action;
}

asio::awaitable<Action> Connection::Do(SwallowChunk chunk) {
  message_started_ = SteadyNow();
  uint64_t left = chunk.size_bytes;
  while (left > 0) {
    if (input_.empty()) {
      const absl::Status filled = co_await FillForMessage();
      if (!filled.ok()) co_return EndAfter(filled);
    }
    const size_t size = input_.bytes().substr(0, left).size();
    left -= size;
    input_.Consume(size);
  }
  co_return session_.OnChunkSwallowed();
}

asio::awaitable<Action> Connection::FinishMessage() {
  if (intake_->defect() != MessageDefect::kNone) {
    const MessageDefect defect = intake_->defect();
    const std::string delivery_id = delivery_->envelope().delivery_id;
    EndMessage();
    Action refused = session_.OnMessageRefused(defect);
    LogRefusal("message_refused", "delivery", delivery_id);
    co_return refused;
  }
  const absl::Time ended = SteadyNow();
  const absl::Status status = co_await delivery_->Finish(intake_->Take(), RetryTime());
  NoteStore("deliver", status);
  const DeliveryEnvelope& envelope = delivery_->envelope();
  if (!status.ok()) {
    Action failed = session_.OnStoreFailed(status);
    obs::LogWarning("message_not_stored", {{"session", id_},
                                           {"delivery", envelope.delivery_id},
                                           {"reply", GetReply(session_.dialog().last_reply).name}});
    EndMessage();
    co_return failed;
  }
  const absl::Time stored = SteadyNow();
  ++message_count_;
  context_.metrics.MessageStored(context_.session.kind, intake_->size_bytes(), envelope.recipients.size(),
                                 stored - ended);
  obs::LogInfo("delivered", {{"session", id_},
                             {"delivery", envelope.delivery_id},
                             {"client", client_},
                             {"account", session_.dialog().account},
                             {"from", envelope.reverse_path},
                             {"bytes", intake_->size_bytes()},
                             {"recipients", envelope.recipients.size()},
                             {"duration_ms", absl::ToInt64Milliseconds(stored - message_started_)},
                             {"store_ms", absl::ToInt64Milliseconds(stored - ended)}});
  Action action = session_.OnStored(envelope.delivery_id);
  EndMessage();
  co_return action;
}

}  // namespace mailstead::smtp
