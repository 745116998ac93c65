// The record by which a domain publishes a key of DKIM in the DNS (RFC 6376 section 3.6, RFC 8463 section 4). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

enum class KeyType : uint8_t { kRsa, kEd25519 };
// As k= has it: "rsa", "ed25519".
absl::string_view KeyTypeName(KeyType type);

// RFC 8301 section 3.2: verifiers take 1,024 to 4,096 bits, and signers use 2,048 at least.
inline constexpr int kMinRsaBits = 1024;

struct KeyRecord {
  KeyType type = KeyType::kRsa;
  // RSA: a SubjectPublicKeyInfo in DER. Ed25519: 32 bytes. Empty: the key was revoked.
  std::string public_key;
  // h=: the hashes that it may be used with; empty: any.
  std::vector<std::string> hashes;
  // s=: what it may be used for; empty: anything.
  std::vector<std::string> services;
  // t=y: the domain only tries DKIM out. t=s: i= must have the very domain of d=.
  bool testing = false;
  bool same_domain = false;

  bool TakesSha256() const;
  bool IsForEmail() const;
};

// Of the whole text of one TXT record. InvalidArgument says what is wrong.
absl::StatusOr<KeyRecord> ParseKeyRecord(absl::string_view text);

// "v=DKIM1; k=rsa; p=...".
std::string KeyRecordText(KeyType type, absl::string_view public_key);
// "SELECTOR._domainkey.DOMAIN".
std::string KeyRecordName(absl::string_view domain, absl::string_view selector);
// The text in the strings of a TXT record, of at most 255 octets each (RFC 1035 section 3.3.14).
std::vector<std::string> TxtStrings(absl::string_view text);
// As the value stands in a zone file: "\"v=DKIM1; ...\" \"...\"".
std::string ZoneText(absl::string_view text);

// What of a key stands in the DNS.
enum class Published : uint8_t {
  // One record, and it is this key.
  kSame,
  // No TXT record.
  kMissing,
  // One record, and it is another key, or none that signatures can be checked with.
  kDifferent,
  // Several records: a verifier may take any of them (section 3.6.2.2).
  kSeveral,
};
absl::string_view PublishedName(Published published);

// `records`: the text of each TXT record at the key's name.
// SECURITY: only a record that says exactly this key is this key.
Published Compare(const std::vector<std::string>& records, KeyType type, absl::string_view public_key);

// 1 to 63 characters of a label, or several with dots between (section 3.1); in lower case.
bool IsSelector(absl::string_view text);
inline constexpr size_t kMaxSelectorBytes = 63;

}  // namespace mailstead::mailauth
