// What a client session asks its connection to do: one thing after each event, when what the session has written
// (ClientSession::output) is sent. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "smtpd/outbound/outcome.h"

namespace mailstead::smtp::outbound {

// Read bytes; then OnBytes or OnLost.
struct AwaitReplyAction {
  // For the whole reply, from when it is first awaited.
  absl::Duration timeout;
  // It is first awaited now; false: a part of it has come.
  bool first = true;
  // Of the command that is to be answered.
  Stage stage = Stage::kGreeting;
};
// Shake hands; then OnTlsStarted or OnTlsFailed. SECURITY: bytes that can be read before the handshake begins are given
// to OnBytes instead: the host waits for us now, so that they are somebody else's.
struct ShakeHandsAction {
  absl::Duration timeout;
};
// Begin a SASL exchange; then OnAuthResponse or OnAuthFailed.
struct BeginAuthAction {
  std::string mechanism;
};
// Give it the host's challenge, decoded; then OnAuthResponse or OnAuthFailed.
struct ContinueAuthAction {
  std::string challenge;
};
// The host says that we are logged in: ask whether the exchange is complete on our side too; then OnAuthEnded.
struct EndAuthAction {};
// Give the next octets of the message, at most so many; then OnPiece, OnBodyEnd or OnBodyFailed. What the host has said
// meanwhile is given to OnBytes first.
struct NextPieceAction {
  uint64_t max_bytes = 0;
};
// Nothing: a transaction or QUIT may follow, at any time. What comes from the host before is given to OnBytes or
// OnLost.
struct RestAction {};
// Close the connection; connection() says why.
struct CloseAction {};

using Action = std::variant<AwaitReplyAction, ShakeHandsAction, BeginAuthAction, ContinueAuthAction,
                            EndAuthAction, NextPieceAction, RestAction, CloseAction>;

}  // namespace mailstead::smtp::outbound
