#include "smtpd/session/replies.h"

#include <array>

#include "absl/strings/substitute.h"
#include "smtpd/protocol/reply.h"

namespace mailstead::smtp {
namespace {

using R = ReplyId;

// In the order of ReplyId.
constexpr std::array<Reply, kReplyCount> kReplies = {{
    {R::kHelp, "help", 214, "2.0.0", "$0"},
    {R::kGreeting, "greeting", 220, "", "$0 ESMTP Mailstead"},
    {R::kReadyForTls, "ready_for_tls", 220, "2.0.0", "Ready to start TLS"},
    {R::kGoodbye, "goodbye", 221, "2.0.0", "$0 closing connection"},
    {R::kAuthenticated, "authenticated", 235, "2.7.0", "Authentication succeeded"},
    {R::kHello, "hello", 250, "", "$0"},
    {R::kOk, "ok", 250, "2.0.0", "OK"},
    {R::kSenderOk, "sender_ok", 250, "2.1.0", "Sender OK"},
    {R::kRecipientOk, "recipient_ok", 250, "2.1.5", "Recipient OK"},
    {R::kChunkTaken, "chunk_taken", 250, "2.0.0", "$0 octets received"},
    {R::kStored, "stored", 250, "2.6.0", "$0 stored"},
    {R::kNotVerified, "not_verified", 252, "2.5.0",
     "Addresses are not verified; mail for this one may be sent"},

    {R::kAuthChallenge, "auth_challenge", 334, "", "$0"},
    {R::kStartMail, "start_mail", 354, "", "Send the message; end it with <CR><LF>.<CR><LF>"},

    {R::kShuttingDown, "shutting_down", 421, "4.3.2", "$0 is shutting down; try again"},
    {R::kTooManyConnections, "too_many_connections", 421, "4.3.2", "Too many connections; try again later"},
    {R::kTimedOut, "timed_out", 421, "4.4.2", "Nothing received for too long; closing connection"},
    {R::kTooManyFromAddress, "too_many_from_address", 421, "4.7.0",
     "Too many connections from your address; try again later"},
    {R::kTooManyErrors, "too_many_errors", 421, "4.7.0", "Too many errors; closing connection"},
    {R::kTooManyCommands, "too_many_commands", 421, "4.7.0", "Too many commands; closing connection"},
    {R::kTooManyMessages, "too_many_messages", 450, "4.7.1",
     "This account has sent too many messages in the last hour; try again later"},
    {R::kSendingLimit, "sending_limit", 450, "4.7.1", "Too much mail: $0"},
    // RFC 5321 section 3.8: the channel closes whatever the command was. At the next login the client hears why.
    {R::kLoginEnded, "login_ended", 421, "4.7.0",
     "Your login has ended, since the account was changed; log in again"},
    {R::kStoreAway, "store_away", 451, "4.3.0", "Temporary failure of the mail store; try again later"},
    {R::kStoreMisconfigured, "store_misconfigured", 451, "4.3.5",
     "Server configuration error; try again later"},
    {R::kMailboxFull, "mailbox_full", 452, "4.2.2", "Mailbox full; try again later"},
    // RFC 3463 section 3.3: X.2.4 is of mailing lists.
    {R::kListTooLong, "list_too_long", 452, "4.2.4", "The alias leads to too many others; try again later"},
    {R::kStoreFull, "store_full", 452, "4.3.1", "The mail store is full; try again later"},
    {R::kTooManyRecipients, "too_many_recipients", 452, "4.5.3", "Too many recipients in one transaction"},
    {R::kAuthAway, "auth_away", 454, "4.7.0", "Authentication is not possible now; try again later"},

    {R::kUnknownCommand, "unknown_command", 500, "5.5.2", "Command not recognized"},
    {R::kLineTooLong, "line_too_long", 500, "5.5.2", "Line too long"},
    {R::kBareLineEnd, "bare_line_end", 500, "5.5.2", "A line ends with <CR><LF> and nothing else"},
    {R::kControlCharacter, "control_character", 500, "5.5.2", "Control character in a command"},
    {R::kAuthLineTooLong, "auth_line_too_long", 500, "5.5.6", "Authentication line too long"},
    {R::kBadSyntax, "bad_syntax", 501, "5.5.4", "Syntax: $0"},
    {R::kBadSender, "bad_sender", 501, "5.1.7", "Not a valid sender address"},
    {R::kBadRecipient, "bad_recipient", 501, "5.1.3", "Not a valid recipient address"},
    {R::kBadParameter, "bad_parameter", 501, "5.5.4", "Parameter with an invalid value"},
    {R::kBadBase64, "bad_base64", 501, "5.5.2", "Not valid base64"},
    {R::kAuthMalformed, "auth_malformed", 501, "5.5.2", "Not an exchange of this mechanism"},
    {R::kAuthCancelled, "auth_cancelled", 501, "5.7.0", "Authentication cancelled"},
    {R::kNotImplemented, "not_implemented", 502, "5.5.1", "Command not available here"},
    {R::kBadSequence, "bad_sequence", 503, "5.5.1", "$0"},
    {R::kUnknownMechanism, "unknown_mechanism", 504, "5.5.4", "Authentication mechanism not available"},
    // RFC 5248 section 2.3 (IANA registry of enhanced codes): 5.7.13 comes with 525.
    {R::kLoginDisabled, "login_disabled", 525, "5.7.13", "This account is disabled"},
    {R::kNeedsTls, "needs_tls", 530, "5.7.0", "Must issue a STARTTLS command first"},
    {R::kNeedsAuth, "needs_auth", 530, "5.7.0", "Authentication required"},
    {R::kBadCredentials, "bad_credentials", 535, "5.7.8", "Authentication credentials invalid"},
    {R::kRelayDenied, "relay_denied", 550, "5.7.1", "Relaying denied: the address is not of this host"},
    {R::kUnknownRecipient, "unknown_recipient", 550, "5.1.1", "No such mailbox"},
    {R::kRecipientDisabled, "recipient_disabled", 550, "5.2.1", "Mailbox disabled, not accepting messages"},
    // RFC 3463 sections 3.8 and 3.2.
    {R::kSrsForged, "srs_forged", 550, "5.7.1", "This address was not made here: its SRS signature is wrong"},
    {R::kSrsExpired, "srs_expired", 550, "5.1.1", "This address has expired: it was made by SRS too long ago"},
    {R::kSendingPaused, "sending_paused", 550, "5.7.1",
     "Sending of this account is paused, as its password may be known to others; ask your administrator"},
    {R::kMoreThanLimit, "more_than_limit", 550, "5.7.1", "Too much mail: $0"},
    {R::kSenderNotAllowed, "sender_not_allowed", 550, "5.7.1",
     "This account may not send with that sender address"},
    {R::kFromNotAllowed, "from_not_allowed", 550, "5.7.1",
     "Message refused: this account may not send with an address in its From or Sender"},
    {R::kFromUnreadable, "from_unreadable", 550, "5.6.0",
     "Message refused: its From or Sender has no address, or something that is none"},
    {R::kMessageBareLineEnd, "message_bare_line_end", 550, "5.6.11",
     "Message refused: a line of it does not end with <CR><LF>"},
    {R::kMessageNul, "message_nul", 550, "5.6.0", "Message refused: it has a NUL character"},
    {R::kMailboxTooSmall, "mailbox_too_small", 552, "5.2.2", "The message is larger than the mailbox may ever be"},
    {R::kMessageTooBig, "message_too_big", 552, "5.3.4", "Message too big: at most $0 bytes"},
    {R::kTooManyMailboxes, "too_many_mailboxes", 552, "5.5.3",
     "The recipients lead to too many mailboxes; send to fewer at once"},
    {R::kNeedsSmtpUtf8, "needs_smtputf8", 553, "5.6.7", "Non-ASCII addresses need SMTPUTF8 in MAIL"},
    {R::kMailLoop, "mail_loop", 554, "5.4.6", "Too many hops: this message seems to loop"},
    {R::kMessageLongLine, "message_long_line", 554, "5.6.0", "Message refused: line $0 is longer than 998 octets"},
    {R::kNoRecipients, "no_recipients", 554, "5.5.1", "No valid recipients"},
    {R::kEarlyTalker, "early_talker", 554, "5.5.1", "The client spoke before the greeting"},
    {R::kOtherProtocol, "other_protocol", 554, "5.5.1", "This is SMTP"},
    {R::kUnknownParameter, "unknown_parameter", 555, "5.5.4", "Parameter not recognized or not implemented"},
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kReplies.size(); ++i) {
    if (static_cast<size_t>(kReplies[i].id) != i) return false;
  }
  return true;
}
static_assert(InOrder());

}  // namespace

const Reply& GetReply(ReplyId id) { return kReplies[static_cast<size_t>(id)]; }

void AppendReply(ReplyId id, absl::string_view detail, std::string& out) {
  const Reply& reply = GetReply(id);
  AppendReply(reply.code, reply.enhanced, absl::Substitute(reply.text, detail), out);
}

}  // namespace mailstead::smtp
