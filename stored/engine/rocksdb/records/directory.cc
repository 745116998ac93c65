// Grammar of the values of the directory:
//
//   domain    = 5 name:string plus_addressing:flag create_time:time update_time:time version:number
//                 undelete_window:duration retention:duration mta_sts:number
//                                               retention: 0 for ever
//                                               mta_sts: 0 off, 1 none, 2 testing, 3 enforce
//                                               4 in place of 5: of an earlier store, and without mta_sts; 3: and
//                                               without retention; 2: and without undelete_window
//   account   = 3 address:string account:number disabled:flag quota_bytes:number quota_messages:number
//                 create_time:time credential update_time:time version:number has_retention:flag retention:duration
//                                               retention: where it has one of its own; 0 for ever
//                                               2 in place of 3: of an earlier store, and without the last two
//   alias     = 2 address:string create_time:time target_count:number target:string* update_time:time version:number
//   route     = 1 destination:string sender_domain:string mailbox:number host_count:number host* tls:number user:string
//                 sealed_password:string source_address:string ehlo_name:string update_time:time
//                                               mailbox: of the account, 0 for none
//                                               tls: 0 may, 1 none, 2 require, 3 verify
//   host      = name:string port:number
//   dkim      = 1 key_count:number dkim_key*
//   dkim_key  = selector:string type:number bits:number state:number sealed_private_key:string public_key:string
//                 create_time:time activate_time:time retire_time:time
//                                               type: 0 RSA, 1 Ed25519
//                                               state: 0 pending, 1 active, 2 retired
//   sending_settings = 1 hourly_messages:limit daily_messages:limit hourly_recipients:limit daily_recipients:limit
//                 trusted:flag pause:number pause_time:time
//                                               pause: 0 none, 1 by an operator, 2 new recipients, 3 refusals
//   limit     = number                          0: the store's own; else one more than the limit
//   sending_use = 1 slot_count:number slot* slot_count:number slot*
//                                               of the hour, of the day
//   slot      = number:number messages:number recipients:number new_recipients:number delivered:number refused:number
//   srs_secret = 1 number:number sealed:string create_time:time
//   srs_sender = 1 days:number name:string address:string
//   credential = kind:number iterations:number salt:string stored_key:string server_key:string crypt_hash:string
//                credential_version:number      kind: 0 none, 1 SCRAM-SHA-256, 2 crypt
//
// Of an earlier store, and read until it is written again:
//
//   domain    = 1 name:string plus_addressing:flag create_time:time
//   account   = 1 address:string account:number disabled:flag quota_bytes:number quota_messages:number
//                 create_time:time credential
//   alias     = 1 address:string create_time:time target_count:number target:string*
//
// End of the grammar.
#include <limits>

#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/records/coder.h"

