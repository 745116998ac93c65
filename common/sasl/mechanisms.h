// The mechanisms by which clients log in, and which of them a front-end offers. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead::sasl {

inline constexpr absl::string_view kPlain = "PLAIN";                         // RFC 4616
inline constexpr absl::string_view kLogin = "LOGIN";                         // draft-murchison-sasl-login
inline constexpr absl::string_view kScramSha256 = "SCRAM-SHA-256";           // RFC 7677
inline constexpr absl::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";  // bound to the TLS channel

// What is offered unless the operator says otherwise. Not PLUS: clients that know its name and have no channel binding
// (mutt and neomutt with GNU SASL) pick it because it is offered, and then give up.
std::vector<std::string> DefaultMechanisms();

// InvalidArgument when a front-end has no mechanism of this name.
absl::Status CheckMechanism(const std::string& name);

// Whether `mechanism` is among the `enabled` ones, and works here: PLUS needs a channel that can be bound to.
bool IsOffered(const std::vector<std::string>& enabled, absl::string_view mechanism, bool channel_binding);

}  // namespace mailstead::sasl
