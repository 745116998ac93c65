// SHA-256 by OpenSSL, and HMAC-SHA256.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace mailstead::stored {

inline constexpr size_t kSha256Bytes = 32;

std::string Sha256(absl::string_view bytes);
std::string HmacSha256(absl::string_view key, absl::string_view bytes);

// Whether two secrets are equal, in a time that depends on their sizes only.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

// Of bytes that come in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Update(absl::string_view bytes);
  // 32 bytes. The stream is used up.
  std::string Finish();

 private:
  EVP_MD_CTX* const context_;
};

}  // namespace mailstead::stored
