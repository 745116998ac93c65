// A store in memory, with switches for everything that a real one can do wrong.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "pop3d/store_client.h"

namespace mailstead::pop3 {

// For one thread. Every call suspends its caller once, as one over the network does.
class FakeStore : public StoreClient {
 public:
  struct Message {
    uint64_t id = 0;
    std::string unique_id;
    std::string content;
  };
  struct Account {
    uint64_t mailbox_id = 0;
    std::string password;
    bool disabled = false;
  };
  struct Mailbox {
    std::vector<Message> messages;
    // 0: not locked.
    uint64_t locked_with = 0;
    std::string locked_by_lease;
    uint64_t last_token = 0;
    std::set<uint64_t> committed_tokens;
  };

  // The account demo@example.test with the password "secret" is always there.
  FakeStore();

  uint64_t AddAccount(const std::string& address, const std::string& password);
  // Into a mailbox; ids and unique-ids count up: 1 and "uid-1". Gives the id.
  uint64_t Deliver(uint64_t mailbox_id, std::string content);

  uint64_t demo() const { return accounts.at("demo@example.test").mailbox_id; }
  // Ids of the messages that are there, in order.
  std::vector<uint64_t> Kept(uint64_t mailbox_id) const;
  size_t locked_count() const;

  // --- What is there
  std::map<std::string, Account> accounts;
  std::map<uint64_t, Mailbox> mailboxes;
  std::set<std::string> leases;

  // --- Switches
  // Every call fails with this.
  absl::Status away;
  // OpenMaildrop: fails with this. With `open_answer_is_lost` the maildrop is locked and the
  // answer is Unavailable.
  absl::Status open_failure;
  bool open_answer_is_lost = false;
  // FetchMessage and FetchMessages: fail with this; the former after so many bytes.
  absl::Status fetch_failure;
  size_t fetch_failure_after = 0;
  // FetchMessages: fail these.
  std::map<uint64_t, absl::Status> message_failures;
  // The stream, or the message, ends in order, but too early.
  std::optional<size_t> fetch_ends_after;
  size_t piece_bytes = 65536;
  // The next CommitMaildrop calls fail with these, in turn; with `commit_answers_are_lost` they are
  // done all the same.
  std::vector<absl::Status> commit_failures;
  bool commit_answers_are_lost = false;
  absl::Status release_failure;
  absl::Status end_lease_failure;

  // --- What was asked
  std::vector<rpc::AuthStart> auth_starts;
  std::vector<OpenRequest> opens;
  std::vector<CommitRequest> commits;
  std::vector<uint64_t> releases;
  std::vector<LeaseRequest> renewals;
  std::vector<std::string> ended_leases;
  // The ids of each FetchMessages.
  std::vector<std::vector<uint64_t>> fetches;
  size_t fetched_bytes = 0;
  size_t fetches_running = 0;
  size_t exchanges_running = 0;

  // --- StoreClient
  std::unique_ptr<SaslExchange> NewSaslExchange(bool interactive) override;
  asio::awaitable<absl::StatusOr<OpenedMaildrop>> OpenMaildrop(OpenRequest request) override;
  asio::awaitable<absl::Status> CommitMaildrop(CommitRequest request) override;
  asio::awaitable<absl::Status> ReleaseMaildrop(uint64_t mailbox_id, uint64_t token) override;
  asio::awaitable<absl::Status> RenewLease(LeaseRequest request) override;
  asio::awaitable<absl::Status> EndLease(std::string lease_id) override;
  asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> FetchMessages(
      uint64_t mailbox_id, std::vector<uint64_t> message_ids) override;
  std::unique_ptr<MessageStream> FetchMessage(uint64_t mailbox_id, uint64_t message_id,
                                              absl::Duration timeout) override;

 private:
  absl::StatusOr<OpenedMaildrop> Open(const OpenRequest& request);
  absl::Status Commit(const CommitRequest& request);
  absl::StatusOr<std::string> Find(uint64_t mailbox_id, uint64_t message_id) const;
  uint64_t next_mailbox_id_ = 1;
  uint64_t next_token_ = 1;
  uint64_t next_message_ = 1;
};

}  // namespace mailstead::pop3
