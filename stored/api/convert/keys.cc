#include "stored/api/convert/keys.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/api/roles.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

struct ScopeRow {
  v1::KeyScope proto;
  Scope scope;
};
constexpr ScopeRow kScopes[] = {
    {v1::KEY_SCOPE_MAIL_READ, kMailRead},
    {v1::KEY_SCOPE_MAIL_DELETE, kMailDelete},
    {v1::KEY_SCOPE_MAIL_DELIVER, kMailDeliver},
    {v1::KEY_SCOPE_MAIL_SUBMIT, kMailSubmit},
    {v1::KEY_SCOPE_MAIL_WATCH, kMailWatch},
    {v1::KEY_SCOPE_DIRECTORY_READ, kDirectoryRead},
    {v1::KEY_SCOPE_DIRECTORY_WRITE, kDirectoryWrite},
    {v1::KEY_SCOPE_QUEUE_READ, kQueueRead},
    {v1::KEY_SCOPE_QUEUE_WRITE, kQueueWrite},
    {v1::KEY_SCOPE_ADMIN_READ, kAdminRead},
    {v1::KEY_SCOPE_ADMIN_WRITE, kAdminWrite},
};

absl::StatusOr<int64_t> ScopesOf(const v1::Key& key) {
  int64_t scopes = 0;
  for (int i = 0; i < key.scopes_size(); ++i) {
    int64_t bit = 0;
    for (const ScopeRow& row : kScopes) {
      if (row.proto == key.scopes(i)) bit = row.scope;
    }
    if (bit == 0) return FieldError(absl::StrCat("key.scopes[", i, "]"), "must be a scope that is known");
    scopes |= bit;
  }
  return scopes;
}

template <typename Strings>
std::vector<std::string> ListOf(const Strings& strings) {
  return {strings.begin(), strings.end()};
}

engine::KeyLimits LimitsOf(const v1::KeyLimits& limits) {
  return {limits.calls_per_second(), limits.burst(), limits.concurrent_calls()};
}

absl::StatusOr<absl::Time> ExpiryOf(const v1::Key& key) {
  if (!key.has_expire_time()) return absl::InfiniteFuture();
  const google::protobuf::Timestamp& time = key.expire_time();
  // To the end of the year 9999.
  constexpr int64_t kMaxSeconds = 253'402'300'799;
  if (time.seconds() < 0 || time.seconds() > kMaxSeconds || time.nanos() < 0 || time.nanos() > 999'999'999) {
    return FieldError("key.expire_time", "must be a time up to the year 9999");
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

v1::Key::State StateOf(const engine::Key& key, absl::Time now) {
  if (key.revoke_time != absl::InfiniteFuture()) return v1::Key::STATE_REVOKED;
  return key.expire_time <= now ? v1::Key::STATE_EXPIRED : v1::Key::STATE_ACTIVE;
}

}  // namespace

void ToProto(const engine::Key& key, const engine::KeyUse* use, absl::Time now, v1::Key& proto) {
  proto.set_key_id(key.id);
  proto.set_name(key.name);
  for (const ScopeRow& row : kScopes) {
    if ((key.scopes & row.scope) != 0) proto.add_scopes(row.proto);
  }
  for (const AccountId account : key.sight.accounts) proto.add_accounts(absl::StrCat(account.value));
  for (const std::string& domain : key.sight.domains) proto.add_domains(domain);
  proto.set_sees_all(key.sight.all);
  for (const std::string& range : key.ip_ranges) proto.add_ip_ranges(range);
  for (const std::string& name : key.certificate_names) proto.add_certificate_names(name);
  if (key.limits != engine::KeyLimits()) {
    proto.mutable_limits()->set_calls_per_second(key.limits.calls_per_second);
    proto.mutable_limits()->set_burst(key.limits.burst);
    proto.mutable_limits()->set_concurrent_calls(key.limits.concurrent_calls);
  }
  if (key.expire_time != absl::InfiniteFuture()) ToProto(key.expire_time, *proto.mutable_expire_time());
  proto.set_state(StateOf(key, now));
  ToProto(key.create_time, *proto.mutable_create_time());
  ToProto(key.update_time, *proto.mutable_update_time());
  if (key.revoke_time != absl::InfiniteFuture()) ToProto(key.revoke_time, *proto.mutable_revoke_time());
  if (use != nullptr) {
    ToProto(use->time, *proto.mutable_last_used_time());
    proto.set_last_used_address(use->address);
  }
  const bool counts = proto.state() != v1::Key::STATE_REVOKED;
  for (const engine::KeySecret& secret : key.secrets) {
    if (!counts || secret.expire_time <= now) continue;
    v1::KeySecret& to = *proto.add_secrets();
    ToProto(secret.create_time, *to.mutable_create_time());
    if (secret.expire_time != absl::InfiniteFuture()) ToProto(secret.expire_time, *to.mutable_expire_time());
  }
  proto.set_etag(MakeEtag(key.version));
  if (key.retention > absl::ZeroDuration()) ToProto(key.retention, *proto.mutable_retention());
}

absl::StatusOr<KeyChange> FromProto(const v1::Key& key) {
  KeyChange wanted;
  wanted.name = key.name();
  ASSIGN_OR_RETURN(wanted.scopes, ScopesOf(key));
  wanted.accounts = ListOf(key.accounts());
  wanted.domains = ListOf(key.domains());
  wanted.ip_ranges = ListOf(key.ip_ranges());
  wanted.certificate_names = ListOf(key.certificate_names());
  wanted.limits = LimitsOf(key.limits());
  ASSIGN_OR_RETURN(wanted.expire_time, ExpiryOf(key));
  ASSIGN_OR_RETURN(wanted.retention, FromProto("key.retention", key.retention()));
  return wanted;
}

absl::StatusOr<KeyChange> FromProto(const v1::UpdateKeyRequest& request) {
  const google::protobuf::FieldMask& mask = request.update_mask();
  RETURN_IF_ERROR(CheckMask(mask, {"name", "scopes", "accounts", "domains", "ip_ranges", "certificate_names",
                                   "limits", "expire_time", "retention"}));
  ASSIGN_OR_RETURN(KeyChange change, FromProto(request.key()));
  if (!HasPath(mask, "name")) change.name.reset();
  if (!HasPath(mask, "scopes")) change.scopes.reset();
  if (!HasPath(mask, "accounts")) change.accounts.reset();
  if (!HasPath(mask, "domains")) change.domains.reset();
  if (!HasPath(mask, "ip_ranges")) change.ip_ranges.reset();
  if (!HasPath(mask, "certificate_names")) change.certificate_names.reset();
  if (!HasPath(mask, "limits")) change.limits.reset();
  if (!HasPath(mask, "expire_time")) change.expire_time.reset();
  if (!HasPath(mask, "retention")) change.retention.reset();
  return change;
}

}  // namespace mailstead::stored
