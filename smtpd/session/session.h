// One SMTP session as a pure state machine (RFC 5321): a line or an event in, replies and one action out. It
// has no socket, no clock and no store: smtpd/inbound/connection.cc moves the bytes and performs the actions,
// and a journal is told what happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/mail/envelope.h"
#include "common/sasl/step.h"
#include "common/store/resolution.h"
#include "smtpd/session/action.h"
#include "smtpd/session/dialog.h"

namespace mailstead::smtp {

class Session {
 public:
  // `config` and `journal` outlive the session.
  Session(const SessionConfig& config, SessionJournal& journal) : dialog_(config, journal) {}

  // Replies gathered so far; the connection sends and clears them.
  std::string& output() { return dialog_.output; }
  const Dialog& dialog() const { return dialog_; }
  // True from MAIL on, also while its sender is being checked, to the end of the message or RSET.
  bool in_transaction() const { return dialog_.transaction != nullptr || dialog_.asked != nullptr; }

  // Before anything else, when nothing forbids the session.
  void Greet();
  // TLS is up: after StartTlsAction, or before Greet under implicit TLS. SECURITY: everything the session
  // knew from the time before is forgotten (RFC 3207 section 4.2).
  void OnTlsStarted(bool channel_binding);

  // A command, or a line of an AUTH exchange, without its CRLF.
  Action OnLine(absl::string_view line);
  Action OnLineTooLong();
  Action OnBareLineEnd();

  // While recipients wait for the store's word, the next line that a pipelining client has sent (RFC 2920):
  // true when it is another RCPT, which then waits with them, so that the store is asked about all together.
  // False: its turn comes later.
  bool TakeRecipientAhead(absl::string_view line);
  // The recipients that wait, in order; at least one after ResolveRecipientsAction.
  const std::vector<EnvelopeRecipient>& open_recipients() const {
    return dialog_.transaction->open_recipients;
  }

  // The answers to actions.

  // `resolutions` has the store's word on each of open_recipients, in their order.
  Action OnResolved(absl::Span<const absl::StatusOr<store::Resolution>> resolutions);
  Action OnSendReserved(bool reserved);
  Action OnSenderChecked(const absl::StatusOr<bool>& allowed);
  Action OnLoginChallenge(absl::string_view challenge);
  Action OnLoggedIn(absl::string_view account);
  Action OnLoginRefused(sasl::Verdict verdict);
  // The store could not say.
  Action OnLoginFailed();
  // The account was disabled, removed or renamed, or has another password: the next command is answered with that.
  void OnLoginEnded() { dialog_.login_ended = true; }
  Action OnAuthEnded() { return Bounded(NextCommandAction{}); }
  // Who the message is for. The transaction goes on without it: it takes no more recipients.
  Envelope TakeEnvelope() { return std::move(dialog_.transaction->envelope); }
  Action OnStored(absl::string_view delivery_id);
  // `line`: with kLongLine, its number.
  Action OnMessageRefused(absl::string_view delivery_id, MessageDefect defect, uint64_t line = 0);
  Action OnStoreFailed(absl::string_view delivery_id, const absl::Status& status);
  Action OnChunkTaken(uint64_t size_bytes);
  Action OnChunkSwallowed();

  // Closes for a reason that is not the client's command; the reply says which.
  Action CloseWith(ReplyId id);

 private:
  Action Dispatch(absl::string_view line);
  // Closes when the login has ended. Absent: it has not, or there is none.
  std::optional<Action> LeaveWhenLoginEnded();
  // Replaces the next command by a close when the client made too many mistakes.
  Action Bounded(Action action);
  std::string MaxMessageBytes() const;

  Dialog dialog_;
};

}  // namespace mailstead::smtp
