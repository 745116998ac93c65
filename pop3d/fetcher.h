// Where a message comes from: kept since it was fetched with another one, fetched now together with others,
// or streamed from the store. Who sends it does not see the difference.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "common/store/store_api.h"
#include "pop3d/connection_context.h"
#include "pop3d/read_ahead.h"
#include "pop3d/session/action.h"
#include "pop3d/session/maildrop.h"

namespace mailstead::pop3 {

// A message that is being read, piece by piece; the store sends no faster than that. Destroyed early: the
// rest is not sent.
class OpenedMessage {
 public:
  // A message that is here whole.
  explicit OpenedMessage(store::FetchedMessage message)
      : piece_(std::move(message.content)), delivery_id_(std::move(message.delivery_id)) {}
  // A message whose first piece is here; empty: it has none.
  OpenedMessage(std::string piece, std::unique_ptr<store::Download> rest)
      : piece_(std::move(piece)), delivery_id_(rest->delivery_id()), rest_(std::move(rest)) {}

  // Under which it came in: for the log.
  const std::string& delivery_id() const { return delivery_id_; }
  // The present piece; empty behind the last one.
  absl::string_view piece() const { return piece_; }
  // Goes on to the next piece.
  asio::awaitable<absl::Status> Next();
  // Nothing comes behind the present piece: Next need not be called.
  bool is_last() const { return rest_ == nullptr; }

 private:
  std::string piece_;
  std::string delivery_id_;
  // Null when nothing more comes.
  std::unique_ptr<store::Download> rest_;
};

// Of one session; used by one coroutine at a time.
class Fetcher {
 public:
  // Both outlive it.
  Fetcher(const ConnectionContext& context, const std::string& session_id)
      : context_(context), session_id_(session_id), read_ahead_(context.read_ahead) {}

  // `wanted` is a message of `maildrop` that is not deleted; `maildrop` outlives the call. An error of the
  // store, or DataLoss: the message has another size than its listing says.
  asio::awaitable<absl::StatusOr<OpenedMessage>> Open(std::string grant, const Maildrop& maildrop,
                                                      SendMessageAction wanted);

 private:
  asio::awaitable<absl::StatusOr<OpenedMessage>> OpenWhole(std::string grant, const Maildrop& maildrop,
                                                           SendMessageAction wanted);
  asio::awaitable<absl::StatusOr<OpenedMessage>> OpenStream(std::string grant, SendMessageAction wanted);

  const ConnectionContext& context_;
  const std::string& session_id_;
  ReadAhead read_ahead_;
};

}  // namespace mailstead::pop3
