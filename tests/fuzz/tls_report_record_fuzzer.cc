#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/mail/address.h"
#include "common/mailauth/tls_report_record.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

// Each line is a TXT record.
void Run(absl::string_view input) {
  const std::vector<std::string> texts = absl::StrSplit(input, '\n');
  const std::optional<mailauth::TlsReportRecord> record = mailauth::ParseTlsReportRecord(texts);
  if (!record.has_value()) return;
  const size_t count = record->mail_to.size() + record->post_to.size();
  CHECK(count > 0 && count <= mailauth::kMaxReportUris);
  for (const std::string& address : record->mail_to) CHECK(ParseAddress(address).ok());
  for (const std::string& uri : record->post_to) {
    CHECK(absl::StartsWithIgnoreCase(uri, "https://") && uri.find_first_of("\r\n \t") == std::string::npos);
  }
}

}  // namespace mailstead::fuzz
