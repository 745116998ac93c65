#include "common/mailauth/key_record.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/mailauth/tag_list.h"
#include "common/text/base64.h"

namespace mailstead::mailauth {
namespace {

constexpr size_t kMaxTxtStringBytes = 255;
// RFC 8032 section 5.1.5.
constexpr size_t kEd25519Bytes = 32;

bool Has(const std::vector<std::string>& list, absl::string_view item) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& each) { return each == std::string(item); });
}

absl::StatusOr<KeyType> ParseKeyType(const std::string* value) {
  if (value == nullptr || *value == "rsa") return KeyType::kRsa;
  if (*value == "ed25519") return KeyType::kEd25519;
  return absl::InvalidArgumentError("its k= names another kind of key");
}

}  // namespace

absl::string_view KeyTypeName(KeyType type) { return type == KeyType::kRsa ? "rsa" : "ed25519"; }

bool KeyRecord::TakesSha256() const { return hashes.empty() || Has(hashes, "sha256"); }

bool KeyRecord::IsForEmail() const {
  return services.empty() || Has(services, "*") || Has(services, "email");
}

absl::StatusOr<KeyRecord> ParseKeyRecord(absl::string_view text) {
  ASSIGN_OR_RETURN(const std::vector<Tag> tags, ParseTagList(text));
  if (const std::string* const version = FindTag(tags, "v")) {
    // Section 3.6.1: the first tag, where it is there.
    if (*version != "DKIM1" || tags.front().name != "v")
      return absl::InvalidArgumentError("its v= is not DKIM1, first");
  }
  KeyRecord record;
  ASSIGN_OR_RETURN(record.type, ParseKeyType(FindTag(tags, "k")));
  const std::string* const key = FindTag(tags, "p");
  if (key == nullptr) return absl::InvalidArgumentError("it has no p=");
  std::optional<std::string> bytes = DecodeBase64(WithoutSpace(*key));
  if (!bytes.has_value()) return absl::InvalidArgumentError("its p= is not base64");
  record.public_key = *std::move(bytes);
  if (record.type == KeyType::kEd25519 && !record.public_key.empty() &&
      record.public_key.size() != kEd25519Bytes) {
    return absl::InvalidArgumentError("its p= has not the 32 bytes of an Ed25519 key");
  }
  if (const std::string* const hashes = FindTag(tags, "h")) record.hashes = SplitColons(*hashes);
  if (const std::string* const services = FindTag(tags, "s")) record.services = SplitColons(*services);
  if (const std::string* const flags = FindTag(tags, "t")) {
    const std::vector<std::string> list = SplitColons(*flags);
    record.testing = Has(list, "y");
    record.same_domain = Has(list, "s");
  }
  return record;
}

std::string KeyRecordText(KeyType type, absl::string_view public_key) {
  return absl::StrCat("v=DKIM1; k=", KeyTypeName(type), "; p=", absl::Base64Escape(public_key));
}

std::string KeyRecordName(absl::string_view domain, absl::string_view selector) {
  return absl::StrCat(selector, "._domainkey.", domain);
}

std::vector<std::string> TxtStrings(absl::string_view text) {
  std::vector<std::string> strings;
  do {
    strings.emplace_back(text.substr(0, kMaxTxtStringBytes));
    text.remove_prefix(std::min(text.size(), kMaxTxtStringBytes));
  } while (!text.empty());
  return strings;
}

std::string ZoneText(absl::string_view text) {
  return absl::StrCat("\"", absl::StrJoin(TxtStrings(text), "\" \""), "\"");
}

absl::string_view PublishedName(Published published) {
  switch (published) {
    case Published::kSame:
      return "same";
    case Published::kMissing:
      return "missing";
    case Published::kDifferent:
      return "different";
    case Published::kSeveral:
      return "several";
  }
  return "missing";
}

Published Compare(const std::vector<std::string>& records, KeyType type, absl::string_view public_key) {
  if (records.empty()) return Published::kMissing;
  if (records.size() > 1) return Published::kSeveral;
  const absl::StatusOr<KeyRecord> record = ParseKeyRecord(records.front());
  const bool same = record.ok() && !record->public_key.empty() && record->type == type &&
                    absl::string_view(record->public_key) == public_key && record->TakesSha256() &&
                    record->IsForEmail();
  return same ? Published::kSame : Published::kDifferent;
}

bool IsSelector(absl::string_view text) {
  if (text.empty() || text.size() > kMaxSelectorBytes) return false;
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    const bool clean = std::all_of(label.begin(), label.end(), [](char c) {
      return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_';
    });
    if (!clean) return false;
  }
  return true;
}

}  // namespace mailstead::mailauth
