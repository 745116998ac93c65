// API keys, as the store keeps them (proto: Key).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "stored/rules/sight.h"

namespace mailstead::engine {

struct KeySecret {
  // SHA-256 of the secret.
  std::string digest;
  absl::Time create_time;
  absl::Time expire_time = absl::InfiniteFuture();
  bool operator==(const KeySecret&) const = default;
};

struct KeyLimits {
  // 0: no limit.
  int64_t calls_per_second = 0;
  int64_t burst = 0;
  int64_t concurrent_calls = 0;
  bool operator==(const KeyLimits&) const = default;
};

struct Key {
  // Random, and never used again: names it in its secrets.
  std::string id;
  std::string name;
  // Bits; opaque here.
  int64_t scopes = 0;
  rules::Sight sight;
  // Networks as text; empty: from anywhere.
  std::vector<std::string> ip_ranges;
  std::vector<std::string> certificate_names;
  KeyLimits limits;
  // The newest first; at most two.
  std::vector<KeySecret> secrets;
  absl::Time create_time;
  absl::Time update_time;
  absl::Time expire_time = absl::InfiniteFuture();
  // InfiniteFuture: it was not.
  absl::Time revoke_time = absl::InfiniteFuture();
  // Of the request that made it, with its caller; empty: it has none.
  std::string request_id;
  std::string request_fingerprint;
  // 1 when it is made, one more with each change.
  int64_t version = 0;
  // Of what comes in by it (rules/retention.h); 0: it has none.
  absl::Duration retention;
  bool operator==(const Key&) const = default;
};

// When a key was used last, and from where.
struct KeyUse {
  std::string id;
  absl::Time time;
  std::string address;
  bool operator==(const KeyUse&) const = default;
};

// Few enough that all are known in memory.
inline constexpr size_t kMaxKeys = 10'000;

// Every key and use is read at the start, and changed one at a time.
class KeyEngine {
 public:
  virtual ~KeyEngine() = default;

  // Sorted by id, those after `after`, at most `limit`.
  virtual Task<absl::StatusOr<std::vector<Key>>> List(std::string after, size_t limit) = 0;
  virtual Task<absl::StatusOr<std::vector<KeyUse>>> ListUses(std::string after, size_t limit) = 0;
  // Makes it (version 1), or puts it in the place of the one with its id whose version is one less. Aborted with
  // kReasonEtagMismatch: there is none of that version, or one already.
  virtual Task<absl::Status> Put(Key key) = 0;
  // With its use. OK when there is none.
  virtual Task<absl::Status> Delete(std::string id) = 0;
  // Each in the place of the one before it, at most 1,000. Not synced. Passes over keys that are not there.
  virtual Task<absl::Status> NoteUses(std::vector<KeyUse> uses) = 0;
};

}  // namespace mailstead::engine
