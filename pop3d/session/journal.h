// What a session tells as it happens, so that nobody has to ask it afterwards what it has said. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/store/ids.h"
#include "common/store/login_end.h"
#include "pop3d/session/maildrop.h"
#include "pop3d/session/replies.h"

namespace mailstead::pop3 {

// Who logs in, and how.
struct LoginName {
  // "USER" or the mechanism of AUTH; empty before the first try to log in.
  absl::string_view mechanism;
  // The address and the id of the account; empty until the store has accepted the login.
  std::string address;
  AccountId account;
};

class SessionJournal {
 public:
  virtual ~SessionJournal() = default;

  // Replied: each reply that is given.
  virtual void Replied(ReplyId reply) = 0;
  // LoginRefused: a SASL exchange has ended with this reply, and not in a login.
  virtual void LoginRefused(absl::string_view mechanism, ReplyId reply) = 0;
  // LoginEnded: what the account may do in this session is over, since it was changed, or an operator has ended the session.
  virtual void LoginEnded(const LoginName& login, store::LoginEnd why) = 0;
  // LoggedIn: the login has its maildrop.
  virtual void LoggedIn(const LoginName& login, const Maildrop& maildrop) = 0;
  // OpenRefused: the login was right, and its maildrop could not be opened.
  virtual void OpenRefused(const LoginName& login, ReplyId reply, const absl::Status& why) = 0;
  // Committed: QUIT has deleted so many messages.
  virtual void Committed(const LoginName& login, size_t deleted_count) = 0;
  // CommitFailed: QUIT has not, or it is not known.
  virtual void CommitFailed(const LoginName& login, ReplyId reply, const absl::Status& why) = 0;
};

}  // namespace mailstead::pop3
