#include "webd/client_link.h"

#include <utility>

#include "webd/limits.h"

namespace mailstead::web {

ClientLink::ClientLink(const ConnectionContext& context, asio::ip::tcp::socket socket)
    : context_(context), stream_(std::move(socket)), journal_(context.metrics, stream_) {}

asio::awaitable<absl::Status> ClientLink::Fill(absl::Duration timeout) {
  const auto take = [this](absl::string_view bytes) { input_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, kReadBytes, timeout);
  co_return status;
}

asio::awaitable<absl::Status> ClientLink::AwaitInput(absl::Duration timeout) {
  const Waiting waiting(*this);
  absl::Status status = co_await Fill(timeout);
  co_return status;
}

asio::awaitable<void> ClientLink::WriteAll(std::string bytes, absl::Duration timeout) {
  if (closed_) co_return;
  const absl::Status status = co_await stream_.Write(bytes, timeout);
  if (!status.ok()) EndFor(status, "write_timeout");
}

void ClientLink::End(absl::string_view reason) {
  if (end_reason_.empty()) end_reason_ = reason;
}

void ClientLink::EndFor(const absl::Status& status, absl::string_view timeout_reason) {
  if (absl::IsDeadlineExceeded(status)) {
    End(timeout_reason);
  } else {
    End(absl::IsCancelled(status) ? "shutdown" : "vanished");
  }
}

void ClientLink::Drain() {
  draining_ = true;
  if (waiting_for_client_) stream_.Interrupt();
}

void ClientLink::Close() {
  draining_ = true;
  closed_ = true;
  stream_.Close();
}

// Closing a socket with unread input resets the connection, and the reset can overtake our last response on its way to the
// client. So a client that still talks is listened to for a moment.
asio::awaitable<void> ClientLink::LeaveGently() {
  stream_.ShutdownSend();
  if (!is_talked_to_ && input_.empty() && !stream_.HasPendingInput()) co_return;
  const absl::Time deadline = context_.steady.Now() + kLeaveTimeout;
  for (size_t heard = 0; heard < kMaxLeaveBytes && !closed_;) {
    input_.Clear();
    const absl::Status status = co_await Fill(deadline - context_.steady.Now());
    if (!status.ok()) co_return;
    heard += input_.bytes().size();
  }
}

}  // namespace mailstead::web
