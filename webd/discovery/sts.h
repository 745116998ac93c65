// The policy of MTA-STS (RFC 8461) of a domain here: what senders are to think of a connection to it that TLS does not protect.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mailauth/sts_policy.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

struct StsSettings {
  // The hosts that take mail here, as MX records name them; "*." in front stands for one label. Empty: no policy is served.
  std::vector<std::string> mx;
  // How long senders keep a policy; zero: as long as is usual (UsualStsAge).
  absl::Duration max_age;
};

// InvalidArgument: it cannot be one of StsSettings::mx.
absl::Status CheckStsPattern(const std::string& pattern);

// The domain that a request is about: its host is "mta-sts." in front of it (section 3.3). NotFound.
absl::StatusOr<std::string> StsDomainOf(const RequestHead& head);

mailauth::StsPolicy StsPolicyFor(mailauth::StsPolicy::Mode mode, const StsSettings& settings);

}  // namespace mailstead::web
