#include "common/base/trace_context.h"

#include <cstddef>

#include "absl/algorithm/container.h"

namespace mailstead {
namespace {

// version "-" trace-id "-" parent-id "-" trace-flags
constexpr size_t kVersionBytes = 2;
constexpr size_t kTraceIdBytes = 32;
constexpr size_t kParentIdBytes = 16;
constexpr size_t kFlagsBytes = 2;

// Capitals are not valid.
bool IsHex(absl::string_view text) {
  return absl::c_all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(absl::string_view text) {
  return absl::c_all_of(text, [](char c) { return c == '0'; });
}

// Takes a field of `size` hex digits from the front, and the "-" behind it if one is to be there. Empty: it is not there.
absl::string_view TakeField(absl::string_view& text, size_t size, bool dash) {
  const size_t end = size + (dash ? 1 : 0);
  if (text.size() < end || !IsHex(text.substr(0, size)) || (dash && text[size] != '-')) return {};
  const absl::string_view field = text.substr(0, size);
  text.remove_prefix(end);
  return field;
}

}  // namespace

std::string TraceIdOf(absl::string_view traceparent) {
  const absl::string_view version = TakeField(traceparent, kVersionBytes, true);
  const absl::string_view trace_id = TakeField(traceparent, kTraceIdBytes, true);
  const absl::string_view parent_id = TakeField(traceparent, kParentIdBytes, true);
  const absl::string_view flags = TakeField(traceparent, kFlagsBytes, false);
  if (version.empty() || version == "ff" || trace_id.empty() || parent_id.empty() || flags.empty()) return "";
  if (IsZero(trace_id) || IsZero(parent_id)) return "";
  // A later version may add fields, version 00 has none.
  const bool ends_well =
      version == "00" ? traceparent.empty() : traceparent.empty() || traceparent.front() == '-';
  return ends_well ? std::string(trace_id) : std::string();
}

}  // namespace mailstead
