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

// A new pair of ECDSA P-256; `name` (a host name or an IP address) is the subject alternative name.
absl::StatusOr<PemPair> MakeSelfSigned(absl::string_view name, absl::Time now);

// Makes sure that `dir` (created if missing) holds tls.crt and tls.key (mode 0600): those that are there when
// they fit together and do not expire soon, new ones otherwise. Programs that start at the same time end with
// the same pair. A pair that is not self-signed is the operator's and never replaced. InvalidArgument names
// the file or folder that cannot be used.
absl::Status KeepSelfSigned(const std::string& dir, absl::string_view name, absl::Time now);

// Whether the first certificate of `pem` is signed by its own key and expires within kSelfSignedRenewBefore.
bool SelfSignedNeedsRenewal(absl::string_view pem, absl::Time now);

}  // namespace mailstead::net
