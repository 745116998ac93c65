// Whether all bytes of a line are of a kind, sixteen at a time: in a form that compilers make one instruction for each
// step of. Most bytes of mail are looked at here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

inline constexpr size_t kBlockBytes = 16;

// `IsOther` gives 0 for a byte of the kind, and anything else for others.
template <uint8_t IsOther(uint8_t)>
uint8_t OthersInBlock(const uint8_t* block) {
  uint8_t other = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) other |= IsOther(block[i]);
  return other;
}

template <uint8_t IsOther(uint8_t)>
bool AllBytes(absl::string_view bytes) {
  const auto* const begin = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto* const end = begin + bytes.size();
  uint8_t other = 0;
  if (bytes.size() < kBlockBytes) {
    for (const uint8_t* at = begin; at < end; ++at) other |= IsOther(*at);
    return other == 0;
  }
  for (const uint8_t* at = begin; at + kBlockBytes < end; at += kBlockBytes)
    other |= OthersInBlock<IsOther>(at);
  // The last one begins inside of the one before it.
  return (other | OthersInBlock<IsOther>(end - kBlockBytes)) == 0;
}

}  // namespace mailstead::mime
