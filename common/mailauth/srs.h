// The Sender Rewriting Scheme: the envelope sender of mail that is sent on, rewritten so that it is of the domain that sends
// it on. SPF of the next host sees that domain then, and notices of failure come back there, where they are sent on to the
// sender. Pure.
//
// The local parts, as libsrs2 and postsrsd write and read them:
//
//   SRS0 = "SRS0" separator hash "=" stamp "=" domain "=" local-part
//   SRS1 = "SRS1" separator hash "=" first-host "=" rest
//
//   separator  "=", "-" or "+"; it counts for nothing
//   hash       base64 of the first bytes of HMAC-SHA1 over stamp, domain and local-part (of SRS1: first-host and rest),
//              one behind the other, in lower case: software on the way puts local parts in lower case, and so the hash
//              is compared without case, too
//   stamp      the day since 1970, modulo 1024, in two characters of base32 (RFC 4648 section 6)
//   rest       of an address that another host has made by SRS0: all behind its "SRS0"
//
// So mail that several hosts send on, one after the other, has an SRS1 address: it is sent back by the last host to the first
// one, which knows the sender, and is never longer than that and two host names. The quoting of local parts is Address's
// affair: they are unquoted here.
//
// Our own third form has an empty domain, and in place of the local part a name under which the sender is kept:
//
//   "SRS0" separator hash "=" stamp "==" name
//
// RFC 5321 section 4.5.3.1.1 lets a local part have 64 octets, and hosts refuse longer ones. The addresses of many
// newsletters have 50 before they are rewritten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/address.h"

namespace mailstead::srs {

// HMAC-SHA1 (RFC 2104) under one secret, 20 bytes.
using Digest = std::function<std::string(absl::string_view text)>;

// What libsrs2 has. Each character is worth a little more than 5 bits, as case does not count.
inline constexpr size_t kMinHashCharacters = 4;
// Of base64 of 20 bytes, without padding.
inline constexpr size_t kMaxHashCharacters = 27;
inline constexpr size_t kNameCharacters = 16;

struct Form {
  char separator = '=';
  size_t hash_characters = kMinHashCharacters;
};

// Days since 1970.
int64_t DayOf(absl::Time time);

// Whether a local part is written as one that SRS has made.
bool IsRewritten(absl::string_view local_part);

// The local part that stands for `sender`, whose domain is a host name: SRS1 for one that another host has made, else SRS0.
// Its length is not looked at. InvalidArgument: written as made by SRS, and cannot have been.
absl::StatusOr<std::string> Rewrite(const Address& sender, int64_t day, const Form& form,
                                    const Digest& digest);
// That of a sender that is kept under a name of kNameCharacters of a-z and 2-7.
std::string RewriteKept(absl::string_view name, int64_t day, const Form& form, const Digest& digest);

struct Reversed {
  enum class Outcome {
    kSender,   // `sender` it is
    kKept,     // it is kept under `name`, since `day`
    kForged,   // it was not made under any of the secrets
    kExpired,  // it was, and too long ago
  };
  Outcome outcome = Outcome::kForged;
  Address sender;
  std::string name;
  int64_t day = 0;
};

// Whom a rewritten local part stands for. It counts for `lifetime_days` after its day, and, as clocks go back, on the day
// before it; SRS1 has no stamp: the first host looks at that. SECURITY: the hash is looked at first, in a time that tells
// nothing of how much of it is right; one that is shorter than `form` says is forged.
Reversed Reverse(absl::string_view local_part, int64_t today, int64_t lifetime_days, const Form& form,
                 const std::vector<Digest>& digests);

}  // namespace mailstead::srs
