// The field Range (RFC 9110 section 14): one range of bytes. Of several the whole is given, as section 14.2 lets a server do:
// each of them would be a call of the store.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace mailstead::web {

// As it was asked for, of a size that is not known yet.
struct RangeSpec {
  // Of "-500", the last 500 bytes: there is none.
  std::optional<uint64_t> first;
  // The last byte; of "-500" how many there are. Of "500-" there is none.
  std::optional<uint64_t> last;

  bool operator==(const RangeSpec&) const = default;
};

// From `begin` to before `end`.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

// nullopt: it is none that is understood here, and is passed over (section 14.2).
std::optional<RangeSpec> ParseRange(absl::string_view value);

// What of so many bytes is meant. nullopt: none of them (416).
std::optional<ByteRange> Resolve(const RangeSpec& spec, uint64_t size);

}  // namespace mailstead::web
