#include <string>

#include "common/base/check.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

void CheckDomain(absl::string_view text) {
  const absl::StatusOr<std::string> normal = NormalizeDomain(text);
  if (!normal.ok()) return;
  CHECK(IsAscii(*normal));
  CHECK(!normal->empty() && normal->size() <= kMaxDomainBytes && normal->back() != '.');
  for (const char c : *normal) CHECK(c > ' ' && c != '@' && !(c >= 'A' && c <= 'Z'));
  const absl::StatusOr<std::string> again = NormalizeDomain(*normal);
  CHECK(again.ok() && *again == *normal);
}

void CheckAddress(absl::string_view text) {
  const absl::StatusOr<Address> address = ParseAddress(text);
  if (!address.ok()) return;
  CHECK(!address->local_part.empty() && address->local_part.size() <= kMaxLocalPartBytes);
  CHECK(IsValidUtf8(text));

  // Writing it and reading that gives the same address.
  const std::string written = address->ToString();
  const bool got_quotes = written.front() == '"' && text.front() != '"';
  CHECK(written.size() <= text.size() + (got_quotes ? 2 : 0) && written.size() <= kMaxPathBytes - 2);
  const absl::StatusOr<Address> read = ParseAddress(written);
  CHECK(read.ok() && read->local_part == address->local_part && read->domain == address->domain);

  const absl::StatusOr<std::string> normal = address->Normalized();
  CHECK(normal.ok());
  const absl::StatusOr<Address> normal_address = ParseAddress(*normal);
  CHECK(normal_address.ok());
  const absl::StatusOr<std::string> again = normal_address->Normalized();
  CHECK(again.ok() && *again == *normal);
}

}  // namespace

void Run(absl::string_view input) {
  CheckAddress(input);
  CheckDomain(input);
}

}  // namespace mailstead::fuzz
