// Bodies that are compressed on their way.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

// What is smaller is sent as it is.
inline constexpr size_t kMinPackedBytes = 1024;

std::string Gzipped(absl::string_view bytes);
// ResourceExhausted with kReasonTooLarge: there is more than `max_bytes` in it, of which no more is made. InvalidArgument: it is
// no gzip, not whole, or something stands behind it.
absl::StatusOr<std::string> Gunzipped(absl::string_view packed, size_t max_bytes);

}  // namespace mailstead::web
