// Hashes of Argon2 (RFC 9106), as other systems write them: $argon2id$v=19$m=65536,t=3,p=4$salt$hash.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::stored {

// A hash taken apart. `salt` and `digest` are raw bytes.
struct Argon2Hash {
  enum class Type { kD, kI, kId };
  Type type = Type::kId;
  uint32_t version = 0;
  uint32_t memory_kib = 0;
  uint32_t passes = 0;
  uint32_t lanes = 0;
  std::string salt;
  std::string digest;
};

inline constexpr absl::string_view kArgon2Prefix = "$argon2";

// InvalidArgument, also when a login would need more memory or time than kMaxArgon2MemoryKib and its neighbours in
// limits.h allow; the message never has the hash.
absl::StatusOr<Argon2Hash> ParseArgon2(absl::string_view text);

// Blocks for the time of one hash, on this thread alone, with `memory_kib` of memory. False when that cannot be had.
bool MatchesArgon2(const Argon2Hash& hash, absl::string_view password);

}  // namespace mailstead::stored
