// Where a domain wants reports on TLS sent (RFC 8460 section 3). Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

// Of one record, both kinds together: a domain names one or two, and each costs us a report a day.
inline constexpr size_t kMaxReportUris = 8;
// Of a record; a longer one is none. What a TXT record of use has room for (RFC 7208 section 3.4 is about as much).
inline constexpr size_t kMaxReportRecordBytes = 2'048;

struct TlsReportRecord {
  // Addresses, of mailto URIs.
  std::vector<std::string> mail_to;
  // https URIs, as they are written.
  std::vector<std::string> post_to;
};

// The name whose TXT records are asked for.
std::string TlsReportRecordName(absl::string_view domain);

// Takes a domain's TXT records, each as one text. Absent when it wants no report: none of them is a record of this version, or
// more than one is (section 3), or it names nowhere that a report can be sent. URIs of other schemes are passed over, and so
// is what comes after kMaxReportUris.
std::optional<TlsReportRecord> ParseTlsReportRecord(const std::vector<std::string>& texts);

}  // namespace mailstead::mailauth
