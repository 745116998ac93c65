// The DKIM-Signature field (RFC 6376 section 3.5). Pure.
//
//   unsigned_field = UnsignedField(signature);
//   hash(header.canonical + HashedField(unsigned_field)), signed
//   field = SignedField(unsigned_field, signature_bytes);
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mailauth/key_record.h"

namespace mailstead::mailauth {

// What a signature says. Always relaxed/relaxed, SHA-256, the whole body and no end of its time: l= would let anybody add to
// the body, and mail that waits for long would be worth less with x=.
struct Signature {
  KeyType type = KeyType::kRsa;
  // In A-labels.
  std::string domain;
  std::string selector;
  absl::Time time;
  // As SignedHeader has them; not empty.
  std::vector<std::string> names;
  // 32 bytes.
  std::string body_hash;
};

// The field with nothing in its b=, folded, without a CRLF at its end.
std::string UnsignedField(const Signature& signature);
// What of it is hashed behind the other fields (section 3.7).
std::string HashedField(absl::string_view unsigned_field);
// The whole field, with its CRLF.
std::string SignedField(absl::string_view unsigned_field, absl::string_view signature);

}  // namespace mailstead::mailauth
