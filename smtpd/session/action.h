// What a session asks its connection to do: at most one thing after each event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mailstead::smtp {

// Read the next command.
struct NextCommand {};
// Ask the store where an address leads; then Session::OnResolved.
struct ResolveRecipient {
  std::string address;
  // As announced with SIZE; 0 when it was not.
  uint64_t message_bytes = 0;
};
// Ask the store whether an account may send with this reverse-path; then OnSenderChecked.
struct CheckSender {
  std::string account;
  std::string sender;
};
// Begin a SASL exchange; then OnAuthStep.
struct BeginAuth {
  std::string mechanism;
  std::optional<std::string> initial_response;
};
// The client's response, decoded; then OnAuthStep.
struct ContinueAuth {
  std::string response;
};
// The exchange is over, or the client gave up: let go of it at the store; then OnAuthEnded.
struct EndAuth {};
// Send what is gathered, throw away what was received, shake hands; then OnTlsStarted.
struct StartTls {};
// Read a message up to its dot; then OnStored, OnMessageRefused or OnStoreFailed.
struct ReceiveData {};
// Read so many octets of the message; then OnChunkTaken, or as for ReceiveData.
struct ReceiveChunk {
  uint64_t size_bytes = 0;
  bool last = false;
};
// Read so many octets and forget them; then OnChunkSwallowed.
struct SwallowChunk {
  uint64_t size_bytes = 0;
};
// Send what is gathered and close.
struct Close {};

using Action = std::variant<NextCommand, ResolveRecipient, CheckSender, BeginAuth, ContinueAuth, EndAuth,
                            StartTls, ReceiveData, ReceiveChunk, SwallowChunk, Close>;

// Where an address leads (ResolveRecipient of the store API).
struct Resolution {
  enum class Outcome { kLocal, kAlias, kRemote, kUnknown, kDisabled, kOverQuota };
  Outcome outcome = Outcome::kUnknown;
  // With kLocal and kAlias.
  std::vector<uint64_t> mailbox_ids;
};

// Why a message is refused whatever the store would say.
enum class MessageDefect { kNone, kTooBig, kBareLineEnd, kNul, kLoop };

}  // namespace mailstead::smtp
