#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/mail/mailboxes.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

// What was found is written as a list, and that parses to the same addresses.
void Run(absl::string_view input) {
  const absl::StatusOr<std::vector<Address>> found = ParseMailboxList(input);
  if (!found.ok()) return;
  std::string list;
  for (const Address& address : *found)
    absl::StrAppend(&list, "\"a, <b@c.test>\" (d) <", address.ToString(), ">, ");
  const absl::StatusOr<std::vector<Address>> again = ParseMailboxList(list);
  CHECK(again.ok() && again->size() == found->size());
  for (size_t i = 0; i < found->size(); ++i) CHECK((*again)[i].ToString() == (*found)[i].ToString());
}

}  // namespace mailstead::fuzz
