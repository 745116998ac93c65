#include "stored/rules/directory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/times.h"

namespace mailstead::rules {
namespace {

template <typename Record>
Record CreatedRecord(Record record) {
  record.create_time = Kept(record.create_time);
  record.update_time = record.create_time;
  record.version = 1;
  return record;
}

template <typename Record, typename Change>
void MarkChanged(Record& record, const Change& change) {
  record.update_time = Kept(change.time);
  ++record.version;
}

}  // namespace

AddressParts Split(absl::string_view address) {
  const size_t at = address.rfind('@');
  if (at == absl::string_view::npos) return {"", absl::AsciiStrToLower(address)};
  return {absl::AsciiStrToLower(address.substr(at + 1)), absl::AsciiStrToLower(address.substr(0, at))};
}

absl::Status NoDomain(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no domain ", name));
}
absl::Status NoAccount(absl::string_view account) {
  return absl::NotFoundError(absl::StrCat("no account ", account));
}
absl::Status NoAlias(absl::string_view address) {
  return absl::NotFoundError(absl::StrCat("no alias ", address));
}
absl::Status Exists(absl::string_view what) {
  return absl::AlreadyExistsError(absl::StrCat(what, " exists"));
}

absl::Status NotEmpty(absl::string_view domain, absl::string_view what) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat("domain ", domain, " still has ", what)),
                    kReasonDomainNotEmpty);
}

absl::Status CheckVersion(int64_t expected, int64_t version) {
  if (expected == 0 || expected == version) return absl::OkStatus();
  return WithReason(absl::AbortedError(absl::StrCat("it has version ", version, ", not ", expected)),
                    kReasonEtagMismatch);
}

// FNV-1a, of 62 bits: nobody gains by two contents with one version but who would lose a change of his own.
int64_t VersionOfContent(absl::string_view content) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : content) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return static_cast<int64_t>(hash >> 2) + 1;
}

engine::Domain Created(engine::Domain domain) {
  domain.undelete_window = Kept(domain.undelete_window);
  domain.retention = Kept(domain.retention);
  return CreatedRecord(std::move(domain));
}

engine::Account Created(engine::Account account) {
  account.usage = {};
  account.credential.version = std::max<int64_t>(account.credential.version, 1);
  return CreatedRecord(std::move(account));
}

engine::Alias Created(engine::Alias alias) { return CreatedRecord(std::move(alias)); }

engine::Domain Changed(engine::Domain domain, const engine::DomainChange& change) {
  if (change.plus_addressing.has_value()) domain.plus_addressing = *change.plus_addressing;
  if (change.undelete_window.has_value()) domain.undelete_window = Kept(*change.undelete_window);
  if (change.retention.has_value()) domain.retention = Kept(*change.retention);
  if (change.mta_sts.has_value()) domain.mta_sts = *change.mta_sts;
  MarkChanged(domain, change);
  return domain;
}

engine::Account Changed(engine::Account account, const engine::AccountChange& change) {
  if (change.address.has_value()) account.address = *change.address;
  if (change.disabled.has_value()) account.disabled = *change.disabled;
  if (change.quota_bytes.has_value()) account.quota_bytes = *change.quota_bytes;
  if (change.quota_messages.has_value()) account.quota_messages = *change.quota_messages;
  if (change.credential.has_value()) {
    const int64_t version = account.credential.version + 1;
    account.credential = *change.credential;
    account.credential.version = version;
  }
  if (change.retention.has_value()) account.retention = *change.retention;
  MarkChanged(account, change);
  return account;
}

engine::Alias Changed(engine::Alias alias, const engine::AliasChange& change) {
  if (change.targets.has_value()) alias.targets = *change.targets;
  MarkChanged(alias, change);
  return alias;
}

}  // namespace mailstead::rules
