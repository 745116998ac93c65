// Grammar of the values of keys, webhooks and the audit:
//
//   key       = 2 id:string name:string scopes:number sees_all:flag account_count:number account:number*
//                 domain_count:number domain:string* ip_range_count:number ip_range:string*
//                 certificate_count:number certificate_name:string* calls_per_second:number burst:number
//                 concurrent_calls:number secret_count:number key_secret* create_time:time update_time:time
//                 expire_time:time revoke_time:time request_id:string request_fingerprint:string version:number
//                 retention:duration            1 in place of 2: of an earlier store, and without retention
//                                               scopes: the bits of stored/api/roles.h, added up
//   key_secret = digest:string create_time:time expire_time:time
//   key_use   = 1 id:string time:time address:string
//   webhook   = 2 id:string url:string filter:string sealed_secret:string state:number create_time:time
//                 update_time:time version:number old_sealed_secret:string old_secret_expire_time:time
//                                               state: 0 active, 1 paused, 2 gone, 3 being removed
//                                               1 in place of 2: of an earlier store, and without what follows
//                                               create_time
//   webhook_progress = 1 position:number message:number incarnation:string lease_id:string fence:number revision:number
//                 waiting_count:number dead_count:number dropped_count:number success_time:time failure_time:time
//                 failure:string
//   webhook_event = 1 account:number position:number message:number event:string attempt_count:number time:time
//                 failure:string
//   audit     = 1 number:number time:time actor:string peer:string action:string target:string result:string
//                 session_id:string call_count:number kind:number
//                                               kind: 0 change, 1 mail, 2 refusal
//   audit_end = 1 number:number
//
// End of the grammar.
#include <limits>

#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/records/coder.h"

namespace mailstead::engine {
namespace {

void EncodeStrings(Encoder& encoder, const std::vector<std::string>& strings) {
  encoder.Number(static_cast<int64_t>(strings.size()));
  for (const std::string& string : strings) encoder.String(string);
}

void DecodeStrings(Decoder& decoder, std::vector<std::string>& strings) {
  size_t count;
  decoder.Count(count);
  strings.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) decoder.String(strings.emplace_back());
}

}  // namespace

std::string Encode(const Key& key) {
  Encoder encoder(2);
  encoder.String(key.id).String(key.name).Number(key.scopes).Flag(key.sight.all);
  encoder.Number(static_cast<int64_t>(key.sight.accounts.size()));
  for (const AccountId account : key.sight.accounts) encoder.Number(account.value);
  EncodeStrings(encoder, key.sight.domains);
  EncodeStrings(encoder, key.ip_ranges);
  EncodeStrings(encoder, key.certificate_names);
  encoder.Number(key.limits.calls_per_second).Number(key.limits.burst).Number(key.limits.concurrent_calls);
  encoder.Number(static_cast<int64_t>(key.secrets.size()));
  for (const KeySecret& secret : key.secrets) {
    encoder.String(secret.digest).Time(secret.create_time).Time(secret.expire_time);
  }
  return encoder.Time(key.create_time)
      .Time(key.update_time)
      .Time(key.expire_time)
      .Time(key.revoke_time)
      .String(key.request_id)
      .String(key.request_fingerprint)
      .Number(key.version)
      .Duration(key.retention)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Key& key) {
  Decoder decoder("key", bytes, 2);
  decoder.String(key.id).String(key.name).Number(key.scopes).Flag(key.sight.all);
  size_t count;
  decoder.Count(count);
  key.sight.accounts.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i)
    decoder.Number(key.sight.accounts.emplace_back().value);
  DecodeStrings(decoder, key.sight.domains);
  DecodeStrings(decoder, key.ip_ranges);
  DecodeStrings(decoder, key.certificate_names);
  decoder.Number(key.limits.calls_per_second).Number(key.limits.burst).Number(key.limits.concurrent_calls);
  decoder.Count(count);
  key.secrets.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    KeySecret& secret = key.secrets.emplace_back();
    decoder.String(secret.digest).Time(secret.create_time).Time(secret.expire_time);
  }
  decoder.Time(key.create_time)
      .Time(key.update_time)
      .Time(key.expire_time)
      .Time(key.revoke_time)
      .String(key.request_id)
      .String(key.request_fingerprint)
      .Number(key.version);
  key.retention = absl::ZeroDuration();
  if (decoder.version() >= 2) decoder.Duration(key.retention);
  return decoder.Finish();
}

