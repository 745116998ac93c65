// Replies as data, from one catalogue: dialogs are byte-exact, every refusal has a name and is counted by it,
// and each text exists in each language.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pop3d/protocol/language.h"

namespace mailstead::pop3 {

enum class ReplyId {
  // +OK
  kGreeting,  // host name
  kGoodbye,
  kGoodbyeDeleted,  // count
  kSendPassword,
  kMaildrop,  // count, octets
  kDone,
  kNumbers,      // two numbers, or a number and a unique-id: STAT, LIST n, UIDL n
  kScanListing,  // count, octets
  kUidListing,
  kMessage,  // octets
  kTopOfMessage,
  kDeleted,  // message number
  kCapabilities,
  kMechanisms,
  kStartTls,
  kUtf8Mode,
  kLanguages,
  kLanguageChanged,  // language tag
  // "+ "
  kChallenge,  // base64
  // -ERR: the client's command
  kUnknownCommand,
  kBadSyntax,  // usage of the command
  kLineTooLong,
  kBareLineEnd,
  kNotAuthenticated,
  kAlreadyAuthenticated,
  kUserFirst,
  kBadUtf8,
  kNoSuchMessage,   // count
  kMessageDeleted,  // message number
  kTooManyDeletions,
  kUnknownLanguage,
  kTooManyErrors,
  // -ERR: TLS
  kTlsRequired,
  kTlsActive,
  kTlsUnavailable,
  kTlsAfterUtf8,
  // -ERR: logging in
  kUnknownMechanism,
  kBadBase64,
  kAuthCancelled,
  kAuthMalformed,
  kBadCredentials,
  kBadCredentialsClosing,
  kAccountDisabled,
  kLoginEnded,
  kSessionEnded,
  kInUse,
  kLoginDelay,  // seconds
  // -ERR: what is not the client's fault
  kStoreUnavailable,
  kListingMemoryFull,
  kMailboxUnusable,
  kMessageUnreadable,
  kMessageGone,
  kCommitUnconfirmed,
  kCommitRefused,
  kLockLost,
  kTooManyConnections,
  kTooManyConnectionsFromAddress,
};
inline constexpr ReplyId kLastReplyId = ReplyId::kTooManyConnectionsFromAddress;

enum class ReplyStatus { kOk, kContinue, kError };

struct Reply {
  ReplyId id;
  // What the comment at the id names, in this order.
  std::vector<std::string> arguments = {};
  // The lines of a short multi-line response (CAPA, AUTH, LANG), none of which begins with a dot; the end is
  // added. Only with the ids that have one.
  std::vector<std::string> lines = {};
};

ReplyStatus StatusOf(ReplyId id);
// A short lower-case name for metrics and the log: "no_such_message".
absl::string_view NameOf(ReplyId id);

// Appends the reply as it goes over the wire. Extended response codes (RFC 2449 section 8, RFC 3206) are part
// of it in every language. The first line never exceeds kMaxReplyLineBytes.
void AppendReply(const Reply& reply, Language language, std::string& out);

}  // namespace mailstead::pop3
