// One SASL exchange with the store (RFC 4422), for smtpd and pop3d alike. A front-end moves bytes between the
// client and the store and learns only the verdict.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"

namespace mailstead::rpc {

class Exchange;
class StoreChannel;

struct AuthStart {
  std::string mechanism;
  // Absent and empty differ.
  std::optional<std::string> initial_response;
  std::string client_address;
  // "smtp" or "pop".
  std::string service;
  std::string session_id;
  // Empty without TLS.
  std::string tls_exporter;
};

struct AuthStep {
  enum class Kind {
    kChallenge,  // send `challenge` in base64, bring the response
    kOk,
    kInvalidCredentials,
    kDisabled,
    kMalformed,
    kUnsupportedMechanism
  };
  Kind kind = Kind::kChallenge;
  std::string challenge;
  // With kOk.
  std::string address;
  uint64_t mailbox_id = 0;
};

// PLAIN's message for a user name and password (RFC 4616), as USER/PASS sends it.
std::string PlainInitialResponse(const std::string& user, const std::string& password);

// Begin once, then Respond to each challenge until another kind of step comes. Destroying it earlier (the
// client sent
// "*" or went away) ends the exchange at the store.
class AuthExchange {
 public:
  // `timeout` is for the whole exchange. PLAIN with its initial response goes by `exchange`; what has more
  // steps has a stream of its own.
  AuthExchange(StoreChannel& channel, Exchange& exchange, absl::Duration timeout);
  ~AuthExchange();

  // Errors: of the store or the way to it; never of the credentials.
  asio::awaitable<absl::StatusOr<AuthStep>> Begin(AuthStart start);
  asio::awaitable<absl::StatusOr<AuthStep>> Respond(std::string response);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::rpc
