#include "common/mailauth/dmarc_record.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/mailauth/tag_list.h"

namespace mailstead::mailauth {
namespace {

using Policy = DmarcRecord::Policy;

std::optional<Policy> PolicyOf(absl::string_view value) {
  for (const Policy policy : {Policy::kNone, Policy::kQuarantine, Policy::kReject}) {
    if (absl::EqualsIgnoreCase(value, DmarcPolicyText(policy))) return policy;
  }
  return std::nullopt;
}

// Comma separated, with blanks around; a "!10m" behind one belonged to RFC 7489.
std::vector<std::string> UrisOf(absl::string_view name, absl::string_view value,
                                std::vector<std::string>& remarks) {
  std::vector<std::string> uris;
  for (absl::string_view uri : absl::StrSplit(value, ',')) {
    uri = absl::StripAsciiWhitespace(uri);
    if (absl::StartsWithIgnoreCase(uri, "mailto:") && absl::StrContains(uri, '@')) {
      uris.emplace_back(uri);
    } else {
      remarks.push_back(absl::StrCat(name, " has \"", uri, "\", which is not \"mailto:\" and an address"));
    }
  }
  return uris;
}

// One of two letters, the first of which is the default.
bool IsSecond(const Tag& tag, absl::string_view first, absl::string_view second, DmarcRecord& record) {
  if (absl::EqualsIgnoreCase(tag.value, second)) return true;
  if (!absl::EqualsIgnoreCase(tag.value, first)) {
    record.remarks.push_back(
        absl::StrCat(tag.name, " is neither ", first, " nor ", second, ", and counts as ", first));
  }
  return false;
}

void TakePolicy(const Tag& tag, std::optional<Policy>& policy, DmarcRecord& record) {
  policy = PolicyOf(tag.value);
  if (!policy.has_value()) {
    record.remarks.push_back(
        absl::StrCat(tag.name, " is none of none, quarantine and reject, and does not count"));
  }
}

void TakeTag(const Tag& tag, DmarcRecord& record) {
  if (tag.name == "p") {
    TakePolicy(tag, record.policy, record);
  } else if (tag.name == "sp") {
    TakePolicy(tag, record.subdomain_policy, record);
  } else if (tag.name == "np") {
    TakePolicy(tag, record.missing_policy, record);
  } else if (tag.name == "adkim") {
    record.strict_dkim = IsSecond(tag, "r", "s", record);
  } else if (tag.name == "aspf") {
    record.strict_spf = IsSecond(tag, "r", "s", record);
  } else if (tag.name == "t") {
    record.testing = IsSecond(tag, "n", "y", record);
  } else if (tag.name == "rua") {
    record.aggregate_uris = UrisOf("rua", tag.value, record.remarks);
  } else if (tag.name == "ruf") {
    record.failure_uris = UrisOf("ruf", tag.value, record.remarks);
  } else if (tag.name == "psd") {
    const bool known = absl::EqualsIgnoreCase(tag.value, "y") || absl::EqualsIgnoreCase(tag.value, "n") ||
                       absl::EqualsIgnoreCase(tag.value, "u");
    if (!known) record.remarks.push_back("psd is none of y, n and u, and counts as u");
  } else if (tag.name == "pct" || tag.name == "rf" || tag.name == "ri") {
    // RFC 9989 has dropped them.
    record.remarks.push_back(absl::StrCat(tag.name, " has no effect any more (RFC 9989)"));
  } else if (tag.name != "v" && tag.name != "fo") {
    record.remarks.push_back(absl::StrCat("the tag ", tag.name, " is not known"));
  }
}

}  // namespace

absl::string_view DmarcPolicyText(Policy policy) {
  switch (policy) {
    case Policy::kQuarantine:
      return "quarantine";
    case Policy::kReject:
      return "reject";
    case Policy::kNone:
      break;
  }
  return "none";
}

bool IsDmarcRecord(absl::string_view text) {
  const size_t equals = text.find('=');
  if (equals == absl::string_view::npos) return false;
  if (absl::StripAsciiWhitespace(text.substr(0, equals)) != "v") return false;
  const absl::string_view rest = text.substr(equals + 1);
  return absl::StripAsciiWhitespace(rest.substr(0, rest.find(';'))) == "DMARC1";
}

absl::StatusOr<DmarcRecord> ParseDmarcRecord(absl::string_view text) {
  if (!IsDmarcRecord(text)) return absl::InvalidArgumentError("it does not begin with v=DMARC1");
  ASSIGN_OR_RETURN(const std::vector<Tag> tags, ParseTagList(text));
  DmarcRecord record;
  for (const Tag& tag : tags) TakeTag(tag, record);
  if (record.policy.has_value()) return record;
  // Section 4.7: without a policy that counts it is "none", for the sake of the reports.
  if (record.aggregate_uris.empty())
    return absl::InvalidArgumentError("it has neither a policy (p) nor addresses for reports (rua)");
  record.remarks.push_back("without a policy (p) that counts it is p=none");
  record.policy = Policy::kNone;
  return record;
}

}  // namespace mailstead::mailauth
