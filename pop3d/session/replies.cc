#include "pop3d/session/replies.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "common/base/check.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {
namespace {

struct Entry {
  ReplyId id;
  ReplyStatus status;
  absl::string_view name;
  // Extended response code without brackets, or empty.
  absl::string_view code;
  // $0 and $1 are the arguments. The first is ASCII: a client that did not choose a language gets it.
  absl::string_view english;
  absl::string_view german;
};

constexpr ReplyStatus kOk = ReplyStatus::kOk;
constexpr ReplyStatus kError = ReplyStatus::kError;

// In the order of ReplyId.
constexpr Entry kCatalogue[] = {
    // RFC 1939 section 4. No "<...>" in it: that would offer APOP, which needs passwords kept in clear.
    {ReplyId::kGreeting, kOk, "greeting", "", "$0 POP3 server ready", "$0 POP3-Server bereit"},
    {ReplyId::kGoodbye, kOk, "goodbye", "", "bye", "auf Wiedersehen"},
    {ReplyId::kGoodbyeDeleted, kOk, "goodbye_deleted", "", "bye, $0 messages deleted",
     "auf Wiedersehen, $0 Nachrichten gelöscht"},
    {ReplyId::kSendPassword, kOk, "send_password", "", "send PASS", "weiter mit PASS"},
    {ReplyId::kMaildrop, kOk, "maildrop", "", "maildrop has $0 messages ($1 octets)",
     "das Postfach hat $0 Nachrichten ($1 Bytes)"},
    {ReplyId::kDone, kOk, "done", "", "done", "erledigt"},
    {ReplyId::kNumbers, kOk, "numbers", "", "$0 $1", "$0 $1"},
    {ReplyId::kScanListing, kOk, "scan_listing", "", "$0 messages ($1 octets)", "$0 Nachrichten ($1 Bytes)"},
    {ReplyId::kUidListing, kOk, "uid_listing", "", "unique-id listing follows", "es folgen die Kennungen"},
    {ReplyId::kMessage, kOk, "message", "", "$0 octets", "$0 Bytes"},
    {ReplyId::kTopOfMessage, kOk, "top_of_message", "", "top of message follows",
     "es folgt der Anfang der Nachricht"},
    {ReplyId::kDeleted, kOk, "deleted", "", "message $0 deleted", "Nachricht $0 gelöscht"},
    {ReplyId::kCapabilities, kOk, "capabilities", "", "capability list follows", "es folgen die Fähigkeiten"},
    {ReplyId::kMechanisms, kOk, "mechanisms", "", "mechanisms follow", "es folgen die Verfahren"},
    {ReplyId::kStartTls, kOk, "start_tls", "", "begin TLS negotiation", "TLS-Aushandlung beginnen"},
    {ReplyId::kUtf8Mode, kOk, "utf8_mode", "", "UTF-8 mode", "UTF-8-Modus"},
    {ReplyId::kLanguages, kOk, "languages", "", "language listing follows", "es folgen die Sprachen"},
    {ReplyId::kLanguageChanged, kOk, "language_changed", "", "$0 language changed", "$0 Sprache gewechselt"},
    {ReplyId::kChallenge, ReplyStatus::kContinue, "challenge", "", "$0", "$0"},

    {ReplyId::kUnknownCommand, kError, "unknown_command", "", "unknown command", "unbekannter Befehl"},
    {ReplyId::kBadSyntax, kError, "bad_syntax", "", "usage: $0", "Aufruf: $0"},
    {ReplyId::kLineTooLong, kError, "line_too_long", "", "line too long", "Zeile zu lang"},
    {ReplyId::kBareLineEnd, kError, "bare_line_end", "", "lines must end with CR LF",
     "Zeilen müssen mit CR LF enden"},
    {ReplyId::kNotAuthenticated, kError, "not_authenticated", "", "log in first", "erst anmelden"},
    {ReplyId::kAlreadyAuthenticated, kError, "already_authenticated", "", "not after login",
     "nicht nach der Anmeldung"},
    {ReplyId::kUserFirst, kError, "user_first", "", "USER first", "erst USER"},
    {ReplyId::kBadUtf8, kError, "bad_utf8", "", "not valid UTF-8", "kein gültiges UTF-8"},
    {ReplyId::kNoSuchMessage, kError, "no_such_message", "", "no such message, only $0 messages in maildrop",
     "keine solche Nachricht, das Postfach hat nur $0 Nachrichten"},
    {ReplyId::kMessageDeleted, kError, "message_deleted", "", "message $0 already deleted",
     "Nachricht $0 ist schon gelöscht"},
    {ReplyId::kTooManyDeletions, kError, "too_many_deletions", "",
     "as many deletions as one session may make: QUIT, and go on in the next",
     "mehr Löschungen erlaubt eine Sitzung nicht: QUIT, und in der nächsten weiter"},
    {ReplyId::kUnknownLanguage, kError, "unknown_language", "", "language not available",
     "Sprache nicht vorhanden"},
    {ReplyId::kTooManyErrors, kError, "too_many_errors", "", "too many errors, closing",
     "zu viele Fehler, die Verbindung wird beendet"},

    {ReplyId::kTlsRequired, kError, "tls_required", "", "TLS is needed to log in, use STLS",
     "zur Anmeldung ist TLS nötig, mit STLS beginnen"},
    {ReplyId::kTlsActive, kError, "tls_active", "", "command not permitted when TLS active",
     "Befehl unter TLS nicht erlaubt"},
    {ReplyId::kTlsUnavailable, kError, "tls_unavailable", "", "TLS is not available here",
     "TLS gibt es hier nicht"},
    {ReplyId::kTlsAfterUtf8, kError, "tls_after_utf8", "", "STLS must come before UTF8",
     "STLS muss vor UTF8 kommen"},

    {ReplyId::kUnknownMechanism, kError, "unknown_mechanism", "", "authentication mechanism not available",
     "Anmeldeverfahren nicht vorhanden"},
    {ReplyId::kBadBase64, kError, "bad_base64", "", "not valid base64", "kein gültiges Base64"},
    {ReplyId::kAuthCancelled, kError, "auth_cancelled", "", "authentication cancelled",
     "Anmeldung abgebrochen"},
    {ReplyId::kAuthMalformed, kError, "auth_malformed", "", "malformed authentication exchange",
     "fehlerhafter Ablauf der Anmeldung"},
    {ReplyId::kBadCredentials, kError, "bad_credentials", "AUTH", "wrong user name or password",
     "falscher Benutzername oder falsches Passwort"},
    {ReplyId::kBadCredentialsClosing, kError, "bad_credentials_closing", "AUTH",
     "wrong user name or password, too many attempts, closing",
     "falscher Benutzername oder falsches Passwort, zu viele Versuche, die Verbindung wird beendet"},
    // RFC 3206 section 5: also an expired account or a policy is a problem of the credentials.
    {ReplyId::kAccountDisabled, kError, "account_disabled", "AUTH", "account is disabled",
     "Konto ist gesperrt"},
    {ReplyId::kLoginEnded, kError, "login_ended", "AUTH", "the account was changed: log in again, closing",
     "das Konto wurde geändert: bitte neu anmelden, die Verbindung wird beendet"},
    // RFC 3206 section 4: the same login will do, so it is none of the credentials.
    {ReplyId::kSessionEnded, kError, "session_ended", "SYS/TEMP",
     "the administrator has ended the session, nothing was deleted, closing",
     "der Betreiber hat die Sitzung beendet, nichts wurde gelöscht, die Verbindung wird beendet"},
    {ReplyId::kInUse, kError, "in_use", "IN-USE", "maildrop is in use by another session",
     "das Postfach ist durch eine andere Sitzung belegt"},
    {ReplyId::kLoginDelay, kError, "login_delay", "LOGIN-DELAY", "at least $0 seconds between logins",
     "mindestens $0 Sekunden zwischen Anmeldungen"},

    {ReplyId::kStoreUnavailable, kError, "store_unavailable", "SYS/TEMP",
     "mail store is not available, try again later",
     "der Mailspeicher ist nicht erreichbar, später noch einmal"},
    {ReplyId::kListingMemoryFull, kError, "listing_memory_full", "SYS/TEMP",
     "too many large maildrops are open, try again later",
     "zu viele große Postfächer sind offen, später noch einmal"},
    {ReplyId::kMailboxUnusable, kError, "mailbox_unusable", "SYS/PERM",
     "mailbox cannot be opened, ask the administrator",
     "das Postfach ist nicht zu öffnen, bitte den Betreiber fragen"},
    {ReplyId::kMessageUnreadable, kError, "message_unreadable", "SYS/TEMP",
     "message cannot be read now, try again later",
     "die Nachricht ist jetzt nicht lesbar, später noch einmal"},
    {ReplyId::kMessageGone, kError, "message_gone", "SYS/PERM", "message does not exist any more",
     "die Nachricht gibt es nicht mehr"},
    {ReplyId::kCommitUnconfirmed, kError, "commit_unconfirmed", "SYS/TEMP",
     "mail store is not available, deletions are not confirmed",
     "der Mailspeicher ist nicht erreichbar, die Löschungen sind nicht bestätigt"},
    {ReplyId::kCommitRefused, kError, "commit_refused", "SYS/PERM",
     "nothing was deleted, ask the administrator", "nichts wurde gelöscht, bitte den Betreiber fragen"},
    {ReplyId::kLockLost, kError, "lock_lost", "SYS/TEMP",
     "lock on the maildrop was lost, nothing was deleted",
     "die Sperre des Postfachs ging verloren, nichts wurde gelöscht"},
    {ReplyId::kTooManyConnections, kError, "too_many_connections", "SYS/TEMP", "too many connections",
     "zu viele Verbindungen"},
    {ReplyId::kTooManyConnectionsFromAddress, kError, "too_many_connections_from_address", "SYS/TEMP",
     "too many connections from your address", "zu viele Verbindungen von dieser Adresse"},
};

constexpr bool CatalogueIsInOrder() {
  size_t i = 0;
  for (const Entry& entry : kCatalogue) {
    if (static_cast<size_t>(entry.id) != i++) return false;
  }
  return i == static_cast<size_t>(kLastReplyId) + 1;
}
static_assert(CatalogueIsInOrder());

const Entry& Find(ReplyId id) { return kCatalogue[static_cast<size_t>(id)]; }

absl::string_view StatusText(ReplyStatus status) {
  switch (status) {
    case ReplyStatus::kOk:
      return "+OK ";
    case ReplyStatus::kContinue:
      return "+ ";
    case ReplyStatus::kError:
      return "-ERR ";
  }
  CHECK(false);
}

}  // namespace

