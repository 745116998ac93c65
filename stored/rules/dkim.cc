#include "stored/rules/dkim.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/directory.h"

namespace mailstead::rules {
namespace {

using engine::DkimKey;
using State = DkimKey::State;

std::vector<DkimKey>::iterator FindKey(std::vector<DkimKey>& keys, absl::string_view selector) {
  return std::find_if(keys.begin(), keys.end(),
                      [&](const DkimKey& key) { return absl::string_view(key.selector) == selector; });
}

void Retire(DkimKey& key, absl::Time time) {
  key.state = State::kRetired;
  key.retire_time = time;
}

// `active` takes the place of those that are there and older.
void RetireOthers(std::vector<DkimKey>& keys, const DkimKey& active, absl::Time time) {
  for (DkimKey& key : keys) {
    if (key.selector == active.selector || key.type != active.type || key.state == State::kRetired) continue;
    if (key.state == State::kActive || key.create_time <= active.create_time) Retire(key, time);
  }
}

}  // namespace

absl::Time RecordEndTime(const DkimKey& key) {
  if (key.state != State::kRetired) return absl::InfiniteFuture();
  // What never signed is in no mail.
  return key.activate_time == absl::InfinitePast() ? key.retire_time : key.retire_time + kRetiredKeyTime;
}

absl::Status NoDkimDomain(absl::string_view domain) {
  return WithReason(NoDomain(domain), kReasonDomainNotFound);
}

absl::Status NoDkimKey(absl::string_view domain, absl::string_view selector) {
  return WithReason(absl::NotFoundError(absl::StrCat("domain ", domain, " has no key ", selector)),
                    kReasonDkimKeyNotFound);
}

absl::Status AddDkimKey(std::vector<DkimKey>& keys, absl::string_view domain, DkimKey key) {
  if (FindKey(keys, key.selector) != keys.end()) {
    return WithReason(absl::AlreadyExistsError(absl::StrCat("domain ", domain, " has a key ", key.selector)),
                      kReasonDkimKeyExists);
  }
  if (keys.size() >= engine::kMaxDkimKeys) {
    const absl::Time now = key.create_time;
    const auto over = std::find_if(keys.begin(), keys.end(),
                                   [&](const DkimKey& each) { return RecordEndTime(each) <= now; });
    if (over == keys.end()) {
      return WithReason(absl::ResourceExhaustedError(
                            absl::StrCat("domain ", domain, " has ", keys.size(), " keys already")),
                        kReasonTooManyDkimKeys);
    }
    keys.erase(over);
  }
  if (key.state == State::kActive) RetireOthers(keys, key, key.activate_time);
  keys.push_back(std::move(key));
  return absl::OkStatus();
}

int64_t VersionOf(const DkimKey& key) {
  return VersionOfContent(absl::StrCat(static_cast<int>(key.state), " ", absl::ToUnixMicros(key.create_time),
                                       " ", absl::ToUnixMicros(key.activate_time), " ",
                                       absl::ToUnixMicros(key.retire_time)));
}

absl::Status ActivateDkimKey(std::vector<DkimKey>& keys, absl::string_view domain, absl::string_view selector,
                             int64_t expected_version, absl::Time time) {
  const auto key = FindKey(keys, selector);
  if (key == keys.end()) return NoDkimKey(domain, selector);
  if (const absl::Status same = CheckVersion(expected_version, VersionOf(*key)); !same.ok()) return same;
  if (key->state == State::kActive) return absl::OkStatus();
  if (key->state == State::kRetired) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("key ", selector, " of ", domain, " is retired")),
        kReasonDkimKeyRetired);
  }
  key->state = State::kActive;
  key->activate_time = time;
  RetireOthers(keys, *key, time);
  return absl::OkStatus();
}

absl::Status DeleteDkimKey(std::vector<DkimKey>& keys, absl::string_view domain, absl::string_view selector,
                           int64_t expected_version, bool even_active) {
  const auto key = FindKey(keys, selector);
  if (key == keys.end()) return NoDkimKey(domain, selector);
  if (const absl::Status same = CheckVersion(expected_version, VersionOf(*key)); !same.ok()) return same;
  if (key->state == State::kActive && !even_active) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("key ", selector, " of ", domain, " signs mail")),
        kReasonDkimKeyActive);
  }
  keys.erase(key);
  return absl::OkStatus();
}

bool HasPendingDkimKey(const std::vector<DkimKey>& keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [](const DkimKey& key) { return key.state == State::kPending; });
}

}  // namespace mailstead::rules
