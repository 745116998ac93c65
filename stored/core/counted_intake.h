// A message that an account submits, within what it may send, whichever way it comes.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/core/intake.h"
#include "stored/core/sending.h"

namespace mailstead::stored {

// Intake::Finish, with the errors of AccountSending::Count. One that was stored before has been counted then.
Task<absl::StatusOr<Taken>> FinishCounted(AccountSending& sending, AccountId account, Intake& intake,
                                          std::string trace);

}  // namespace mailstead::stored
