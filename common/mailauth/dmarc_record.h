// DMARC records (RFC 9989 section 4.7), as who has published one wants to know what they say. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace mailstead::mailauth {

struct DmarcRecord {
  enum class Policy : uint8_t { kNone, kQuarantine, kReject };
  // Of the domain; absent: there is no "p", and without "rua" the record says nothing then.
  std::optional<Policy> policy;
  // Of its subdomains, and of such that do not exist: as "p" and "sp" where absent.
  std::optional<Policy> subdomain_policy;
  std::optional<Policy> missing_policy;
  // Alignment is strict ("adkim", "aspf").
  bool strict_dkim = false;
  bool strict_spf = false;
  // The policy is one step weaker ("t=y").
  bool testing = false;
  // URIs of "rua" and "ruf", as written.
  std::vector<std::string> aggregate_uris;
  std::vector<std::string> failure_uris;
  // What is wrong or without effect, though the record counts: for people, in ASCII.
  std::vector<std::string> remarks;
};

// "none", "quarantine", "reject".
absl::string_view DmarcPolicyText(DmarcRecord::Policy policy);

// Whether it begins as one: "v=DMARC1" (section 4.7: in this case, with blanks around "=").
bool IsDmarcRecord(absl::string_view text);

// InvalidArgument: it does not count for anybody, and why. A tag whose value is not known is passed over with a remark, but
// for "p".
absl::StatusOr<DmarcRecord> ParseDmarcRecord(absl::string_view text);

}  // namespace mailstead::mailauth
