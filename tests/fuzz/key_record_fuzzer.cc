#include <string>

#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/mailauth/key_record.h"
#include "common/mailauth/tag_list.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

// What parses is written again, in our form, as the same key; and only one that says a key is taken for it.
void Run(absl::string_view input) {
  using namespace mailauth;
  const auto tags = ParseTagList(input);
  const auto record = ParseKeyRecord(input);
  if (tags.ok()) CHECK(tags->size() <= kMaxTags);
  CHECK(!record.ok() || tags.ok());
  const std::vector<std::string> strings = TxtStrings(input);
  CHECK(absl::StrJoin(strings, "") == std::string(input));
  if (!record.ok()) {
    CHECK(Compare({std::string(input)}, KeyType::kRsa, "key") == Published::kDifferent);
    return;
  }
  const auto again = ParseKeyRecord(KeyRecordText(record->type, record->public_key));
  CHECK(again.ok() && again->type == record->type && again->public_key == record->public_key);
  const Published published = Compare({std::string(input)}, record->type, record->public_key);
  CHECK((published == Published::kSame) ==
        (!record->public_key.empty() && record->TakesSha256() && record->IsForEmail()));
  CHECK(Compare({std::string(input)}, record->type, record->public_key + "x") == Published::kDifferent);
}

}  // namespace mailstead::fuzz
