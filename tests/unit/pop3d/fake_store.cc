#include "tests/unit/pop3d/fake_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/reason.h"

namespace mailstead::pop3 {
namespace {

asio::awaitable<void> Suspend() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

// PLAIN and LOGIN as they are; SCRAM as far as a front-end sees it: a challenge, another that brings the
// server's proof and wants an empty answer, and the verdict. Its "proof" is the password.
class FakeExchange : public SaslExchange {
 public:
  explicit FakeExchange(FakeStore& store) : store_(store) { ++store_.exchanges_running; }
  ~FakeExchange() override { --store_.exchanges_running; }

  asio::awaitable<absl::StatusOr<rpc::AuthStep>> Begin(rpc::AuthStart start) override {
    co_await Suspend();
    if (!store_.away.ok()) co_return store_.away;
    store_.auth_starts.push_back(start);
    mechanism_ = start.mechanism;
    if (absl::EndsWith(mechanism_, "-PLUS") && start.tls_exporter.size() != 32) co_return Malformed();
    if (start.initial_response.has_value()) co_return Step(*start.initial_response);
    co_return Challenge(mechanism_ == "LOGIN" ? "User Name" : "");
  }

  asio::awaitable<absl::StatusOr<rpc::AuthStep>> Respond(std::string response) override {
    co_await Suspend();
    if (!store_.away.ok()) co_return store_.away;
    co_return Step(std::move(response));
  }

 private:
  rpc::AuthStep Step(std::string response) {
    responses_.push_back(std::move(response));
    if (mechanism_ == "PLAIN") {
      const std::vector<std::string> parts = absl::StrSplit(responses_.back(), '\0');
      if (parts.size() != 3) return Malformed();
      return Judge(parts[1], parts[2]);
    }
    if (mechanism_ == "LOGIN") {
      if (responses_.size() == 1) return Challenge("Password");
      return Judge(responses_[0], responses_[1]);
    }
    if (responses_.size() == 1) return Challenge("server nonce");
    if (responses_.size() == 2) return Challenge("server proof");
    if (!responses_[2].empty()) return Malformed();
    return Judge(responses_[0], responses_[1]);
  }

  rpc::AuthStep Judge(const std::string& name, const std::string& password) {
    const auto found = store_.accounts.find(name);
    if (found == store_.accounts.end() || found->second.password != password) {
      return {.kind = rpc::AuthStep::Kind::kInvalidCredentials};
    }
    if (found->second.disabled) return {.kind = rpc::AuthStep::Kind::kDisabled};
    return {.kind = rpc::AuthStep::Kind::kOk, .address = name, .mailbox_id = found->second.mailbox_id};
  }

  static rpc::AuthStep Challenge(std::string text) { return {.challenge = std::move(text)}; }
  static rpc::AuthStep Malformed() { return {.kind = rpc::AuthStep::Kind::kMalformed}; }

  FakeStore& store_;
  std::string mechanism_;
  std::vector<std::string> responses_;
};

class FakeMessageStream : public MessageStream {
 public:
  FakeMessageStream(FakeStore& store, absl::Status failure, std::string content)
      : store_(store), failure_(std::move(failure)), content_(std::move(content)) {
    ++store_.fetches_running;
  }
  ~FakeMessageStream() override { --store_.fetches_running; }
  const std::string& delivery_id() const override { return delivery_id_; }

  asio::awaitable<absl::StatusOr<bool>> Read(std::string& piece) override {
    co_await Suspend();
    if (!store_.away.ok()) co_return store_.away;
    if (!failure_.ok()) co_return failure_;
    size_t end = content_.size();
    if (store_.fetch_ends_after.has_value()) end = std::min(end, *store_.fetch_ends_after);
    if (!store_.fetch_failure.ok()) end = std::min(end, store_.fetch_failure_after);
    if (sent_ < end) {
      piece = content_.substr(sent_, std::min(store_.piece_bytes, end - sent_));
      sent_ += piece.size();
      store_.fetched_bytes += piece.size();
      co_return true;
    }
    if (!store_.fetch_failure.ok()) co_return store_.fetch_failure;
    co_return false;
  }

