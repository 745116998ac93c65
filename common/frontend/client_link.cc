#include "common/frontend/client_link.h"

#include <utility>

namespace mailstead::frontend {

ClientLink::ClientLink(asio::ip::tcp::socket socket, const Clock& steady, const ClientLinkOptions& options)
    : stream_(std::move(socket)), steady_(steady), options_(options) {}

asio::awaitable<absl::Status> ClientLink::Fill(absl::Duration timeout) {
  const auto take = [this](absl::string_view bytes) { input_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, options_.read_bytes, timeout);
  co_return status;
}

asio::awaitable<absl::Status> ClientLink::AwaitInput(absl::Duration timeout) {
  const Waiting waiting(*this);
  // Not by Fill: an idle connection keeps each frame.
  const auto take = [this](absl::string_view bytes) { input_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, options_.read_bytes, timeout);
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

// Closing a socket with unread input resets the connection, and the reset can overtake our last reply on its way to the
// client. So a client that still talks is listened to for a moment.
asio::awaitable<void> ClientLink::LeaveGently() {
  stream_.ShutdownSend();
  if (!is_talked_to_ && input_.empty() && !stream_.HasPendingInput()) co_return;
  const absl::Time deadline = steady_.Now() + options_.leave_timeout;
  for (size_t heard = 0; heard < options_.max_leave_bytes && !closed_;) {
    input_.Clear();
    const absl::Status status = co_await Fill(deadline - steady_.Now());
    if (!status.ok()) co_return;
    heard += input_.bytes().size();
  }
}

}  // namespace mailstead::frontend
