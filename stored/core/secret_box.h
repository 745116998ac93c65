// Secrets that the store must be able to read again, such as the passwords of routes: sealed with AES-256-GCM (NIST SP
// 800-38D) under a key that is not kept with them, so that whoever gets hold of the store's files or of a backup learns
// nothing.
//
// What is sealed, in bytes:
//
//   sealed = version key_id nonce ciphertext tag
//
//   version   1 byte, 0x01
//   key_id    8 bytes, which tell one key from another and nothing else of it
//   nonce     12 bytes, random: good for 2^32 seals under one key (SP 800-38D section 8.3), and a store has a few thousand
//   tag       16 bytes; it vouches for version, key_id and `belongs_to` too
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/random.h"

namespace mailstead::stored {

class SecretBox {
 public:
  using Random = std::function<std::string(size_t size)>;

  // `secret` has 256 bits of entropy, in whatever form; the key is derived from it.
  explicit SecretBox(absl::string_view secret, Random random = RandomBytes);

  // `belongs_to` is what the secret is for: it opens with the same only, so that nobody moves it elsewhere.
  std::string Seal(absl::string_view plain, absl::string_view belongs_to) const;
  // FailedPrecondition: sealed under another key. DataLoss: it was not sealed here, for another purpose, or was changed.
  absl::StatusOr<std::string> Open(absl::string_view sealed, absl::string_view belongs_to) const;

 private:
  // 32 bytes.
  const std::string key_;
  const std::string key_id_;
  const Random random_;
};

}  // namespace mailstead::stored
