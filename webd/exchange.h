// One request and its answer, whatever version of HTTP carries them. A session (http1_session.h) makes it; who answers it
// (answerer.h) knows nothing of the version.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "webd/http/request_head.h"
#include "webd/http/response_head.h"

namespace mailstead::web {

// Used by one coroutine, on the executor of the connection. When the client has gone all that is written is thrown away.
class Exchange {
 public:
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  virtual const RequestHead& head() const = 0;
  // When the head was there.
  absl::Time begun() const { return begun_; }

  // --- The body of the request

  // A longer one is an error. Before it is read; without it any length is good.
  virtual void LimitBody(uint64_t max_bytes) = 0;
  // Its next bytes; none: its end. They are waited for until `deadline`. Errors: InvalidArgument and DeadlineExceeded, and then
  // body_error_status() is what to refuse the request with; Cancelled: Wake was called, or nothing can be written any more
  // (over). After another error than being woken the rest cannot be read.
  virtual asio::awaitable<absl::StatusOr<std::string>> ReadBody(absl::Time deadline) = 0;
  // 400, 408 or 413.
  virtual int body_error_status() const = 0;

  // --- The answer: whole, or in pieces

  // Fields that the answer has, whatever it is.
  void AddFields(std::vector<HeaderField> fields) { added_ = std::move(fields); }

  // With what is common to all answers (response_head.h). What was not read of the request is read and thrown away where it
  // is short; else the connection ends behind the answer, or, in HTTP/2, the request.
  asio::awaitable<void> Respond(ResponseHead head, std::string body) {
    return SendWhole(WithAdded(std::move(head)), std::move(body));
  }
  // Of a length that is not known, unless the head has it.
  asio::awaitable<void> Begin(ResponseHead head) {
    left_ = this->head().method == "HEAD" ? 0 : head.content_length;
    return SendHead(WithAdded(std::move(head)));
  }
  // Waits until the client takes more (back-pressure). Not of a HEAD. What is beyond the length that the head has is not written.
  asio::awaitable<void> Write(std::string bytes) {
    // SECURITY: what stood behind the end would be read as the next answer.
    if (left_.has_value()) bytes.resize(std::min<uint64_t>(*left_, bytes.size()));
    if (left_.has_value()) *left_ -= bytes.size();
    return SendPiece(std::move(bytes));
  }
  // When less was written than the length that the head has, the client sees that the answer is broken.
  virtual asio::awaitable<void> Finish() = 0;

  // --- The client's end

  // Nothing that is written reaches the client any more.
  virtual bool over() const = 0;
  // The process ends: an answer without an end should end now.
  virtual bool draining() const = 0;
  // Waits until Wake is called, the client has gone (over), or the process ends (draining).
  virtual asio::awaitable<void> AwaitWake() = 0;
  // Ends the AwaitWake or ReadBody that is under way, if there is one; on the executor of the connection.
  virtual void Wake() = 0;

 protected:
  explicit Exchange(absl::Time begun) : begun_(begun) {}
  virtual ~Exchange() = default;
  void set_begun(absl::Time begun) { begun_ = begun; }

  // Respond, Begin and Write. A piece may be empty, and is nothing then.
  virtual asio::awaitable<void> SendWhole(ResponseHead head, std::string body) = 0;
  virtual asio::awaitable<void> SendHead(ResponseHead head) = 0;
  virtual asio::awaitable<void> SendPiece(std::string bytes) = 0;
  // Less was written than the length says.
  bool is_short() const { return left_.value_or(0) > 0; }

 private:
  ResponseHead WithAdded(ResponseHead head) const {
    head.fields.insert(head.fields.end(), added_.begin(), added_.end());
    return head;
  }

  std::vector<HeaderField> added_;
  // Of the length that the answer's head has, how much is still to come.
  std::optional<uint64_t> left_;
  absl::Time begun_;
};

}  // namespace mailstead::web
