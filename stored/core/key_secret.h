// What a caller with a key shows. The grammar of a secret, in the alphabet of RandomId (0-9a-z without i, l, o, u):
//
//   secret   = "msk_" id random checksum
//   id       = 12 characters, which name the key
//   random   = 32 characters: 160 bits
//   checksum = 7 characters: the first 35 bits of the SHA-256 of all before it, the highest first
//
// The prefix and the checksum are for programs that look for secrets where they should not be, and for typing errors.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::stored {

inline constexpr absl::string_view kKeyPrefix = "msk_";
inline constexpr size_t kKeyIdCharacters = 12;
inline constexpr size_t kKeyRandomCharacters = 32;
inline constexpr size_t kKeyChecksumCharacters = 7;

// Random characters of the alphabet.
using RandomCharacters = std::function<std::string(size_t count)>;

std::string MakeKeySecret(absl::string_view id, const RandomCharacters& random);

// Whether it is meant to be a secret of a key.
bool LooksLikeKeySecret(absl::string_view text);
// The id. Unauthenticated with kReasonKeyMalformed: it is not written as one, or mistyped.
absl::StatusOr<std::string> IdOfKeySecret(absl::string_view secret);

}  // namespace mailstead::stored