namespace mailstead::engine {

std::string Encode(const Domain& domain) {
  return Encoder(5)
      .String(domain.name)
      .Flag(domain.plus_addressing)
      .Time(domain.create_time)
      .Time(domain.update_time)
      .Number(domain.version)
      .Duration(domain.undelete_window)
      .Duration(domain.retention)
      .Number(static_cast<int64_t>(domain.mta_sts))
      .Take();
}

absl::Status Decode(absl::string_view bytes, Domain& domain) {
  Decoder decoder("domain", bytes, 5);
  decoder.String(domain.name).Flag(domain.plus_addressing).Time(domain.create_time);
  DecodeChanges(decoder, domain);
  domain.undelete_window = absl::ZeroDuration();
  if (decoder.version() >= 3) decoder.Duration(domain.undelete_window);
  domain.retention = absl::ZeroDuration();
  if (decoder.version() >= 4) decoder.Duration(domain.retention);
  int64_t mta_sts = 0;
  if (decoder.version() >= 5) decoder.Number(mta_sts, static_cast<int64_t>(MtaSts::kEnforce));
  domain.mta_sts = static_cast<MtaSts>(mta_sts);
  return decoder.Finish();
}

std::string Encode(const Account& account) {
  return Encoder(3)
      .String(account.address)
      .Number(account.id.value)
      .Flag(account.disabled)
      .Number(account.quota_bytes)
      .Number(account.quota_messages)
      .Time(account.create_time)
      .Secret(account.credential)
      .Time(account.update_time)
      .Number(account.version)
      .Flag(account.retention.has_value())
      .Duration(account.retention.value_or(absl::ZeroDuration()))
      .Take();
}

absl::Status Decode(absl::string_view bytes, Account& account) {
  Decoder decoder("account", bytes, 3);
  decoder.String(account.address)
      .Number(account.id.value)
      .Flag(account.disabled)
      .Quota(account.quota_bytes)
      .Quota(account.quota_messages)
      .Time(account.create_time)
      .Secret(account.credential);
  DecodeChanges(decoder, account);
  account.retention.reset();
  if (decoder.version() >= 3) {
    bool has_retention;
    absl::Duration retention;
    decoder.Flag(has_retention).Duration(retention);
    if (has_retention) account.retention = retention;
  }
  return decoder.Finish();
}

std::string Encode(const Alias& alias) {
  Encoder encoder(2);
  encoder.String(alias.address).Time(alias.create_time).Number(static_cast<int64_t>(alias.targets.size()));
  for (const std::string& target : alias.targets) encoder.String(target);
  return encoder.Time(alias.update_time).Number(alias.version).Take();
}

absl::Status Decode(absl::string_view bytes, Alias& alias) {
  size_t count;
  Decoder decoder("alias", bytes, 2);
  decoder.String(alias.address).Time(alias.create_time).Count(count);
  alias.targets.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) decoder.String(alias.targets.emplace_back());
  DecodeChanges(decoder, alias);
  return decoder.Finish();
}

std::string Encode(const Route& route) {
  Encoder encoder(1);
  encoder.String(route.key.destination)
      .String(route.key.sender_domain)
      .Number(route.mailbox.value)
      .Number(static_cast<int64_t>(route.hosts.size()));
  for (const Route::Host& host : route.hosts) encoder.String(host.host).Number(host.port);
  return encoder.Number(static_cast<int64_t>(route.tls))
      .String(route.user)
      .String(route.sealed_password)
      .String(route.source_address)
      .String(route.ehlo_name)
      .Time(route.update_time)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Route& route) {
  Decoder decoder("route", bytes, 1);
  size_t host_count;
  route.hosts.clear();
  decoder.String(route.key.destination)
      .String(route.key.sender_domain)
      .Number(route.mailbox.value)
      .Count(host_count);
  for (size_t i = 0; i < host_count && !decoder.failed(); ++i) {
    Route::Host& host = route.hosts.emplace_back();
    int64_t port;
    decoder.String(host.host).Number(port, std::numeric_limits<uint16_t>::max());
    host.port = static_cast<int32_t>(port);
  }
  int64_t tls;
  decoder.Number(tls, static_cast<int64_t>(Route::Tls::kVerify))
      .String(route.user)
      .String(route.sealed_password)
      .String(route.source_address)
      .String(route.ehlo_name)
      .Time(route.update_time);
  route.tls = static_cast<Route::Tls>(tls);
  return decoder.Finish();
}

std::string Encode(const DkimRecord& dkim) {
  Encoder encoder(1);
  encoder.Number(static_cast<int64_t>(dkim.keys.size()));
  for (const DkimKey& key : dkim.keys) {
    encoder.String(key.selector)
        .Number(static_cast<int64_t>(key.type))
        .Number(key.bits)
        .Number(static_cast<int64_t>(key.state))
        .String(key.sealed_private_key)
        .String(key.public_key)
        .Time(key.create_time)
        .Time(key.activate_time)
        .Time(key.retire_time);
  }
  return encoder.Take();
}

