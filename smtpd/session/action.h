// What a session asks its connection to do: at most one thing after each event. The connection performs it,
// and tells the session how it went by the event that is named here. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace mailstead::smtp {

// Read the next command.
struct NextCommandAction {};
// Ask the store where each address of Session::open_recipients leads; then OnResolved. Before that the
// session may be shown the commands that the client has sent behind this one (TakeRecipientAhead).
struct ResolveRecipientsAction {};
// Reserve one of the messages that the account may send in an hour; then OnSendReserved.
struct ReserveSendAction {
  std::string account;
};
// Ask the store whether an account may send with this reverse-path; then OnSenderChecked.
struct CheckSenderAction {
  std::string account;
  std::string sender;
};
// Begin a SASL exchange; then one of the OnLogin events.
struct BeginAuthAction {
  std::string mechanism;
  std::optional<std::string> initial_response;
};
// Pass on the client's response, decoded; then one of the OnLogin events.
struct ContinueAuthAction {
  std::string response;
};
// The exchange is over, or the client gave up: let go of it at the store; then OnAuthEnded.
struct EndAuthAction {};
// Send what is gathered, throw away what was received, shake hands; then OnTlsStarted.
struct StartTlsAction {};
// Read a message up to its dot; then OnStored, OnMessageRefused or OnStoreFailed.
struct ReceiveDataAction {};
// Read so many octets of the message; then OnChunkTaken, or as for ReceiveDataAction.
struct ReceiveChunkAction {
  uint64_t size_bytes = 0;
  bool last = false;
};
// Read so many octets and forget them; then OnChunkSwallowed.
struct SwallowChunkAction {
  uint64_t size_bytes = 0;
};
// Send what is gathered and close.
struct CloseAction {};

using Action = std::variant<NextCommandAction, ResolveRecipientsAction, ReserveSendAction, CheckSenderAction,
                            BeginAuthAction, ContinueAuthAction, EndAuthAction, StartTlsAction,
                            ReceiveDataAction, ReceiveChunkAction, SwallowChunkAction, CloseAction>;

// Why a message is refused: for itself, since its From or Sender is not the account's, or nobody's, or since a line of it is
// too long for another host.
enum class MessageDefect { kNone, kTooBig, kBareLineEnd, kNul, kLoop, kForeignFrom, kUnreadableFrom, kLongLine };

}  // namespace mailstead::smtp
