// Wrong passwords are slowed down, and a place that keeps guessing is shut out for a while.
//
// Three counts, each decaying by half in `half_life`:
// - Account and network: an account from one network (an IPv4 address, an IPv6 /64). The pair is locked out
//   at `lockout_failures`: for `lockout_time` no password is checked, and the answer is as for a wrong one.
// - Network: all accounts from one network. At `network_lockout_failures` the network is locked out.
// - Account: an account from everywhere. It only delays answers to wrong passwords and never locks; otherwise
//   strangers could shut a user out from the user's own address.
//
// An account that logged in from a network lately is known there: it is let in with its password during a lock-out of
// the pair or the network, which others may have brought about. What is wrong is refused then as for everybody else, and
// at `network_lockout_failures` of such guesses at one account the account is locked out there, too.
//
// What proves nothing about a password (an exchange that is malformed or given up, a channel binding that does not fit)
// uses up nobody's tries: it has a count of its own for each account and network, which delays the answers to its like.
//
// Names that are no account are counted like accounts, so that nothing here tells which exist.
// The same wrong password again is no new guess: a mail program with an old password, polling every minute,
// is delayed but locks nobody out. Attempts during a lock-out do not prolong it, for the same reason. All
// counts are of this process and start anew with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "stored/core/lru_map.h"

namespace mailstead::stored {

struct ThrottleOptions {
  // A wrong password is answered this long after it came; doubled by every failure beyond
  // `failures_before_delay`.
  absl::Duration first_delay = absl::Seconds(1);
  absl::Duration max_delay = absl::Seconds(15);
  int failures_before_delay = 3;
  int lockout_failures = 12;
  int network_lockout_failures = 100;
  absl::Duration lockout_time = absl::Minutes(10);
  absl::Duration half_life = absl::Minutes(10);
  // How long an account stays known in a network that it logged in from.
  absl::Duration known_for = absl::Hours(7 * 24);
  // Of each count. When full, what was touched longest ago is forgotten.
  size_t max_entries = 100'000;
};

// What a client's address is counted as: the IPv4 address, or the IPv6 /64. FieldError `field` when it is
// neither.
absl::StatusOr<std::string> ClientNetwork(absl::string_view field, absl::string_view client_address);

// The network that an operator means: an address in it, or as ClientNetwork gives it. FieldError `field`.
absl::StatusOr<std::string> NamedNetwork(absl::string_view field, absl::string_view text);

// What wrong passwords are counted for. Lock-outs are listed in this order.
enum class LockoutScope {
  kNetwork = 1,
  kAccountInNetwork,
  // An account that is known there: its guesses while others are locked out.
  kKnownAccountInNetwork,
  // Never locked out.
  kAccount,
};
inline constexpr size_t kLockoutScopes = 4;
// "account_in_network".
absl::string_view NameOf(LockoutScope scope);

// A count that has consequences.
struct Lockout {
  LockoutScope scope = LockoutScope::kNetwork;
  // As it is counted: a name that is long, or no UTF-8, as "sha256:" and hexadecimal digits.
  std::string account;
  std::string network;
  // Else wrong passwords are answered later than the first.
  bool locked_out = false;
  int failure_count = 0;
  // When that ends, without further failures.
  absl::Time until;
};

// Where it stands among others.
std::string KeyOf(const Lockout& lockout);

struct LockoutCounts {
  // By scope, less 1.
  std::array<int64_t, kLockoutScopes> now = {};
  // Since the process began.
  std::array<int64_t, kLockoutScopes> total = {};
};

// What was forgotten.
struct ClearedLockouts {
  // Counts of failures, and those of them that were locked out.
  int count = 0;
  int locked_out_count = 0;
};

// Thread-safe.
class LoginThrottle {
 public:
  LoginThrottle(const Clock& clock, const ThrottleOptions& options);

  // Whether a login is to be refused without a look at its password.
  bool IsLockedOut(absl::string_view account, absl::string_view network);

  // Counts a wrong password. `fingerprint` tells one guess from another; empty when it is not known (SCRAM).
  // Returns how long after the attempt came the answer is due.
  absl::Duration Failure(absl::string_view account, absl::string_view network, absl::string_view fingerprint);

  // The same delay for an attempt that was refused unseen; counts nothing.
  absl::Duration Delay(absl::string_view account, absl::string_view network);

  // Counts an attempt that proves nothing about a password. Returns how long after it the answer is due: at once for the
  // first `failures_before_delay`. `account` is empty where it is not known.
  absl::Duration Oddity(absl::string_view account, absl::string_view network);

  // The account's failures from this network are forgotten, and it is known there from now on.
  // SECURITY: not those of the network, or one known account would be enough to guess at others without end.
  void Success(absl::string_view account, absl::string_view network);

  // For operators: who is locked out or answered late, sorted by KeyOf, those behind `after`, at most `limit`. Looks at
  // every count until there are so many.
  std::vector<Lockout> List(absl::string_view after, size_t limit);
  // Forgets the failures of an account from a network; where one of the two is empty, from every network, or of every account
  // there. `account` is a name or as List gives it. Looks at every count unless both are given.
  ClearedLockouts Clear(absl::string_view account, absl::string_view network);
  // Looks at every count.
  LockoutCounts CountLockouts();

 private:
  struct Count {
    double failures = 0;
    absl::Time updated;
    absl::Time locked_until = absl::InfinitePast();
    std::string last_fingerprint;
  };
  // An account in a network from which it logged in.
  struct Known {
    absl::Time since = absl::InfinitePast();
    // Of guesses at it while others are locked out.
    Count guesses;
  };

  static std::string PairKey(absl::string_view account, absl::string_view network);
  double NetworkWeight() const;
  double DelayedFrom() const;
  // Whether it is locked out or delays answers. `weight`: as much as one failure counts against failures_before_delay.
  bool HasConsequences(const Count& count, double weight, absl::Time now) const;
  Lockout Describe(LockoutScope scope, absl::string_view key, const Count& count, double weight) const;
  // Adds those of one scope, as List says; `count_of(value)` is the count.
  template <typename Value, typename CountOf>
  void ListScope(const LruMap<Value>& values, LockoutScope scope, CountOf count_of, double weight,
                 absl::string_view after, size_t limit, std::vector<Lockout>& lockouts)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteLockout(LockoutScope scope) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  double Failures(const Count* count) const;
  // Counts a guess, unless it is the last one again. True: `limit` is reached, and the count locked out.
  bool Add(Count& count, absl::string_view fingerprint, int limit) const;
  absl::Duration Doubled(double failures) const;
  absl::Duration DelayFor(absl::string_view pair_key, absl::string_view account, absl::string_view network)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is a lock-out for those who are not known.
  bool IsShut(absl::string_view pair_key, absl::string_view network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null when it is not known there.
  Known* FindKnown(absl::string_view pair_key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const ThrottleOptions options_;
  absl::Mutex mutex_;
  LruMap<Count> pairs_ ABSL_GUARDED_BY(mutex_);
  LruMap<Count> networks_ ABSL_GUARDED_BY(mutex_);
  LruMap<Count> accounts_ ABSL_GUARDED_BY(mutex_);
  // By pair, as pairs_.
  LruMap<Count> oddities_ ABSL_GUARDED_BY(mutex_);
  LruMap<Known> known_ ABSL_GUARDED_BY(mutex_);
  // Lock-outs since the process began, by scope, less 1.
  std::array<int64_t, kLockoutScopes> lockouts_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace mailstead::stored
