// The options of `message list` and `message remove` that say which messages are wanted.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mailctl/arguments.h"
#include "mailstead/store/v1/message.pb.h"

namespace mailstead::ctl {

std::vector<Option> MessageFilterOptions();
// Whether one of them is given.
bool HasMessageFilter(const Arguments& arguments);
// Usage errors that name the option. `now`: what "2h" is counted back from.
absl::StatusOr<store::v1::MessageFilter> MessageFilterOf(const Arguments& arguments, absl::Time now);

}  // namespace mailstead::ctl
