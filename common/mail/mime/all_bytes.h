// Whether all bytes of a line are of a kind, sixteen at a time: in a form that compilers make one instruction for each
// step of. Most bytes of mail are looked at here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

// `IsOther` gives 0 for a byte of the kind, and anything else for others.
template <uint8_t IsOther(uint8_t)>
bool AllBytes(absl::string_view bytes) {
  constexpr size_t kBlockBytes = 16;
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kBlockBytes; left -= kBlockBytes, at += kBlockBytes) {
    uint8_t other = 0;
    for (size_t i = 0; i < kBlockBytes; ++i) other |= IsOther(at[i]);
    if (other != 0) return false;
  }
  uint8_t other = 0;
  for (size_t i = 0; i < left; ++i) other |= IsOther(at[i]);
  return other == 0;
}

}  // namespace mailstead::mime
