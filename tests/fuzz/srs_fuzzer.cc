// Addresses of SRS: what a stranger sends to comes back as nobody, unless it was made here; and what is made comes back as what
// it was made of.
#include <string>

#include "common/base/check.h"
#include "common/mailauth/srs.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

constexpr int64_t kToday = 20'786;
const srs::Form kForm;

// In the place of HMAC-SHA1: another one for another text, as far as it matters here.
std::string Digest(absl::string_view text) {
  std::string digest(20, '\0');
  uint64_t state = 1469598103934665603u;
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 1099511628211u;
  for (char& c : digest) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return digest;
}

}  // namespace

void Run(absl::string_view input) {
  srs::Reverse(input, kToday, 21, kForm, {Digest});
  const absl::StatusOr<Address> address = ParseAddress(input);
  if (!address.ok() || address->is_literal()) return;
  const absl::StatusOr<std::string> there = srs::Rewrite(*address, kToday, kForm, Digest);
  CHECK(there.ok() || srs::IsRewritten(address->local_part));
  if (!there.ok()) return;
  CHECK(srs::IsRewritten(*there));
  const srs::Reversed back = srs::Reverse(*there, kToday, 21, kForm, {Digest});
  CHECK(back.outcome == srs::Reversed::Outcome::kSender);
  // Of an address that another host has made, that host's own part of it comes back.
  if (!srs::IsRewritten(address->local_part)) {
    CHECK(back.sender.local_part == address->local_part && back.sender.domain == address->domain);
  } else {
    CHECK(back.sender.local_part.substr(0, 4) == "SRS0");
  }
}

}  // namespace mailstead::fuzz
