// Who callers are.
#pragma once

namespace mailstead::stored {

// Bits of a set.
enum Role : unsigned {
  kSmtp = 1,      // smtpd: logs clients in, checks senders, resolves, delivers
  kPop = 2,       // pop3d: logs clients in; then only what a login's grant allows
  kRelay = 4,     // what brings mail to other hosts
  kOperator = 8,  // people and applications
};

}  // namespace mailstead::stored
