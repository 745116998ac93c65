#include "smtpd/protocol/extensions.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {
namespace {

struct Flag {
  absl::string_view keyword;
  bool Extensions::*offered;
};
constexpr Flag kFlags[] = {
    {"PIPELINING", &Extensions::pipelining},
    {"8BITMIME", &Extensions::eight_bit_mime},
    {"SMTPUTF8", &Extensions::smtputf8},
    {"CHUNKING", &Extensions::chunking},
    {"DSN", &Extensions::dsn},
    {"ENHANCEDSTATUSCODES", &Extensions::enhanced_status_codes},
    {"STARTTLS", &Extensions::starttls},
    {"REQUIRETLS", &Extensions::require_tls},
};

using Words = std::vector<absl::string_view>;

void TakeSize(const Words& words, Extensions& extensions) {
  extensions.size = true;
  if (words.size() < 2) return;
  const absl::string_view digits = words[1];
  if (digits.size() > kMaxSizeDigits || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit))
    return;
  uint64_t size = 0;
  // A number that does not fit is no limit for us.
  extensions.max_size_bytes = absl::SimpleAtoi(digits, &size) ? size : std::numeric_limits<uint64_t>::max();
}

void TakeMechanism(absl::string_view name, Extensions& extensions) {
  if (name.empty() || name.size() > kMaxMechanismBytes) return;
  if (extensions.auth_mechanisms.size() == kMaxPeerMechanisms || extensions.OffersMechanism(name)) return;
  extensions.auth_mechanisms.push_back(absl::AsciiStrToUpper(name));
}

}  // namespace

bool Extensions::OffersMechanism(absl::string_view mechanism) const {
  return std::any_of(auth_mechanisms.begin(), auth_mechanisms.end(),
                     [&](const std::string& offered) { return absl::EqualsIgnoreCase(offered, mechanism); });
}

Extensions ParseExtensions(const PeerReply& reply) {
  Extensions extensions;
  for (size_t i = 1; i < reply.lines.size(); ++i) {
    const Words words = absl::StrSplit(reply.lines[i], absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.empty()) continue;
    for (const Flag& flag : kFlags) {
      if (absl::EqualsIgnoreCase(words[0], flag.keyword)) extensions.*flag.offered = true;
    }
    if (absl::EqualsIgnoreCase(words[0], "SIZE")) TakeSize(words, extensions);
    const bool old_form = absl::StartsWithIgnoreCase(words[0], "AUTH=");
    if (old_form) TakeMechanism(words[0].substr(5), extensions);
    if (old_form || absl::EqualsIgnoreCase(words[0], "AUTH")) {
      for (size_t word = 1; word < words.size(); ++word) TakeMechanism(words[word], extensions);
    }
  }
  return extensions;
}

}  // namespace mailstead::smtp