 private:
  FakeStore& store_;
  const absl::Status failure_;
  const std::string content_;
  const std::string delivery_id_ = "delivery";
  size_t sent_ = 0;
};

}  // namespace

FakeStore::FakeStore() { AddAccount("demo@example.test", "secret"); }

uint64_t FakeStore::AddAccount(const std::string& address, const std::string& password) {
  const uint64_t mailbox_id = next_mailbox_id_++;
  accounts[address] = Account{.mailbox_id = mailbox_id, .password = password};
  mailboxes[mailbox_id];
  return mailbox_id;
}

uint64_t FakeStore::Deliver(uint64_t mailbox_id, std::string content) {
  const uint64_t id = next_message_++;
  mailboxes.at(mailbox_id)
      .messages.push_back(
          Message{.id = id, .unique_id = absl::StrCat("uid-", id), .content = std::move(content)});
  return id;
}

std::vector<uint64_t> FakeStore::Kept(uint64_t mailbox_id) const {
  std::vector<uint64_t> ids;
  for (const Message& message : mailboxes.at(mailbox_id).messages) ids.push_back(message.id);
  return ids;
}

size_t FakeStore::locked_count() const {
  return std::count_if(mailboxes.begin(), mailboxes.end(),
                       [](const auto& entry) { return entry.second.locked_with != 0; });
}

std::unique_ptr<SaslExchange> FakeStore::NewSaslExchange(bool) {
  return std::make_unique<FakeExchange>(*this);
}

absl::StatusOr<OpenedMaildrop> FakeStore::Open(const OpenRequest& request) {
  if (leases.count(request.lease_id) == 0) {
    return WithReason(absl::FailedPreconditionError("no such lease"), kReasonNoLease);
  }
  if (!open_failure.ok()) return open_failure;
  Mailbox& mailbox = mailboxes.at(request.mailbox_id);
  if (mailbox.locked_with != 0) return WithReason(absl::AbortedError("locked"), kReasonMaildropInUse);
  OpenedMaildrop opened;
  opened.token = mailbox.locked_with = mailbox.last_token = next_token_++;
  mailbox.locked_by_lease = request.lease_id;
  for (const Message& message : mailbox.messages) {
    opened.maildrop.Add(message.id, message.content.size(), message.unique_id);
  }
  opened.maildrop.Freeze();
  if (open_answer_is_lost) return absl::UnavailableError("connection lost");
  return opened;
}

asio::awaitable<absl::StatusOr<OpenedMaildrop>> FakeStore::OpenMaildrop(OpenRequest request) {
  co_await Suspend();
  if (!away.ok()) co_return away;
  opens.push_back(request);
  co_return Open(request);
}

absl::Status FakeStore::Commit(const CommitRequest& request) {
  Mailbox& mailbox = mailboxes.at(request.mailbox_id);
  if (mailbox.committed_tokens.count(request.token) != 0) return absl::OkStatus();
  if (mailbox.locked_with != request.token) return WithReason(absl::AbortedError("old token"), kReasonFenced);
  std::vector<Message>& messages = mailbox.messages;
  messages.erase(std::remove_if(messages.begin(), messages.end(),
                                [&](const Message& message) {
                                  return std::count(request.message_ids.begin(), request.message_ids.end(),
                                                    message.id) != 0;
                                }),
                 messages.end());
  mailbox.locked_with = 0;
  mailbox.committed_tokens.insert(request.token);
  return absl::OkStatus();
}

asio::awaitable<absl::Status> FakeStore::CommitMaildrop(CommitRequest request) {
  co_await Suspend();
  if (!away.ok()) co_return away;
  commits.push_back(request);
  if (commit_failures.empty()) co_return Commit(request);
  const absl::Status failure = commit_failures.front();
  commit_failures.erase(commit_failures.begin());
  if (commit_answers_are_lost) {
    const absl::Status done = Commit(request);
    if (!done.ok()) co_return done;
  }
  co_return failure;
}

asio::awaitable<absl::Status> FakeStore::ReleaseMaildrop(uint64_t mailbox_id, uint64_t token) {
  co_await Suspend();
  if (!away.ok()) co_return away;
  if (!release_failure.ok()) co_return release_failure;
  releases.push_back(token);
  Mailbox& mailbox = mailboxes.at(mailbox_id);
  if (mailbox.locked_with == token) mailbox.locked_with = 0;
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> FakeStore::RenewLease(LeaseRequest request) {
  co_await Suspend();
  if (!away.ok()) co_return away;
  leases.insert(request.lease_id);
  renewals.push_back(std::move(request));
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> FakeStore::EndLease(std::string lease_id) {
  co_await Suspend();
  if (!away.ok()) co_return away;
  if (!end_lease_failure.ok()) co_return end_lease_failure;
  leases.erase(lease_id);
  for (auto& [id, mailbox] : mailboxes) {
    if (mailbox.locked_by_lease == lease_id) mailbox.locked_with = 0;
  }
  ended_leases.push_back(std::move(lease_id));
  co_return absl::OkStatus();
}

absl::StatusOr<std::string> FakeStore::Find(uint64_t mailbox_id, uint64_t message_id) const {
  for (const Message& message : mailboxes.at(mailbox_id).messages) {
    if (message.id == message_id) return message.content;
  }
  return absl::NotFoundError("no such message");
}

asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> FakeStore::FetchMessages(
    uint64_t mailbox_id, std::vector<uint64_t> message_ids) {
  co_await Suspend();
  fetches.push_back(message_ids);
  std::vector<absl::StatusOr<FetchedMessage>> messages;
  for (const uint64_t id : message_ids) {
    absl::StatusOr<std::string> message = Find(mailbox_id, id);
    if (!away.ok()) message = away;
    if (!fetch_failure.ok()) message = fetch_failure;
    if (const auto found = message_failures.find(id); found != message_failures.end())
      message = found->second;
    if (message.ok() && fetch_ends_after.has_value())
      message->resize(std::min(message->size(), *fetch_ends_after));
    if (message.ok()) {
      messages.push_back(FetchedMessage{*std::move(message), absl::StrCat("delivery-", id)});
    } else {
      messages.push_back(message.status());
    }
  }
  co_return messages;
}

std::unique_ptr<MessageStream> FakeStore::FetchMessage(uint64_t mailbox_id, uint64_t message_id,
                                                       absl::Duration) {
  absl::StatusOr<std::string> message = Find(mailbox_id, message_id);
  if (!message.ok()) return std::make_unique<FakeMessageStream>(*this, message.status(), "");
  return std::make_unique<FakeMessageStream>(*this, absl::OkStatus(), *std::move(message));
}

}  // namespace mailstead::pop3
