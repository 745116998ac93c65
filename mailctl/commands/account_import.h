// `mailctl account import`: many accounts from a file.
#pragma once

#include "absl/status/status.h"
#include "mailctl/command.h"

namespace mailstead::ctl {

absl::Status ImportAccounts(const Arguments& arguments, Context& context);

}  // namespace mailstead::ctl
