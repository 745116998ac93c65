#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/base/trace_context.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

void Run(absl::string_view input) {
  const std::string trace_id = TraceIdOf(input);
  if (trace_id.empty()) return;
  // It goes to the log.
  CHECK(trace_id.size() == 32);
  for (const char c : trace_id) CHECK((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
  CHECK(input.substr(3, 32) == trace_id);
  CHECK(absl::StartsWith(input, "00-") ? input.size() == 55 : input.size() >= 55);
}

}  // namespace mailstead::fuzz
