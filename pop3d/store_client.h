// What pop3d asks of the store, in plain C++ types. The implementation for the real one is GrpcStoreClient;
// tests have their own.
//
// Errors of all calls: those of the store API (proto/mailstead/store/v1), with ReasonOf; Unavailable or
// DeadlineExceeded when the store is away, and then the call may or may not have happened. Every call
// has a deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/rpc/auth_exchange.h"
#include "pop3d/session/maildrop.h"

namespace mailstead::pop3 {

// One SASL exchange: Begin, then Respond to each challenge. Destroyed before its verdict: the store drops it.
class SaslExchange {
 public:
  virtual ~SaslExchange() = default;
  virtual asio::awaitable<absl::StatusOr<rpc::AuthStep>> Begin(rpc::AuthStart start) = 0;
  virtual asio::awaitable<absl::StatusOr<rpc::AuthStep>> Respond(std::string response) = 0;
};

struct FetchedMessage {
  std::string content;
  // Under which it came in: for the log.
  std::string delivery_id;
};

// A message on its way, read piece by piece; the store sends no faster than it is read.
// Destroyed early: cancelled.
class MessageStream {
 public:
  virtual ~MessageStream() = default;
  // Known once a piece has been read.
  virtual const std::string& delivery_id() const = 0;
  // True: `piece` is the next one (not empty, at most 64 KiB). False: the end, `piece` is untouched.
  virtual asio::awaitable<absl::StatusOr<bool>> Read(std::string& piece) = 0;
};

struct OpenRequest {
  uint64_t mailbox_id = 0;
  std::string lease_id;
  // RFC 2449 section 6.5; zero for none.
  absl::Duration min_interval;
  std::string session_id;
};

struct OpenedMaildrop {
  // The fencing number that commit and release need.
  uint64_t token = 0;
  Maildrop maildrop;
};

struct CommitRequest {
  uint64_t mailbox_id = 0;
  uint64_t token = 0;
  std::vector<uint64_t> message_ids;
  std::string session_id;
};

struct LeaseRequest {
  std::string lease_id;
  // For people.
  std::string holder;
  absl::Duration ttl;
};

// Thread-safe; a coroutine goes on where it awaited.
class StoreClient {
 public:
  virtual ~StoreClient() = default;

  // `interactive`: the client has to answer challenges, which takes longer than the store does.
  virtual std::unique_ptr<SaslExchange> NewSaslExchange(bool interactive) = 0;
  virtual asio::awaitable<absl::StatusOr<OpenedMaildrop>> OpenMaildrop(OpenRequest request) = 0;
  virtual asio::awaitable<absl::Status> CommitMaildrop(CommitRequest request) = 0;
  virtual asio::awaitable<absl::Status> ReleaseMaildrop(uint64_t mailbox_id, uint64_t token) = 0;
  virtual asio::awaitable<absl::Status> RenewLease(LeaseRequest request) = 0;
  virtual asio::awaitable<absl::Status> EndLease(std::string lease_id) = 0;
  // Whole messages of at most kMaxWholeMessageBytes each; an answer for each, in their order. At least one.
  virtual asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> FetchMessages(
      uint64_t mailbox_id, std::vector<uint64_t> message_ids) = 0;
  // `timeout` is for the whole message.
  virtual std::unique_ptr<MessageStream> FetchMessage(uint64_t mailbox_id, uint64_t message_id,
                                                      absl::Duration timeout) = 0;
};

}  // namespace mailstead::pop3
