#include "webd/http/conditions.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace mailstead::web {
namespace {

enum class Comparison { kStrong, kWeak };

// Whether a list of tags (section 8.8.3) has `etag`. What is no list has what stands before the fault.
bool Lists(absl::string_view list, absl::string_view etag, Comparison comparison) {
  while (true) {
    list = absl::StripLeadingAsciiWhitespace(list);
    const bool weak = absl::ConsumePrefix(&list, "W/");
    if (list.empty() || list.front() != '"') return false;
    const size_t end = list.find('"', 1);
    if (end == absl::string_view::npos) return false;
    // Section 8.8.3.2.
    if (list.substr(0, end + 1) == etag && (!weak || comparison == Comparison::kWeak)) return true;
    list = absl::StripLeadingAsciiWhitespace(list.substr(end + 1));
    if (!absl::ConsumePrefix(&list, ",")) return false;
  }
}

// Section 5.3: a list may come in several fields.
bool HasTag(const RequestHead& head, absl::string_view name, absl::string_view etag, Comparison comparison) {
  return absl::c_any_of(head.fields, [&](const HeaderField& field) {
    return field.name == name && (field.value == "*" || Lists(field.value, etag, comparison));
  });
}

}  // namespace

Condition Judge(const RequestHead& head, absl::string_view etag) {
  if (head.Count("if-match") > 0 && !HasTag(head, "if-match", etag, Comparison::kStrong)) {
    return Condition::kFailed;
  }
  if (HasTag(head, "if-none-match", etag, Comparison::kWeak)) return Condition::kNotModified;
  return Condition::kHolds;
}

bool RangeCounts(const RequestHead& head, absl::string_view etag) {
  return head.Count("if-range") == 0 || (head.Count("if-range") == 1 && head.Value("if-range") == etag);
}

}  // namespace mailstead::web
