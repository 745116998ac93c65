// SPF records (RFC 7208), as who has published one wants to know what they say. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

// Section 4.6.4: terms that ask the DNS, of a record and of all those that it includes; more is an error ("permerror").
inline constexpr int kMaxSpfLookups = 10;

struct SpfTerm {
  enum class Kind : uint8_t { kAll, kInclude, kA, kMx, kPtr, kIp4, kIp6, kExists, kRedirect, kExp, kOther };
  Kind kind = Kind::kOther;
  // Of a mechanism: "+", "-", "~", "?".
  char qualifier = '+';
  // <domain-spec>, as written; it may have macros. Empty: the record's own domain. Of kIp4 and kIp6 the network.
  std::string value;

  // Section 4.6.4.
  bool is_lookup() const;
  // What it leads to is known without a message.
  bool has_macro() const { return value.find('%') != std::string::npos; }
};

struct SpfRecord {
  // In their order.
  std::vector<SpfTerm> terms;

  int lookup_count() const;
  // Null: there is none. Behind "all" no mechanism counts (section 5.1).
  const SpfTerm* Find(SpfTerm::Kind kind) const;
};

// Whether it begins as one: "v=spf1", and a blank or nothing (section 4.5).
bool IsSpfRecord(absl::string_view text);

// InvalidArgument: it is not written as section 12 has it, and why.
absl::StatusOr<SpfRecord> ParseSpfRecord(absl::string_view text);

}  // namespace mailstead::mailauth
