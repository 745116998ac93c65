#include "webd/discovery/sts.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/mail/address.h"

namespace mailstead::web {

using mailauth::StsPolicy;

absl::Status CheckStsPattern(const std::string& pattern) {
  // As senders read it: what is in lower case, and has A-labels, comes out as it is.
  const StsPolicy policy{StsPolicy::Mode::kEnforce, absl::Hours(24), {pattern}};
  const absl::StatusOr<StsPolicy> read = mailauth::ParseStsPolicy(mailauth::StsPolicyFile(policy));
  if (read.ok() && *read == policy) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "must be the name of a host in lower case and A-labels, or \"*.\" and one");
}

absl::StatusOr<std::string> StsDomainOf(const RequestHead& head) {
  const std::string host = absl::AsciiStrToLower(head.Value("host"));
  absl::string_view domain = absl::string_view(host).substr(0, host.find(':'));
  // A name may be written with the dot of the root.
  absl::ConsumeSuffix(&domain, ".");
  if (!absl::ConsumePrefix(&domain, "mta-sts.") || !IsDomainOrLiteral(domain) ||
      absl::StartsWith(domain, "[")) {
    return absl::NotFoundError("the policy of a domain is at the host mta-sts in front of it");
  }
  return std::string(domain);
}

StsPolicy StsPolicyFor(StsPolicy::Mode mode, const StsSettings& settings) {
  const bool usual = settings.max_age == absl::ZeroDuration();
  return {mode, usual ? mailauth::UsualStsAge(mode) : settings.max_age, settings.mx};
}

}  // namespace mailstead::web
