// What a session answers to a line or an event: at most one reply, then at most one action
// for the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pop3d/protocol/command.h"
#include "pop3d/protocol/reply.h"

namespace mailstead::pop3 {

// The dialog is over: write what is left, then end the connection.
enum class CloseCause { kQuit, kErrors, kLoginFailures };
struct CloseAction {
  CloseCause cause = CloseCause::kQuit;
};

// Throw away all input, do the handshake, then begin a new Session (TlsStarted).
struct StartTlsAction {};

// Begin a SASL exchange at the store; its steps go to AuthStepped.
struct BeginAuthAction {
  std::string mechanism;
  // Absent and empty differ.
  std::optional<std::string> initial_response;
};
// The client's answer to the last challenge.
struct ContinueAuthAction {
  std::string response;
};
// The exchange is over before its verdict: let go of it.
struct AbandonAuthAction {};

// Lock and list the maildrop of the account; then MaildropOpened or MaildropRefused.
struct OpenMaildropAction {
  uint64_t mailbox_id = 0;
};

// The lines of LIST or UIDL and their end, in pieces, from maildrop().
enum class ListingKind { kSizes, kUniqueIds };
struct SendListingAction {
  ListingKind kind = ListingKind::kSizes;
};

// A message, or the top of it. The connection asks for the +OK (MessageReply) once the store has begun to
// give it, and for the -ERR (MessageRefused) when it has not.
struct SendMessageAction {
  MessageNumber number;
  uint64_t message_id = 0;
  uint64_t size_bytes = 0;
  // TOP: lines of the body. Absent: all of it.
  std::optional<uint64_t> top_lines;
};

// The UPDATE state: delete what is marked and unlock; then Committed.
struct CommitAction {
  std::vector<uint64_t> deletions;
};
// Unlock, nothing is deleted; then close. Whether it works does not change the answer, which was given.
struct ReleaseAction {};

using Action = std::variant<std::monostate, CloseAction, StartTlsAction, BeginAuthAction, ContinueAuthAction,
                            AbandonAuthAction, OpenMaildropAction, SendListingAction, SendMessageAction,
                            CommitAction, ReleaseAction>;

struct Step {
  std::optional<Reply> reply;
  Action action;
  // The client's mistake: unknown, malformed or out of place. Too many in a row end the session.
  bool is_mistake = false;

  static Step Say(ReplyId id, std::vector<std::string> arguments = {}) {
    return Step{.reply = Reply{.id = id, .arguments = std::move(arguments)}};
  }
  static Step Mistake(ReplyId id, std::vector<std::string> arguments = {}) {
    return Step{.reply = Reply{.id = id, .arguments = std::move(arguments)}, .is_mistake = true};
  }
  static Step Do(Action action) { return Step{.action = std::move(action)}; }
  Step Then(Action next) && {
    action = std::move(next);
    return std::move(*this);
  }
};

}  // namespace mailstead::pop3
