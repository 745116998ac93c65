#include "stored/core/login_changes.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/random.h"

namespace mailstead::stored {
namespace {

constexpr size_t kIncarnationCharacters = 16;

}  // namespace

LoginChanges::LoginChanges(size_t max_entries)
    : max_entries_(max_entries), incarnation_(RandomId(kIncarnationCharacters)) {}

void LoginChanges::Note(AccountId account) {
  ++noted_count_;
  changes_.push_back(account);
  if (changes_.size() > max_entries_) changes_.pop_front();
}

LoginChanges::Since LoginChanges::After(absl::string_view cursor) const {
  Since since;
  since.cursor = CursorAt(noted_count_);
  if (cursor.empty()) return since;
  uint64_t position = 0;
  const bool ours = absl::ConsumePrefix(&cursor, incarnation_) && absl::SimpleAtoi(cursor, &position) &&
                    position <= noted_count_;
  if (!ours || noted_count_ - position > changes_.size()) {
    since.any = true;
    return since;
  }
  since.accounts.assign(changes_.end() - static_cast<std::ptrdiff_t>(noted_count_ - position),
                        changes_.end());
  return since;
}

std::string LoginChanges::CursorAt(uint64_t position) const { return absl::StrCat(incarnation_, position); }

}  // namespace mailstead::stored
