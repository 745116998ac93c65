#include "common/mailauth/srs.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mailstead::srs {
namespace {

constexpr size_t kTagBytes = 4;
constexpr absl::string_view kSeparators = "=-+";
constexpr int64_t kStampDays = 1024;
constexpr absl::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

std::string StampOf(int64_t day) {
  const int64_t stamp = day % kStampDays;
  return {kBase32[static_cast<size_t>(stamp >> 5)], kBase32[static_cast<size_t>(stamp & 31)]};
}

// The last day up to tomorrow that has this stamp; absent: it is none.
std::optional<int64_t> DayOfStamp(absl::string_view stamp, int64_t today) {
  if (stamp.size() != 2) return std::nullopt;
  int64_t value = 0;
  for (const char c : stamp) {
    const size_t digit = kBase32.find(absl::ascii_toupper(static_cast<unsigned char>(c)));
    if (digit == absl::string_view::npos) return std::nullopt;
    value = value * 32 + static_cast<int64_t>(digit);
  }
  const int64_t tomorrow = today + 1;
  const int64_t back = ((tomorrow - value) % kStampDays + kStampDays) % kStampDays;
  return tomorrow - back;
}

std::string Hash(const Digest& digest, std::string text, size_t characters) {
  absl::AsciiStrToLower(&text);
  return absl::Base64Escape(digest(text)).substr(0, characters);
}

// SECURITY: in a time that depends on the lengths only.
bool IsSameHash(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(absl::ascii_tolower(static_cast<unsigned char>(a[i])) ^
                                        absl::ascii_tolower(static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

bool IsRight(absl::string_view hash, const std::string& text, const Form& form,
             const std::vector<Digest>& digests) {
  if (hash.size() < form.hash_characters || hash.size() > kMaxHashCharacters) return false;
  bool right = false;
  for (const Digest& digest : digests) {
    const bool same = IsSameHash(hash, Hash(digest, text, hash.size()));
    right = right || same;
  }
  return right;
}

// What is in front of the next '=', which is taken off with it; absent: there is none.
std::optional<absl::string_view> TakePart(absl::string_view& text) {
  const size_t end = text.find('=');
  if (end == absl::string_view::npos) return std::nullopt;
  const absl::string_view part = text.substr(0, end);
  text.remove_prefix(end + 1);
  return part;
}

bool HasTag(absl::string_view local_part, absl::string_view tag) {
  return local_part.size() > kTagBytes && absl::StartsWithIgnoreCase(local_part, tag) &&
         absl::StrContains(kSeparators, local_part[kTagBytes]);
}
bool IsSrs0(absl::string_view local_part) { return HasTag(local_part, "SRS0"); }
bool IsSrs1(absl::string_view local_part) { return HasTag(local_part, "SRS1"); }

std::string WriteSrs0(absl::string_view domain, absl::string_view local_part, int64_t day, const Form& form,
                      const Digest& digest) {
  const std::string stamp = StampOf(day);
  const std::string hash = Hash(digest, absl::StrCat(stamp, domain, local_part), form.hash_characters);
  return absl::StrCat("SRS0", absl::string_view(&form.separator, 1), hash, "=", stamp, "=", domain, "=",
                      local_part);
}

std::string WriteSrs1(absl::string_view first_host, absl::string_view rest, const Form& form,
                      const Digest& digest) {
  const std::string hash = Hash(digest, absl::StrCat(first_host, rest), form.hash_characters);
  return absl::StrCat("SRS1", absl::string_view(&form.separator, 1), hash, "=", first_host, "=", rest);
}

Reversed ReverseSrs0(absl::string_view text, int64_t today, int64_t lifetime_days, const Form& form,
                     const std::vector<Digest>& digests) {
  Reversed reversed;
  const std::optional<absl::string_view> hash = TakePart(text);
  const std::optional<absl::string_view> stamp = TakePart(text);
  const std::optional<absl::string_view> domain = TakePart(text);
  if (!hash.has_value() || !stamp.has_value() || !domain.has_value() || text.empty()) return reversed;
  if (!IsRight(*hash, absl::StrCat(*stamp, *domain, text), form, digests)) return reversed;
  const std::optional<int64_t> day = DayOfStamp(*stamp, today);
  if (!day.has_value()) return reversed;
  reversed.day = *day;
  if (*day < today - lifetime_days) {
    reversed.outcome = Reversed::Outcome::kExpired;
  } else if (domain->empty()) {
    reversed.outcome = Reversed::Outcome::kKept;
    reversed.name = absl::AsciiStrToLower(text);
  } else {
    reversed.outcome = Reversed::Outcome::kSender;
    reversed.sender = {std::string(text), std::string(*domain)};
  }
  return reversed;
}

Reversed ReverseSrs1(absl::string_view text, const Form& form, const std::vector<Digest>& digests) {
  Reversed reversed;
  const std::optional<absl::string_view> hash = TakePart(text);
  const std::optional<absl::string_view> first_host = TakePart(text);
  if (!hash.has_value() || !first_host.has_value() || first_host->empty() || text.empty()) return reversed;
  if (!IsRight(*hash, absl::StrCat(*first_host, text), form, digests)) return reversed;
  reversed.outcome = Reversed::Outcome::kSender;
  reversed.sender = {absl::StrCat("SRS0", text), std::string(*first_host)};
  return reversed;
}

}  // namespace

int64_t DayOf(absl::Time time) { return absl::ToUnixSeconds(time) / (24 * 60 * 60); }

bool IsRewritten(absl::string_view local_part) { return IsSrs0(local_part) || IsSrs1(local_part); }

absl::StatusOr<std::string> Rewrite(const Address& sender, int64_t day, const Form& form,
                                    const Digest& digest) {
  if (IsSrs0(sender.local_part))
    return WriteSrs1(sender.domain, sender.local_part.substr(kTagBytes), form, digest);
  if (!IsSrs1(sender.local_part)) return WriteSrs0(sender.domain, sender.local_part, day, form, digest);
  // The host before us vouched for it by its hash, which ours takes the place of.
  absl::string_view rest = sender.local_part;
  rest.remove_prefix(kTagBytes + 1);
  const std::optional<absl::string_view> hash = TakePart(rest);
  const std::optional<absl::string_view> first_host = TakePart(rest);
  if (!hash.has_value() || !first_host.has_value() || first_host->empty() || rest.empty()) {
    return absl::InvalidArgumentError("it begins as an SRS1 address and is none");
  }
  return WriteSrs1(*first_host, rest, form, digest);
}

std::string RewriteKept(absl::string_view name, int64_t day, const Form& form, const Digest& digest) {
  return WriteSrs0("", name, day, form, digest);
}

Reversed Reverse(absl::string_view local_part, int64_t today, int64_t lifetime_days, const Form& form,
                 const std::vector<Digest>& digests) {
  const absl::string_view text = local_part.size() > kTagBytes ? local_part.substr(kTagBytes + 1) : "";
  if (IsSrs0(local_part)) return ReverseSrs0(text, today, lifetime_days, form, digests);
  if (IsSrs1(local_part)) return ReverseSrs1(text, form, digests);
  return Reversed();
}

}  // namespace mailstead::srs
