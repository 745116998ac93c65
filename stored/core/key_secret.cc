#include "stored/core/key_secret.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

constexpr absl::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

std::string ChecksumOf(absl::string_view text) {
  const std::string digest = Sha256(text);
  uint64_t bits = 0;
  for (size_t i = 0; i < 5; ++i) bits = bits << 8 | static_cast<uint8_t>(digest[i]);
  bits >>= 5;
  std::string checksum(kKeyChecksumCharacters, '0');
  for (size_t i = kKeyChecksumCharacters; i-- > 0; bits >>= 5) checksum[i] = kAlphabet[bits & 31];
  return checksum;
}

absl::Status Malformed(absl::string_view why) {
  return WithReason(absl::UnauthenticatedError(absl::StrCat("this is no key: ", why)), kReasonKeyMalformed);
}

}  // namespace

std::string MakeKeySecret(absl::string_view id, const RandomCharacters& random) {
  const std::string secret = absl::StrCat(kKeyPrefix, id, random(kKeyRandomCharacters));
  return absl::StrCat(secret, ChecksumOf(secret));
}

bool LooksLikeKeySecret(absl::string_view text) { return absl::StartsWith(text, kKeyPrefix); }

absl::StatusOr<std::string> IdOfKeySecret(absl::string_view secret) {
  constexpr size_t kSize =
      kKeyPrefix.size() + kKeyIdCharacters + kKeyRandomCharacters + kKeyChecksumCharacters;
  if (!LooksLikeKeySecret(secret)) return Malformed("it does not begin with msk_");
  if (secret.size() != kSize)
    return Malformed(absl::StrCat("it has ", secret.size(), " characters, not ", kSize));
  const absl::string_view checked = secret.substr(0, kSize - kKeyChecksumCharacters);
  if (secret.substr(checked.size()) != ChecksumOf(checked)) {
    return Malformed("its checksum is wrong, so it is mistyped or cut");
  }
  return std::string(secret.substr(kKeyPrefix.size(), kKeyIdCharacters));
}

}  // namespace mailstead::stored
