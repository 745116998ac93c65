#include "webd/http/range.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace mailstead::web {
namespace {

// 1*DIGIT that fits.
std::optional<uint64_t> Number(absl::string_view text) {
  uint64_t number = 0;
  if (text.empty() || !absl::c_all_of(text, absl::ascii_isdigit) || !absl::SimpleAtoi(text, &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::optional<RangeSpec> ParseRange(absl::string_view value) {
  constexpr absl::string_view kUnit = "bytes=";
  if (!absl::StartsWithIgnoreCase(value, kUnit)) return std::nullopt;
  value = absl::StripAsciiWhitespace(value.substr(kUnit.size()));
  const size_t dash = value.find('-');
  if (dash == absl::string_view::npos) return std::nullopt;
  const absl::string_view first = value.substr(0, dash);
  const absl::string_view last = value.substr(dash + 1);
  const RangeSpec spec{.first = Number(first), .last = Number(last)};
  if (spec.first.has_value() != !first.empty() || spec.last.has_value() != !last.empty()) return std::nullopt;
  if (!spec.first.has_value() && !spec.last.has_value()) return std::nullopt;
  // Section 14.1.1: such a one is invalid, and not one that cannot be satisfied.
  if (spec.first.has_value() && spec.last.has_value() && *spec.last < *spec.first) return std::nullopt;
  return spec;
}

std::optional<ByteRange> Resolve(const RangeSpec& spec, uint64_t size) {
  if (!spec.first.has_value()) {
    if (*spec.last == 0 || size == 0) return std::nullopt;
    return ByteRange{size - std::min(*spec.last, size), size};
  }
  if (*spec.first >= size) return std::nullopt;
  return ByteRange{*spec.first, std::min(spec.last.value_or(size - 1), size - 1) + 1};
}

}  // namespace mailstead::web
