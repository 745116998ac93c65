#include "common/base/random.h"

#include <openssl/rand.h>

#include "common/base/check.h"

namespace mailstead {

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  // OpenSSL's generator reseeds itself from the kernel; it fails only where the system has no entropy source
  // at all.
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) == 1);
  return bytes;
}

std::string RandomId(size_t size) {
  static constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string id = RandomBytes(size);
  for (char& c : id) c = kAlphabet[static_cast<unsigned char>(c) & 31];
  return id;
}

}  // namespace mailstead
