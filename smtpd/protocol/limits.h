// Sizes of the grammar. Each with the section that sets it, or the reason.
#pragma once

#include <cstddef>

namespace mailstead::smtp {

// A line of an authentication exchange with its CRLF: RFC 4954 section 4.
inline constexpr size_t kMaxAuthLineBytes = 12288;
// One line of a reply with its CRLF: RFC 5321 section 4.5.3.1.5.
inline constexpr size_t kMaxReplyLineBytes = 512;
// ENVID as xtext: RFC 3461 section 4.4.
inline constexpr size_t kMaxEnvidBytes = 100;
// ORCPT as xtext, with its type: RFC 3461 section 4.2.
inline constexpr size_t kMaxOrcptBytes = 500;
// The digits of SIZE: RFC 1870 section 3.
inline constexpr size_t kMaxSizeDigits = 20;
// Parameters on one MAIL or RCPT; there are seven that we know.
inline constexpr size_t kMaxParameters = 16;
// The name of a SASL mechanism: RFC 4422 section 3.1.
inline constexpr size_t kMaxMechanismBytes = 20;

// ---- What other hosts answer

// A reply of a peer, all its lines: far above the 512 octets of a line (RFC 5321 section 4.5.3.1.5) times the lines
// that EHLO and a chatty refusal have.
inline constexpr size_t kMaxPeerReplyBytes = 32'768;
// What is kept of its text: it stands in logs, the queue and bounces.
inline constexpr size_t kMaxPeerTextBytes = 1'024;
// Mechanisms of AUTH that are remembered; there are a dozen in use.
inline constexpr size_t kMaxPeerMechanisms = 32;

}  // namespace mailstead::smtp
