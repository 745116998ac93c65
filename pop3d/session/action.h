// What a session asks of its connection: one thing after each event. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/store/ids.h"
#include "pop3d/protocol/command.h"

namespace mailstead::pop3 {

// Read the next line.
struct NextCommandAction {};

// Send what is gathered and close.
enum class CloseCause { kQuit, kErrors, kLoginFailures, kLoginEnded, kSessionEnded };
struct CloseAction {
  CloseCause cause = CloseCause::kQuit;
};

// Send what is gathered, throw away all input, shake hands; then OnTlsStarted.
struct StartTlsAction {};

// Begin a SASL exchange at the store; then OnLoginChallenge, OnLoggedIn, OnLoginRefused or OnLoginFailed.
struct BeginAuthAction {
  std::string mechanism;
  // Absent and empty differ (RFC 4422 section 3).
  std::optional<std::string> initial_response;
};
// Pass on the client's response, decoded; then as for BeginAuthAction.
struct ContinueAuthAction {
  std::string response;
};
// The exchange is over before its verdict: let go of it.
struct EndAuthAction {};

// Take the lock and the listing of the maildrop of who has logged in; then OnMaildropOpened or
// OnMaildropRefused.
struct OpenMaildropAction {
  AccountId account;
};

// Send the lines of LIST or UIDL and their end, in pieces, from maildrop().
enum class ListingKind { kSizes, kUniqueIds };
struct SendListingAction {
  ListingKind kind = ListingKind::kSizes;
};

// Send a message, or the top of it: OnMessageOpened before its first byte, or OnMessageRefused.
struct SendMessageAction {
  MessageNumber number;
  MessageId id;
  uint64_t size_bytes = 0;
  // TOP: so many lines of the body. Absent: all of it.
  std::optional<uint64_t> top_lines;
};

// The UPDATE state: delete what is marked, and unlock; then OnCommitted.
struct CommitAction {
  std::vector<MessageId> deletions;
};

using Action =
    std::variant<NextCommandAction, CloseAction, StartTlsAction, BeginAuthAction, ContinueAuthAction,
                 EndAuthAction, OpenMaildropAction, SendListingAction, SendMessageAction, CommitAction>;

}  // namespace mailstead::pop3
