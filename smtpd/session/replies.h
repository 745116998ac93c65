// Every reply smtpd can give. Replies are data, so that dialogs are byte-exact and every refusal is counted.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::smtp {

enum class ReplyId : unsigned char {
  // 2yz
  kHelp,
  kGreeting,
  kReadyForTls,
  kGoodbye,
  kAuthenticated,
  kHello,
  kOk,
  kSenderOk,
  kRecipientOk,
  kChunkTaken,
  kStored,
  kNotVerified,
  // 3yz
  kAuthChallenge,
  kStartMail,
  // 4yz
  kShuttingDown,
  kTooManyConnections,
  kTimedOut,
  kTooManyFromAddress,
  kTooManyErrors,
  kTooManyCommands,
  kTooManyMessages,
  kSendingLimit,
  kLoginEnded,
  kStoreAway,
  kStoreMisconfigured,
  kMailboxFull,
  kListTooLong,
  kStoreFull,
  kTooManyRecipients,
  kAuthAway,
  // 5yz
  kUnknownCommand,
  kLineTooLong,
  kBareLineEnd,
  kControlCharacter,
  kAuthLineTooLong,
  kBadSyntax,
  kBadSender,
  kBadRecipient,
  kBadParameter,
  kBadBase64,
  kAuthMalformed,
  kAuthCancelled,
  kNotImplemented,
  kBadSequence,
  kUnknownMechanism,
  kLoginDisabled,
  kNeedsTls,
  kNeedsAuth,
  kBadCredentials,
  kRelayDenied,
  kUnknownRecipient,
  kRecipientDisabled,
  kSrsForged,
  kSrsExpired,
  kSendingPaused,
  kMoreThanLimit,
  kSenderNotAllowed,
  kFromNotAllowed,
  kFromUnreadable,
  kMessageBareLineEnd,
  kMessageNul,
  kMailboxTooSmall,
  kMessageTooBig,
  kTooManyMailboxes,
  kNeedsSmtpUtf8,
  kMailLoop,
  kMessageLongLine,
  kNoRecipients,
  kEarlyTalker,
  kOtherProtocol,
  kUnknownParameter,
};
inline constexpr size_t kReplyCount = static_cast<size_t>(ReplyId::kUnknownParameter) + 1;

struct Reply {
  ReplyId id;
  // The name in metrics and the log.
  absl::string_view name;
  int code;
  // The enhanced code of RFC 3463; empty where RFC 2034 wants none (greeting, HELO, EHLO, 3yz).
  absl::string_view enhanced;
  // The text; "$0" stands for the detail.
  absl::string_view text;
};

const Reply& GetReply(ReplyId id);
// Appends the reply to `out` as it goes over the wire.
void AppendReply(ReplyId id, absl::string_view detail, std::string& out);

}  // namespace mailstead::smtp
