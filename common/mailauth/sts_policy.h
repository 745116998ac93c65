// MTA-STS (RFC 8461): the record that says that there is a policy, the policy, and which hosts it names; as a sender reads them,
// and as they are written for domains here. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace mailstead::mailauth {

// Section 3.2: of the whole file, "to mitigate against attacks", at least 64 KiB.
inline constexpr size_t kMaxStsPolicyBytes = 65'536;
// Of the lines "mx" in it. Section 3.2 has no limit; the domains with the most hosts name some dozens.
inline constexpr size_t kMaxStsPatterns = 100;
// Section 3.1.
inline constexpr size_t kMaxStsIdBytes = 32;
// Section 3.2: "max_age" is at most that, about a year. A greater one counts as that.
inline constexpr absl::Duration kMaxStsAge = absl::Seconds(31'557'600);

// Where the record is: "_mta-sts.example.org" (section 3.1), and the policy (section 3.3).
std::string StsRecordName(absl::string_view domain);
std::string StsPolicyHost(absl::string_view domain);
inline constexpr absl::string_view kStsPolicyPath = "/.well-known/mta-sts.txt";

// 1*32(ALPHA / DIGIT).
bool IsStsId(absl::string_view id);

// The id of the one record among the TXT records at StsRecordName that begins with "v=STSv1;". NotFound: there is none, so that
// the domain has no policy that could be fetched. InvalidArgument: there are several, or it is not written as section 3.1 has
// it; that means the same, and is the domain's mistake.
absl::StatusOr<std::string> FindStsId(absl::Span<const std::string> texts);

struct StsPolicy {
  enum class Mode : uint8_t { kNone, kTesting, kEnforce };
  Mode mode = Mode::kNone;
  // At most kMaxStsAge.
  absl::Duration max_age;
  // Names of hosts as A-labels in lower case; "*." in front stands for one label (section 4.1). At most kMaxStsPatterns; at
  // least one unless kNone.
  std::vector<std::string> mx;

  bool operator==(const StsPolicy&) const = default;
};

// "none", "testing", "enforce".
absl::string_view StsModeText(StsPolicy::Mode mode);

// Reads the policy file (section 3.2). Lines end with LF or CRLF; fields stand in any order, unknown ones are passed over, and
// of one that is doubled (but for "mx") the first counts. Empty lines are passed over, too. InvalidArgument says what is wrong,
// in ASCII.
absl::StatusOr<StsPolicy> ParseStsPolicy(absl::string_view file);

// The file of a policy: ParseStsPolicy gives the policy again.
std::string StsPolicyFile(const StsPolicy& policy);

// For the record of a policy that is served here: another one for each policy, and the same for the same.
std::string StsIdOf(const StsPolicy& policy);
// How long a policy is to count unless somebody says otherwise: in testing a mistake is mended in a day; one that is enforced is
// of use only when it lasts (section 3.2).
absl::Duration UsualStsAge(StsPolicy::Mode mode);

// Whether a host with this name may take the mail (section 4.1): in any letter case, with or without a dot at its end. Whatever
// the mode is.
bool StsAllows(const StsPolicy& policy, absl::string_view host);

// Whether it is the media type in which a policy is served (section 3.2, RFC 9110 section 8.3.1): text/plain, whatever its
// parameters are.
bool IsStsMediaType(absl::string_view content_type);

}  // namespace mailstead::mailauth
