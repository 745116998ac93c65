// --log_format and --log_level, the same in every server.
#pragma once

#include "absl/strings/string_view.h"

namespace mailstead::config {

class Checker;

void CheckLogFlags(Checker& check);
// After the check, before threads start. What gRPC has to say goes there, too.
void SetUpLog(absl::string_view program);

}  // namespace mailstead::config
