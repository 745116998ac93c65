// Our side of a SASL exchange (RFC 4422) with another host.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"

namespace mailstead::smtp::outbound {

// Of one connection. It knows the name and the secret; nothing else does.
class SaslClient {
 public:
  virtual ~SaslClient() = default;
  // Begins an exchange, with a mechanism of ClientConfig::auth_mechanisms: its initial response, or nothing where the
  // host begins. Errors end the exchange.
  virtual asio::awaitable<absl::StatusOr<std::optional<std::string>>> Begin(std::string mechanism) = 0;
  // The response to a challenge of the host. SECURITY: the host may be anybody's: what it asks for is bounded
  // (iterations of SCRAM), and where the mechanism lets the host prove itself, that is checked.
  virtual asio::awaitable<absl::StatusOr<std::string>> Respond(std::string challenge) = 0;
  // Nothing more is needed from the host: it has proved itself where the mechanism has that.
  virtual bool complete() const = 0;
};

}  // namespace mailstead::smtp::outbound
