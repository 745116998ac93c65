// Grants: what a POP3 login allows. A grant names an account and the session that logged in; whoever shows it
// may do with that account's maildrop what its methods do, and nothing else.
//
// A grant is good for kGrantAge while the account's password stays the same, and as long as the session that
// it names holds the account's maildrop: a session outlives both.
//
// Its bytes, big-endian:
//   version (1 byte: 1)  account (8)  credential version (8)  expiry, in seconds (8)
//   session id (the rest)  MAC (16)
// The MAC is HMAC-SHA256 under a key that outlives the process and is the same for all that serve one store,
// so that sessions live through a restart and are served by any of them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/core/lru_map.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

inline constexpr absl::Duration kGrantAge = absl::Minutes(10);
// What was found out about a grant is believed for so long: whether its session holds the maildrop, and
// whether its password is the account's where the directory's version is not known.
inline constexpr absl::Duration kGrantBelief = absl::Seconds(1);

struct Grant {
  AccountId account;
  std::string session_id;
};

// Used on one thread.
class Grants {
 public:
  // `key`: 32 random bytes or more.
  Grants(engine::DirectoryEngine& directory, engine::MaildropEngine& maildrops, const Clock& clock,
         std::string key);

  // For a login that has just succeeded; `directory_version` is that from before its account was looked up.
  std::string Issue(const engine::Account& account, const std::string& session_id, int64_t directory_version);

  // What a grant says, however old it is: for calls that the engine refuses to any but the session that holds
  // the lock. A commit whose answer was lost is repeated when the lock is gone. PermissionDenied with
  // kReasonGrantInvalid for what Issue did not make.
  absl::StatusOr<Grant> Read(absl::string_view bytes) const;

  // What a grant says that is good. As Read; PermissionDenied with kReasonGrantExpired; errors of the engine.
  // `bytes` outlives the Task.
  Task<absl::StatusOr<Grant>> Check(const std::string& bytes);

 private:
  struct Parsed {
    Grant grant;
    int64_t credential_version = 0;
    absl::Time expires;
    // The grant without its MAC, and that.
    std::string bytes;
    std::string mac;
  };
  // What was found out of a grant.
  struct Memory {
    // The grant without its MAC, which was found right.
    std::string bytes;
    // At which the password was the account's; 0: at none.
    int64_t directory_version = 0;
    absl::Time password_checked = absl::InfinitePast();
    absl::Time lock_seen = absl::InfinitePast();
  };

  absl::StatusOr<Parsed> Parse(absl::string_view bytes) const;
  std::string Mac(absl::string_view bytes) const;
  bool IsRemembered(const Parsed& parsed);
  Task<absl::StatusOr<bool>> HasSamePassword(const Parsed& parsed);
  Task<absl::StatusOr<bool>> HoldsMaildrop(const Parsed& parsed);

  engine::DirectoryEngine& directory_;
  engine::MaildropEngine& maildrops_;
  const Clock& clock_;
  const std::string key_;
  // By MAC. Looking something up in it moves it.
  mutable LruMap<Memory> memory_;
};

}  // namespace mailstead::stored
