// What every method works with. One per process (or test); outlives all calls.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "stored/api/method_counter.h"
#include "stored/core/core.h"

namespace mailstead::stored {

struct Environment {
  Core& core;
  MethodCounter& counter;
  // Of the program.
  std::string version;
  absl::Time start_time;
  // Paths of secrets that the program uses: what a backup names.
  std::vector<std::string> secret_files;
  // VerifyMessages that run: they read for hours.
  int verifications = 0;
};

}  // namespace mailstead::stored
