// One SMTP session as a pure state machine (RFC 5321): a line or an event in, replies and one action out. No
// sockets, no clock, no store: connection.cc moves the bytes and performs the actions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/rpc/auth_exchange.h"
#include "smtpd/session/action.h"
#include "smtpd/session/dialog.h"

namespace mailstead::smtp {

class Session {
 public:
  // `config` outlives the session.
  explicit Session(const SessionConfig& config) : dialog_(config) {}

  // Replies gathered so far; the connection sends and clears them.
  std::string& output() { return dialog_.output; }
  const Dialog& dialog() const { return dialog_; }

  // Before anything else, when nothing forbids the session.
  void Greet();
  // TLS is up: after StartTls, or before Greet under implicit TLS. SECURITY: everything the session knew from
  // the time before is forgotten (RFC 3207 section 4.2).
  void OnTlsStarted(bool has_exporter);

  // A command, or a line of an AUTH exchange, without its CRLF.
  Action OnLine(absl::string_view line);
  Action OnLineTooLong();
  Action OnBareLineEnd();

  // The answers to actions.
  Action OnResolved(const absl::StatusOr<Resolution>& resolution);
  Action OnSenderChecked(const absl::StatusOr<bool>& allowed);
  Action OnAuthStep(const absl::StatusOr<rpc::AuthStep>& step);
  Action OnAuthEnded() { return Bounded(NextCommand{}); }
  Action OnStored(absl::string_view delivery_id);
  Action OnMessageRefused(MessageDefect defect);
  Action OnStoreFailed(const absl::Status& status);
  Action OnChunkTaken(uint64_t size_bytes);
  Action OnChunkSwallowed();

  // Reasons to close that are not the client's command; each says why in the reply.
  Action CloseWith(ReplyId id);

 private:
  Action Dispatch(absl::string_view line);
  // Replaces the next command by a close when the client made too many mistakes.
  Action Bounded(Action action);

  Dialog dialog_;
};

}  // namespace mailstead::smtp
