// What a session says of what has happened, to whom it may concern: smtpd/inbound/journal.h writes the log
// and counts. The session knows neither. Pure.
#pragma once

#include "absl/strings/string_view.h"
#include "smtpd/session/replies.h"

namespace mailstead::smtp {

class SessionJournal {
 public:
  virtual ~SessionJournal() = default;

  // A reply was given.
  virtual void Replied(ReplyId reply) = 0;

  // `sender` is as MAIL gave it, "<>" for the null reverse-path.

  // MAIL was refused for its sender: by the store's word, because there was none, or because the account has sent enough.
  virtual void SenderRefused(absl::string_view sender, ReplyId reply) = 0;
  // RCPT was refused by the store's word or because there was none.
  virtual void RecipientRefused(absl::string_view sender, absl::string_view recipient, ReplyId reply) = 0;
  // The message itself was refused, whatever the store would say. `delivery_id`: empty when MAIL announced its size.
  virtual void MessageRefused(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) = 0;
  // The store did not take the message.
  virtual void MessageNotStored(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) = 0;

  // How an AUTH exchange ended: the account is logged in; the store said no; the store could not say; the
  // client gave up.
  virtual void Authenticated(absl::string_view mechanism, absl::string_view account) = 0;
  virtual void AuthenticationRefused(absl::string_view mechanism) = 0;
  virtual void AuthenticationFailed(absl::string_view mechanism) = 0;
  virtual void AuthenticationCancelled(absl::string_view mechanism) = 0;
  // The client asked for a mechanism that is not offered; the name is its own.
  virtual void MechanismRefused(absl::string_view mechanism) = 0;
  // What the account may do in this session is over, since it was changed.
  virtual void LoginEnded(absl::string_view account) = 0;
};

}  // namespace mailstead::smtp
