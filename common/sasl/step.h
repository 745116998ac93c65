// Logging in by SASL (RFC 4422) as plain values: what a session, a front-end and the store tell one another. Pure.
#pragma once

#include <optional>
#include <string>

namespace mailstead::sasl {

// What begins an exchange.
struct Start {
  // "PLAIN", "LOGIN", "SCRAM-SHA-256" or "SCRAM-SHA-256-PLUS".
  std::string mechanism;
  // Absent and empty differ (RFC 4422 section 3).
  std::optional<std::string> initial_response;
  // The client's address in text; wrong passwords are counted by it.
  std::string client_address;
  // The tls-exporter value of the connection (RFC 9266); empty where SCRAM-SHA-256-PLUS was not offered.
  std::string tls_exporter;
  // With it under TLS 1.2: its tls-unique value (RFC 5929); empty under TLS 1.3.
  std::string tls_unique;
};

// How an exchange ended.
enum class Verdict {
  kOk,
  // Wrong password, unknown account or locked-out address: one answer, in the same time.
  kInvalidCredentials,
  // The password was right, the account may not log in.
  kDisabled,
  // What the client sent is not an exchange of this mechanism.
  kMalformed,
  // The mechanism is not known or not possible on this connection.
  kUnsupportedMechanism,
};

// PLAIN's message for a user name and password (RFC 4616), as USER/PASS sends it.
std::string PlainMessage(const std::string& user, const std::string& password);

}  // namespace mailstead::sasl
