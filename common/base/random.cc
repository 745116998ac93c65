#include "common/base/random.h"

#include <stdlib.h>

#include <cstdint>

namespace mailstead {

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  // The kernel's generator; it never fails.
  arc4random_buf(bytes.data(), size);
  return bytes;
}

std::string RandomId(size_t size) {
  static constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string id = RandomBytes(size);
  for (char& c : id) c = kAlphabet[static_cast<unsigned char>(c) & 31];
  return id;
}

double RandomFraction() {
  uint64_t bits = 0;
  arc4random_buf(&bits, sizeof(bits));
  // As many as a double holds.
  return static_cast<double>(bits >> 11) / static_cast<double>(uint64_t{1} << 53);
}

}  // namespace mailstead
