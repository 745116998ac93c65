// The removal of an account that is in use.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "stored/core/directory.h"
#include "stored/core/maildrops.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

// Removes an account, as Directory::DeleteAccount does. One whose maildrop a session holds is disabled first, which ends
// its sessions: they are waited for up to `at_most`. Aborted with kReasonMaildropInUse when one does not leave (its
// front-end is away); then the account is as it was.
Task<absl::Status> RemoveAccount(Directory& directory, Maildrops& maildrops, const Clock& steady_clock,
                                 engine::Account account, int64_t expected_version, absl::Duration at_most);

}  // namespace mailstead::stored
