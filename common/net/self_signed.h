// A certificate for a server whose operator has given none yet: mail flows under TLS from the first start,
// and clients that verify will say what is missing.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/net/openssl.h"

namespace mailstead::net {

// The life of a certificate; some clients refuse a longer one (CA/Browser Forum baseline requirements).
inline constexpr absl::Duration kSelfSignedLifetime = absl::Hours(24 * 825);
// A pair is replaced when less than this is left.
inline constexpr absl::Duration kSelfSignedRenewBefore = absl::Hours(24 * 30);

inline constexpr absl::string_view kSelfSignedCertName = "tls.crt";
inline constexpr absl::string_view kSelfSignedKeyName = "tls.key";

struct PemPair {
  std::string certificate;
  std::string key;
};

// A new pair of ECDSA P-256; `name` (a host name or an IP address) is the subject alternative name. Both files bear our mark:
// the certificate an organization of ours in its subject, the key a line in front of it with its public key's digest.
absl::StatusOr<PemPair> MakeSelfSigned(absl::string_view name, absl::Time now);

// Whether the first certificate of `pem` is signed by its own key and bears our mark.
bool IsOurCertificate(absl::string_view pem);
// Whether the key in `pem` stands behind our mark, and is the one that the mark was made for.
bool IsOurKey(absl::string_view pem);

// What a process has in use when it looks at its folder.
enum class Serving { kNothing, kOurs, kOperators };

struct SelfSignedOptions {
  // Created if missing.
  std::string dir;
  // A host name or an IP address.
  std::string name;
  Serving serving = Serving::kNothing;
};

// Makes sure that the folder holds tls.crt and tls.key (mode 0600) that fit together. Only what bears our mark is written or
// replaced; all else is the operator's, and used as it is, also when it has expired. A certificate of ours is made anew when
// it expires soon, when it does not fit its key, and, at the start of a process (kNothing), when it does not name `name`. The
// new one has the key of before, so that whoever trusts the key (TLSA records, RFC 6698) goes on, and one rename replaces
// all; and the names of before, so that programs with several names share a folder. Programs that start at the same time end
// with the same pair. InvalidArgument names the file or folder that cannot be used: one of the operator's whose other half
// is missing or does not fit; and, for kOperators, an empty folder: the operator is about to put the next pair there.
absl::Status KeepSelfSigned(const SelfSignedOptions& options, absl::Time now);

// Whether the first certificate of `pem` is ours and expires within kSelfSignedRenewBefore.
bool SelfSignedNeedsRenewal(absl::string_view pem, absl::Time now);

}  // namespace mailstead::net
