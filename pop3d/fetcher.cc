#include "pop3d/fetcher.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace mailstead::pop3 {

asio::awaitable<absl::Status> OpenedMessage::Next() {
  std::string next;
  bool more = false;
  if (rest_ != nullptr) {
    CO_ASSIGN_OR_RETURN(more, co_await rest_->Read(next));
  }
  piece_ = std::move(next);
  if (!more) rest_.reset();
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<OpenedMessage>> Fetcher::Open(std::string grant, const Maildrop& maildrop,
                                                             SendMessageAction wanted) {
  if (wanted.size_bytes > context_.max_whole_message_bytes) return OpenStream(std::move(grant), wanted);
  return OpenWhole(std::move(grant), maildrop, wanted);
}

asio::awaitable<absl::StatusOr<OpenedMessage>> Fetcher::OpenWhole(std::string grant, const Maildrop& maildrop,
                                                                  SendMessageAction wanted) {
  // One that is not whole is asked for again: its +OK is not out, so what is wrong with it can be said.
  std::optional<store::FetchedMessage> kept = read_ahead_.Take(wanted.id);
  if (kept.has_value() && kept->content.size() == wanted.size_bytes)
    co_return OpenedMessage(*std::move(kept));

  const std::vector<MessageId> ids = read_ahead_.Plan(maildrop, wanted.number);
  store::CallContext call{.session_id = session_id_, .timeout = context_.timeouts.store_call};
  std::vector<absl::StatusOr<store::FetchedMessage>> messages =
      co_await context_.store.FetchMessages(std::move(grant), ids, std::move(call));
  // One that failed is asked for again when the client wants it.
  for (size_t i = 1; i < messages.size() && messages[i].ok(); ++i)
    read_ahead_.Keep(ids[i], *std::move(messages[i]));
  absl::StatusOr<store::FetchedMessage>& message = messages.front();
  CO_RETURN_IF_ERROR(message.status());
  if (message->content.size() != wanted.size_bytes) {
    co_return absl::DataLossError(
        absl::StrCat("the message has ", wanted.size_bytes, " bytes, ", message->content.size(), " came"));
  }
  co_return OpenedMessage(*std::move(message));
}

asio::awaitable<absl::StatusOr<OpenedMessage>> Fetcher::OpenStream(std::string grant,
                                                                   SendMessageAction wanted) {
  const ConnectionTimeouts& timeouts = context_.timeouts;
  const uint64_t slowest_seconds = wanted.size_bytes / timeouts.fetch_min_bytes_per_second;
  store::CallContext call{.session_id = session_id_,
                          .timeout = timeouts.fetch_base + absl::Seconds(slowest_seconds)};
  std::unique_ptr<store::Download> download =
      context_.store.FetchMessage(std::move(grant), wanted.id, std::move(call));
  // +OK waits for the first piece: until then a failure can still be told.
  std::string piece;
  const absl::StatusOr<bool> more = co_await download->Read(piece);
  CO_RETURN_IF_ERROR(more.status());
  co_return OpenedMessage(std::move(piece), std::move(download));
}

}  // namespace mailstead::pop3
