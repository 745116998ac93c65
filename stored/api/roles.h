// Who callers are.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead::stored {

// Bits of a set: of what a method's callers may be, and of what a caller is.
enum Role : unsigned {
  kSmtp = 1,      // smtpd: logs clients in, checks senders, resolves, delivers
  kPop = 2,       // pop3d: logs clients in; then only what a login's grant allows
  kRelay = 4,     // what brings mail to other hosts
  kOperator = 8,  // people, and what they trust with everything
  kWeb =
      1
      << 16,  // webd: calls in the name of clients, with their keys; by itself it reads what webhooks send, no more
};

// What a caller with a key may do: bits of the same set. A method of mailstead.store.v1 has one, a front-end's none.
enum Scope : unsigned {
  kMailRead = 1 << 4,
  kMailDelete = 1 << 5,
  kMailDeliver = 1 << 6,
  kMailSubmit = 1 << 7,
  kMailWatch = 1 << 8,
  kDirectoryRead = 1 << 9,
  kDirectoryWrite = 1 << 10,
  kQueueRead = 1 << 11,
  kQueueWrite = 1 << 12,
  kAdminRead = 1 << 13,
  kAdminWrite = 1 << 14,
};
inline constexpr unsigned kAllScopes = kMailRead | kMailDelete | kMailDeliver | kMailSubmit | kMailWatch |
                                       kDirectoryRead | kDirectoryWrite | kQueueRead | kQueueWrite |
                                       kAdminRead | kAdminWrite;
// Of them: what is done with mail.
inline constexpr unsigned kMailScopes = kMailRead | kMailDelete | kMailDeliver | kMailSubmit | kMailWatch;

// Those that show the credentials of others beside their own.
inline constexpr unsigned kFrontends = kSmtp | kPop | kRelay | kWeb;

// Of a method: it is about the whole store, and a key that sees a part of it may not call it.
inline constexpr unsigned kWholeStore = 1 << 15;

struct ScopeName {
  Scope scope;
  absl::string_view name;
};
inline constexpr ScopeName kScopeNames[] = {
    {kMailRead, "mail.read"},
    {kMailDelete, "mail.delete"},
    {kMailDeliver, "mail.deliver"},
    {kMailSubmit, "mail.submit"},
    {kMailWatch, "mail.watch"},
    {kDirectoryRead, "directory.read"},
    {kDirectoryWrite, "directory.write"},
    {kQueueRead, "queue.read"},
    {kQueueWrite, "queue.write"},
    {kAdminRead, "admin.read"},
    {kAdminWrite, "admin.write"},
};

}  // namespace mailstead::stored
