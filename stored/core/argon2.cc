#include "stored/core/argon2.h"

#include <argon2.h>

#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

absl::Status NotWhole() { return absl::InvalidArgumentError("is no whole hash of Argon2"); }

std::optional<Argon2Hash::Type> TypeOf(absl::string_view name) {
  if (name == "argon2d") return Argon2Hash::Type::kD;
  if (name == "argon2i") return Argon2Hash::Type::kI;
  if (name == "argon2id") return Argon2Hash::Type::kId;
  return std::nullopt;
}

argon2_type NativeType(Argon2Hash::Type type) {
  switch (type) {
    case Argon2Hash::Type::kD:
      return Argon2_d;
    case Argon2Hash::Type::kI:
      return Argon2_i;
    case Argon2Hash::Type::kId:
      return Argon2_id;
  }
  CHECK(false);
}

// "m=65536"
bool ParseParameter(absl::string_view text, absl::string_view name, uint32_t& value) {
  return absl::ConsumePrefix(&text, name) && absl::ConsumePrefix(&text, "=") && !text.empty() &&
         absl::ascii_isdigit(text.front()) && absl::SimpleAtoi(text, &value);
}

bool ParseBytes(absl::string_view text, size_t least, size_t most, std::string& bytes) {
  return !absl::StrContains(text, '=') && absl::Base64Unescape(text, &bytes) && bytes.size() >= least &&
         bytes.size() <= most;
}

}  // namespace

absl::StatusOr<Argon2Hash> ParseArgon2(absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, '$');
  if (parts.size() < 5 || !parts[0].empty()) return NotWhole();
  Argon2Hash hash;
  const std::optional<Argon2Hash::Type> type = TypeOf(parts[1]);
  if (!type.has_value()) return NotWhole();
  hash.type = *type;
  // The first version wrote none.
  hash.version = ARGON2_VERSION_10;
  if (parts.size() == 6) {
    if (!ParseParameter(parts[2], "v", hash.version)) return NotWhole();
    parts.erase(parts.begin() + 2);
  }
  if (parts.size() != 5) return NotWhole();
  if (hash.version != ARGON2_VERSION_10 && hash.version != ARGON2_VERSION_13) {
    return absl::InvalidArgumentError(
        absl::StrCat("is of version ", hash.version, " of Argon2, which is not known"));
  }
  const std::vector<absl::string_view> parameters = absl::StrSplit(parts[2], ',');
  if (parameters.size() != 3 || !ParseParameter(parameters[0], "m", hash.memory_kib) ||
      !ParseParameter(parameters[1], "t", hash.passes) || !ParseParameter(parameters[2], "p", hash.lanes) ||
      !ParseBytes(parts[3], ARGON2_MIN_SALT_LENGTH, kMaxArgon2SaltBytes, hash.salt) ||
      !ParseBytes(parts[4], kMinArgon2DigestBytes, kMaxArgon2DigestBytes, hash.digest)) {
    return NotWhole();
  }
  if (hash.passes < ARGON2_MIN_TIME || hash.lanes < ARGON2_MIN_LANES ||
      uint64_t{hash.memory_kib} < uint64_t{8} * hash.lanes) {  // RFC 9106 section 3.1
    return NotWhole();
  }
  if (hash.memory_kib > kMaxArgon2MemoryKib || hash.passes > kMaxArgon2Passes ||
      hash.lanes > kMaxArgon2Lanes) {
    return absl::InvalidArgumentError(absl::StrCat("needs more for each login than m=", kMaxArgon2MemoryKib,
                                                   ",t=", kMaxArgon2Passes, ",p=", kMaxArgon2Lanes));
  }
  return hash;
}

bool MatchesArgon2(const Argon2Hash& hash, absl::string_view password) {
  std::string computed(hash.digest.size(), '\0');
  // The library reads these only.
  std::string salt = hash.salt;
  std::string secret(password);
  argon2_context context{};
  context.out = reinterpret_cast<uint8_t*>(computed.data());
  context.outlen = static_cast<uint32_t>(computed.size());
  context.pwd = reinterpret_cast<uint8_t*>(secret.data());
  context.pwdlen = static_cast<uint32_t>(secret.size());
  context.salt = reinterpret_cast<uint8_t*>(salt.data());
  context.saltlen = static_cast<uint32_t>(salt.size());
  context.t_cost = hash.passes;
  context.m_cost = hash.memory_kib;
  context.lanes = hash.lanes;
  context.threads = 1;
  context.version = hash.version;
  context.flags = ARGON2_DEFAULT_FLAGS;
  if (argon2_ctx(&context, NativeType(hash.type)) != ARGON2_OK) return false;
  return EqualInConstantTime(computed, hash.digest);
}

}  // namespace mailstead::stored