ReplyStatus StatusOf(ReplyId id) { return Find(id).status; }

absl::string_view NameOf(ReplyId id) { return Find(id).name; }

void AppendReply(const Reply& reply, Language language, std::string& out) {
  const Entry& entry = Find(reply.id);
  const size_t begin = out.size();
  out.append(StatusText(entry.status).data(), StatusText(entry.status).size());
  if (!entry.code.empty()) absl::StrAppend(&out, "[", entry.code, "] ");
  const absl::string_view text = language == Language::kGerman ? entry.german : entry.english;
  const auto argument = [&reply](size_t i) {
    return i < reply.arguments.size() ? absl::string_view(reply.arguments[i]) : absl::string_view();
  };
  absl::SubstituteAndAppend(&out, text, argument(0), argument(1));
  out.append("\r\n");
  // A challenge is as long as its mechanism makes it (RFC 5034 section 4); all else is ours and short.
  CHECK(entry.status == ReplyStatus::kContinue || out.size() - begin <= kMaxReplyLineBytes);
  if (reply.lines.empty()) return;
  for (const std::string& line : reply.lines) {
    CHECK(line.empty() || line.front() != '.');
    absl::StrAppend(&out, line, "\r\n");
  }
  out.append(".\r\n");
}

}  // namespace mailstead::pop3