std::string Encode(const Webhook& webhook) {
  return Encoder(2)
      .String(webhook.id)
      .String(webhook.url)
      .String(webhook.filter)
      .String(webhook.sealed_secret)
      .Number(static_cast<int64_t>(webhook.state))
      .Time(webhook.create_time)
      .Time(webhook.update_time)
      .Number(webhook.version)
      .String(webhook.old_sealed_secret)
      .Time(webhook.old_secret_expire_time)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Webhook& webhook) {
  Decoder decoder("webhook", bytes, 2);
  int64_t state;
  decoder.String(webhook.id)
      .String(webhook.url)
      .String(webhook.filter)
      .String(webhook.sealed_secret)
      .Number(state, static_cast<int64_t>(Webhook::State::kRemoved))
      .Time(webhook.create_time);
  webhook.state = static_cast<Webhook::State>(state);
  DecodeChanges(decoder, webhook);
  webhook.old_sealed_secret.clear();
  webhook.old_secret_expire_time = absl::InfinitePast();
  if (decoder.version() >= 2) decoder.String(webhook.old_sealed_secret).Time(webhook.old_secret_expire_time);
  return decoder.Finish();
}

std::string Encode(const WebhookProgress& progress) {
  return Encoder(1)
      .Number(progress.cursor.position)
      .Number(progress.cursor.message.value)
      .String(progress.incarnation)
      .String(progress.lease_id)
      .Number(progress.fence)
      .Number(progress.revision)
      .Number(progress.waiting_count)
      .Number(progress.dead_count)
      .Number(progress.dropped_count)
      .Time(progress.success_time)
      .Time(progress.failure_time)
      .String(progress.failure)
      .Take();
}

absl::Status Decode(absl::string_view bytes, WebhookProgress& progress) {
  return Decoder("webhook_progress", bytes, 1)
      .Number(progress.cursor.position)
      .Number(progress.cursor.message.value)
      .String(progress.incarnation)
      .String(progress.lease_id)
      .Number(progress.fence)
      .Number(progress.revision)
      .Number(progress.waiting_count)
      .Number(progress.dead_count)
      .Number(progress.dropped_count)
      .Time(progress.success_time)
      .Time(progress.failure_time)
      .String(progress.failure)
      .Finish();
}

std::string Encode(const WebhookEvent& event) {
  return Encoder(1)
      .Number(event.account.value)
      .Number(event.at.position)
      .Number(event.at.message.value)
      .String(event.event)
      .Number(event.attempt_count)
      .Time(event.time)
      .String(event.failure)
      .Take();
}

absl::Status Decode(absl::string_view bytes, WebhookEvent& event) {
  Decoder decoder("webhook_event", bytes, 1);
  int64_t attempts;
  decoder.Number(event.account.value)
      .Number(event.at.position)
      .Number(event.at.message.value)
      .String(event.event)
      .Number(attempts, std::numeric_limits<int32_t>::max())
      .Time(event.time)
      .String(event.failure);
  event.attempt_count = static_cast<int32_t>(attempts);
  return decoder.Finish();
}

std::string Encode(const KeyUse& use) {
  return Encoder(1).String(use.id).Time(use.time).String(use.address).Take();
}

absl::Status Decode(absl::string_view bytes, KeyUse& use) {
  Decoder decoder("key_use", bytes, 1);
  decoder.String(use.id).Time(use.time).String(use.address);
  return decoder.Finish();
}

std::string Encode(const AuditEntry& entry) {
  return Encoder(1)
      .Number(entry.number)
      .Time(entry.time)
      .String(entry.actor)
      .String(entry.peer)
      .String(entry.action)
      .String(entry.target)
      .String(entry.result)
      .String(entry.session_id)
      .Number(entry.call_count)
      .Number(static_cast<int64_t>(entry.kind))
      .Take();
}

absl::Status Decode(absl::string_view bytes, AuditEntry& entry) {
  Decoder decoder("audit", bytes, 1);
  int64_t kind;
  decoder.Number(entry.number)
      .Time(entry.time)
      .String(entry.actor)
      .String(entry.peer)
      .String(entry.action)
      .String(entry.target)
      .String(entry.result)
      .String(entry.session_id)
      .Number(entry.call_count)
      .Number(kind, static_cast<int64_t>(AuditKind::kRefusal));
  entry.kind = static_cast<AuditKind>(kind);
  return decoder.Finish();
}

std::string Encode(const AuditEnd& end) { return Encoder(1).Number(end.newest).Take(); }

absl::Status Decode(absl::string_view bytes, AuditEnd& end) {
  Decoder decoder("audit_end", bytes, 1);
  decoder.Number(end.newest);
  return decoder.Finish();
}
}  // namespace mailstead::engine
