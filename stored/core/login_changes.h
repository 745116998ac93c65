// Which accounts have changed so that the logins to them may have ended: disabled, removed, renamed, another password, or a
// session that an operator has ended.
// Front-ends ask now and then what is new, and then about the sessions that it concerns (Grants::HasEnded); a change
// that is noted too often costs a question, one that is not noted leaves a session open until its next call with a grant.
//
// Of this process: where several serve one store, one does not see what was changed by another, and says so each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/store/ids.h"

namespace mailstead::stored {

// Used on one thread.
class LoginChanges {
 public:
  // Forgets the oldest of more than `max_entries` changes.
  explicit LoginChanges(size_t max_entries = 4096);

  void Note(AccountId account);

  struct Since {
    // For the next question. Opaque.
    std::string cursor;
    // It may be any account.
    bool any = false;
    std::vector<AccountId> accounts;
  };
  // What was noted since the answer with this cursor. With an empty one: nothing yet. With one of another process, or
  // when what came since is forgotten: any.
  Since After(absl::string_view cursor) const;

 private:
  std::string CursorAt(uint64_t position) const;

  const size_t max_entries_;
  // Random: a cursor of another process is none of ours.
  const std::string incarnation_;
  // How many were noted in all; the last of them are in changes_.
  uint64_t noted_count_ = 0;
  std::deque<AccountId> changes_;
};

}  // namespace mailstead::stored