std::string Encode(const SendingSettings& settings) {
  Encoder encoder(1);
  const SendingLimits& limits = settings.limits;
  for (const std::optional<int64_t>& limit :
       {limits.hourly_messages, limits.daily_messages, limits.hourly_recipients, limits.daily_recipients}) {
    encoder.Number(limit.has_value() ? *limit + 1 : 0);
  }
  return encoder.Flag(limits.trusted)
      .Number(static_cast<int64_t>(settings.pause.why))
      .Time(settings.pause.since)
      .Take();
}

absl::Status Decode(absl::string_view bytes, SendingSettings& settings) {
  Decoder decoder("sending_settings", bytes, 1);
  SendingLimits& limits = settings.limits;
  for (std::optional<int64_t>* limit : {&limits.hourly_messages, &limits.daily_messages,
                                        &limits.hourly_recipients, &limits.daily_recipients}) {
    int64_t number;
    decoder.Number(number);
    *limit = number == 0 ? std::nullopt : std::optional<int64_t>(number - 1);
  }
  int64_t why;
  decoder.Flag(limits.trusted)
      .Number(why, static_cast<int64_t>(SendingPause::Why::kRefusals))
      .Time(settings.pause.since);
  settings.pause.why = static_cast<SendingPause::Why>(why);
  return decoder.Finish();
}

std::string Encode(const SendingUse& use) {
  Encoder encoder(1);
  for (const std::vector<SendingSlot>* slots : {&use.hour, &use.day}) {
    encoder.Number(static_cast<int64_t>(slots->size()));
    for (const SendingSlot& slot : *slots) {
      encoder.Number(slot.number)
          .Number(slot.messages)
          .Number(slot.recipients)
          .Number(slot.new_recipients)
          .Number(slot.delivered)
          .Number(slot.refused);
    }
  }
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, DkimRecord& dkim) {
  Decoder decoder("dkim", bytes, 1);
  size_t count;
  dkim.keys.clear();
  decoder.Count(count);
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    DkimKey& key = dkim.keys.emplace_back();
    int64_t type;
    int64_t state;
    decoder.String(key.selector)
        .Number(type, static_cast<int64_t>(mailauth::KeyType::kEd25519))
        .Small(key.bits)
        .Number(state, static_cast<int64_t>(DkimKey::State::kRetired))
        .String(key.sealed_private_key)
        .String(key.public_key)
        .Time(key.create_time)
        .Time(key.activate_time)
        .Time(key.retire_time);
    key.type = static_cast<mailauth::KeyType>(type);
    key.state = static_cast<DkimKey::State>(state);
  }
  return decoder.Finish();
}

absl::Status Decode(absl::string_view bytes, SendingUse& use) {
  Decoder decoder("sending_use", bytes, 1);
  for (std::vector<SendingSlot>* slots : {&use.hour, &use.day}) {
    size_t count;
    decoder.Count(count);
    slots->clear();
    for (size_t i = 0; i < count && !decoder.failed(); ++i) {
      SendingSlot& slot = slots->emplace_back();
      decoder.Number(slot.number)
          .Number(slot.messages)
          .Number(slot.recipients)
          .Number(slot.new_recipients)
          .Number(slot.delivered)
          .Number(slot.refused);
    }
  }
  return decoder.Finish();
}

std::string Encode(const SrsSecret& secret) {
  return Encoder(1).Number(secret.number).String(secret.sealed).Time(secret.create_time).Take();
}

absl::Status Decode(absl::string_view bytes, SrsSecret& secret) {
  Decoder decoder("srs_secret", bytes, 1);
  decoder.Number(secret.number).String(secret.sealed).Time(secret.create_time);
  return decoder.Finish();
}

std::string Encode(const SrsSender& sender) {
  return Encoder(1).Number(sender.day).String(sender.name).String(sender.address).Take();
}

absl::Status Decode(absl::string_view bytes, SrsSender& sender) {
  Decoder decoder("srs_sender", bytes, 1);
  decoder.Number(sender.day).String(sender.name).String(sender.address);
  return decoder.Finish();
}
}  // namespace mailstead::engine
