// W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a call belongs to, as its caller says it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailstead {

// The trace-id of a `traceparent` value, 32 lower-case hex digits; empty where the value is not valid (section 3.2), which
// is nobody's error: the call then belongs to no trace. Of a version after 00 what is known of it is read.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace mailstead
