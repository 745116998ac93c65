// What mailctl domain check reads of the DNS, beside MTA-STS.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/mailauth/dmarc_record.h"
#include "common/mailauth/spf_record.h"
#include "common/mailauth/tag_list.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

void Run(absl::string_view input) {
  const absl::StatusOr<std::vector<mailauth::Tag>> tags = mailauth::ParseTagList(input);
  if (tags.ok()) {
    std::string written;
    for (const mailauth::Tag& tag : *tags) absl::StrAppend(&written, tag.name, "=", tag.value, ";");
    const absl::StatusOr<std::vector<mailauth::Tag>> again = mailauth::ParseTagList(written);
    CHECK(again.ok() && *again == *tags);
  }
  const absl::StatusOr<mailauth::DmarcRecord> dmarc = mailauth::ParseDmarcRecord(input);
  if (dmarc.ok()) {
    CHECK(mailauth::IsDmarcRecord(input));
    CHECK(dmarc->policy.has_value());
  }
  const absl::StatusOr<mailauth::SpfRecord> spf = mailauth::ParseSpfRecord(input);
  if (spf.ok()) {
    CHECK(mailauth::IsSpfRecord(input));
    CHECK(spf->lookup_count() <= static_cast<int>(spf->terms.size()));
    for (const mailauth::SpfTerm& term : spf->terms) CHECK(term.value.size() < input.size());
  } else {
    CHECK(spf.status().message().size() < 300);
  }
}

}  // namespace mailstead::fuzz
