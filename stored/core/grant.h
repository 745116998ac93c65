// Grants: what a login allows. A grant names an account and the session that logged in; whoever shows it may do
// what it is for, and nothing else: with that account's maildrop what its methods do, or submit mail.
//
// A login ends when its account is disabled, removed or renamed, or gets another password, and when an operator ends its
// session: no grant of it is good from then on. One for a maildrop is good for kGrantAge, and as long as the session that
// it names holds the maildrop: a session outlives the first.
//
// Its bytes, big-endian:
//   use (1 byte: 2 maildrop, 3 sending)  account (8)  credential version (8)  begin of the SHA-256 of the
//   account's address (8)  expiry, in seconds (8)  session id (the rest)  MAC (16)
// The MAC is HMAC-SHA256 under a key that outlives the process and is the same for all that serve one incarnation of
// a store, so that sessions live through a restart and are served by any of them, but not through the restore of a
// backup.
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
// whether its login has ended where the directory's version is not known.
inline constexpr absl::Duration kGrantBelief = absl::Seconds(1);

// Sessions that an operator has ended, and that may not have heard of it. One that is forgotten has lost its maildrop all the
// same: it can read, and deletes nothing.
inline constexpr size_t kMaxEndedSessions = 4096;

enum class GrantUse : char { kMaildrop = 2, kSending = 3 };

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
  std::string Issue(GrantUse use, const engine::Account& account, const std::string& session_id,
                    int64_t directory_version);

  // What a grant for a maildrop says, however old it is and whether its login has ended or not: to give back what
  // the session has. PermissionDenied with kReasonGrantInvalid for what Issue did not make.
  absl::StatusOr<Grant> Read(absl::string_view bytes) const;

  // What a grant says whose login has not ended, however old it is. As Read, for this use; PermissionDenied with
  // kReasonGrantExpired; errors of the engine. `bytes` outlives the Task. For a maildrop it is enough where the
  // engine refuses any but the session that holds the lock: a commit whose answer was lost is repeated when the
  // lock is gone.
  Task<absl::StatusOr<Grant>> CheckLogin(GrantUse use, const std::string& bytes);

  // What a grant for a maildrop says that is good. Errors as of CheckLogin. `bytes` outlives the Task.
  Task<absl::StatusOr<Grant>> Check(const std::string& bytes);

  // Whether the login of a grant for any use has ended; so has that of what is no grant. Errors of the engine.
  Task<absl::StatusOr<bool>> HasEnded(const std::string& bytes);

  // An operator has ended a session, whose maildrop is free already: its grant is good for nothing from now on, for this
  // process and the last kMaxEndedSessions of them. CheckLogin and Check: PermissionDenied with kReasonSessionEnded.
  void EndSession(AccountId account, absl::string_view session_id);
  // Whether that was done to the session of a grant. Never waits.
  bool IsSessionEnded(absl::string_view bytes);

 private:
  struct Parsed {
    Grant grant;
    GrantUse use = GrantUse::kMaildrop;
    int64_t credential_version = 0;
    std::string address_digest;
    absl::Time expires;
    // The grant without its MAC, and that.
    std::string bytes;
    std::string mac;
  };
  // What was found out of a grant.
  struct Memory {
    // The grant without its MAC, which was found right.
    std::string bytes;
    // At which the login had not ended; 0: at none.
    int64_t directory_version = 0;
    absl::Time login_checked = absl::InfinitePast();
    absl::Time lock_seen = absl::InfinitePast();
  };

  absl::StatusOr<Parsed> Parse(absl::string_view bytes) const;
  std::string Mac(absl::string_view bytes) const;
  absl::StatusOr<Parsed> Parse(GrantUse use, absl::string_view bytes) const;
  bool IsSessionEnded(const Grant& grant);
  // Without waiting: false when that is not known.
  bool IsLoginRemembered(const Parsed& parsed);
  bool IsLockRemembered(const Parsed& parsed);
  Task<absl::StatusOr<bool>> HasLogin(const Parsed& parsed);
  Task<absl::StatusOr<bool>> HoldsMaildrop(const Parsed& parsed);

  engine::DirectoryEngine& directory_;
  engine::MaildropEngine& maildrops_;
  const Clock& clock_;
  const std::string key_;
  // By MAC. Looking something up in it moves it.
  mutable LruMap<Memory> memory_;
  // By account and session id.
  LruMap<bool> ended_sessions_;
};

}  // namespace mailstead::stored
