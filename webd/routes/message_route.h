// A message as it is stored, or one part of it, as a file: FetchMessage of the store, by GET.
//
// SECURITY: a stranger wrote it. It is always an attachment, in a sandbox, of a type that no browser makes a document of: raw mail
// is message/rfc822, pictures of the usual kinds are what they say, and all else is application/octet-stream. The declared
// type of a part would be obeyed where a page makes a Blob of the answer and opens that: with text/html the mail's scripts
// would run as the page's own. GetMessage tells what a part says that it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "common/base/byte_budget.h"
#include "mailstead/store/v1/message.pb.h"
#include "webd/answerer.h"
#include "webd/exchange.h"
#include "webd/http/range.h"
#include "webd/http/response_head.h"
#include "webd/routes/route.h"
#include "webd/store_stream.h"

namespace mailstead::web {

class MessageRoute {
 public:
  // All outlive it. Of a GET or HEAD without a body.
  MessageRoute(Answerer& answerer, Exchange& exchange, const Route& route);
  MessageRoute(const MessageRoute&) = delete;
  MessageRoute& operator=(const MessageRoute&) = delete;

  // To the end of the answer. Once.
  asio::awaitable<void> Run();

 private:
  asio::awaitable<void> Fail(absl::Status error);
  // 304, 412, 416.
  asio::awaitable<void> AnswerNotModified();
  asio::awaitable<void> AnswerFailedCondition();
  asio::awaitable<void> AnswerUnsatisfiable();

  // What is known of the message without its bytes.
  asio::awaitable<absl::StatusOr<store::v1::MessageSummary>> Summary();
  // Begins to fetch, up to the first piece; also what part it is. `limit` 0: to the end.
  asio::awaitable<absl::Status> Open(uint64_t offset, uint64_t limit);
  asio::awaitable<void> CloseStream();
  // Takes the next piece into piece_; false: there is none.
  asio::awaitable<absl::StatusOr<bool>> Next();
  // size_ and what the head says, of the part or of the whole.
  asio::awaitable<absl::Status> Describe(const store::v1::MessageSummary& summary);
  asio::awaitable<void> Send(std::optional<ByteRange> range);

  bool is_head() const { return exchange_.head().method == "HEAD"; }
  bool of_part() const { return route_.kind == RouteKind::kPart; }

  Answerer& answerer_;
  const ConnectionContext& context_;
  Exchange& exchange_;
  const Route& route_;
  std::string authorization_;
  std::string etag_;
  // As the head asks for it, and as far as it counts.
  std::optional<RangeSpec> range_;

  std::unique_ptr<StoreStream> stream_;
  std::string piece_;
  // Of the part, once a stream was opened.
  store::v1::Part part_;
  // Of what is given without a range.
  uint64_t size_ = 0;
  // Of two pieces: the one that is written, and the one behind it.
  ByteHold held_;
};

}  // namespace mailstead::web
