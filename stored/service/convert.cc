#include "stored/service/convert.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/reason.h"

namespace mailstead::store {
namespace {

constexpr int64_t kMaxProtoSeconds = 315'576'000'000;  // google.protobuf.Duration

v1::PasswordKind ToProto(Credential::Kind kind) {
  switch (kind) {
    case Credential::Kind::kNone:
      return v1::PASSWORD_KIND_NONE;
    case Credential::Kind::kScramSha256:
      return v1::PASSWORD_KIND_SCRAM_SHA_256;
    case Credential::Kind::kCrypt:
      return v1::PASSWORD_KIND_CRYPT;
  }
  CHECK(false);
}

v1::Verdict::Result ToProto(AuthResult result) {
  switch (result) {
    case AuthResult::kOk:
      return v1::Verdict::RESULT_OK;
    case AuthResult::kInvalidCredentials:
      return v1::Verdict::RESULT_INVALID_CREDENTIALS;
    case AuthResult::kDisabled:
      return v1::Verdict::RESULT_DISABLED;
    case AuthResult::kMalformed:
      return v1::Verdict::RESULT_MALFORMED;
    case AuthResult::kUnsupportedMechanism:
      return v1::Verdict::RESULT_UNSUPPORTED_MECHANISM;
  }
  CHECK(false);
}

v1::ResolveRecipientResponse::Outcome ToProto(Resolution::Outcome outcome) {
  switch (outcome) {
    case Resolution::Outcome::kLocal:
      return v1::ResolveRecipientResponse::OUTCOME_LOCAL;
    case Resolution::Outcome::kAlias:
      return v1::ResolveRecipientResponse::OUTCOME_ALIAS;
    case Resolution::Outcome::kRemote:
      return v1::ResolveRecipientResponse::OUTCOME_REMOTE;
    case Resolution::Outcome::kUnknown:
      return v1::ResolveRecipientResponse::OUTCOME_UNKNOWN;
    case Resolution::Outcome::kDisabled:
      return v1::ResolveRecipientResponse::OUTCOME_DISABLED;
    case Resolution::Outcome::kOverQuota:
      return v1::ResolveRecipientResponse::OUTCOME_OVER_QUOTA;
  }
  CHECK(false);
}

}  // namespace

void ToProto(absl::Time time, google::protobuf::Timestamp& proto) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void ToProto(absl::Duration duration, google::protobuf::Duration& proto) {
  const absl::Duration bounded = std::clamp(duration, absl::ZeroDuration(), absl::Seconds(kMaxProtoSeconds));
  const int64_t seconds = absl::ToInt64Seconds(bounded);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(bounded - absl::Seconds(seconds))));
}

absl::StatusOr<absl::Duration> FromProto(absl::string_view field, const google::protobuf::Duration& proto) {
  if (proto.seconds() < 0 || proto.seconds() > kMaxProtoSeconds || proto.nanos() < 0 ||
      proto.nanos() > 999'999'999) {
    return FieldError(field, "must be a duration of 0 or more");
  }
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

absl::Status CheckMask(const google::protobuf::FieldMask& mask,
                       std::initializer_list<absl::string_view> allowed) {
  const std::string choice = absl::StrJoin(allowed, ", ");
  if (mask.paths().empty())
    return FieldError("update_mask", absl::StrCat("must name what to change: ", choice));
  for (const std::string& path : mask.paths()) {
    if (std::find(allowed.begin(), allowed.end(), path) == allowed.end()) {
      return FieldError("update_mask", absl::StrCat("may have: ", choice));
    }
  }
  return absl::OkStatus();
}

bool HasPath(const google::protobuf::FieldMask& mask, absl::string_view path) {
  return std::find(mask.paths().begin(), mask.paths().end(), path) != mask.paths().end();
}

void ToProto(const Domain& domain, v1::Domain& proto) {
  proto.set_name(domain.name);
  proto.set_plus_addressing(domain.plus_addressing);
  ToProto(domain.create_time, *proto.mutable_create_time());
}

void ToProto(const Account& account, v1::Account& proto) {
  proto.set_address(account.address);
  proto.set_mailbox_id(account.mailbox.value);
  proto.set_disabled(account.disabled);
  proto.set_quota_bytes(account.quota_bytes);
  proto.set_quota_messages(account.quota_messages);
  ToProto(account.create_time, *proto.mutable_create_time());
  proto.set_password_kind(ToProto(account.credential.kind));
}

void ToProto(const AccountDetails& details, v1::Account& proto) {
  ToProto(details.account, proto);
  proto.set_message_count(details.usage.message_count);
  proto.set_message_bytes(details.usage.message_bytes);
}

void ToProto(const Alias& alias, v1::Alias& proto) {
  proto.set_address(alias.address);
  for (const std::string& target : alias.targets) proto.add_targets(target);
  ToProto(alias.create_time, *proto.mutable_create_time());
}

void ToProto(const Resolution& resolution, v1::ResolveRecipientResponse& proto) {
  proto.set_outcome(ToProto(resolution.outcome));
  if (resolution.outcome == Resolution::Outcome::kOverQuota) return;
  for (const MailboxId mailbox : resolution.mailboxes) proto.add_mailbox_ids(mailbox.value);
}

void ToProto(const EngineStatus& status, v1::GetStatusResponse& proto) {
  proto.set_engine(status.engine.data(), status.engine.size());
  proto.set_schema_version(status.schema_version);
  proto.set_domain_count(status.domain_count);
  proto.set_account_count(status.account_count);
  proto.set_alias_count(status.alias_count);
  proto.set_message_count(status.message_count);
  proto.set_message_bytes(status.message_bytes);
  proto.set_disk_bytes(status.disk_bytes);
  proto.set_disk_free_bytes(status.disk_free_bytes);
  proto.set_open_maildrop_count(status.open_maildrop_count);
  for (const LeaseInfo& lease : status.leases) {
    v1::Lease& entry = *proto.add_leases();
    entry.set_lease_id(lease.lease_id);
    entry.set_holder(lease.holder);
    ToProto(lease.remaining, *entry.mutable_remaining());
  }
}

void ToListing(const MessageSummary& message, v1::MessageSummary& proto) {
  proto.set_message_id(message.id.value);
  proto.set_unique_id(message.unique_id);
  proto.set_size_bytes(message.size_bytes);
}

void ToProto(const MessageSummary& message, v1::MessageSummary& proto) {
  ToListing(message, proto);
  ToProto(message.deliver_time, *proto.mutable_deliver_time());
  proto.set_delivery_id(message.delivery_id);
  proto.set_reverse_path(message.reverse_path);
  proto.set_recipient(message.recipient);
  proto.set_sha256(message.sha256);
}

void ToProto(const AuthStep& step, v1::AuthenticateResponse& proto) {
  if (!step.result.has_value()) {
    proto.set_challenge(step.challenge);
    return;
  }
  v1::Verdict& verdict = *proto.mutable_verdict();
  verdict.set_result(ToProto(*step.result));
  if (*step.result != AuthResult::kOk) return;
  verdict.set_address(step.address);
  verdict.set_mailbox_id(step.mailbox.value);
}

Password FromProto(const v1::Password& password) {
  switch (password.kind_case()) {
    case v1::Password::kPlain:
      return {Password::Kind::kPlain, password.plain()};
    case v1::Password::kCryptHash:
      return {Password::Kind::kCryptHash, password.crypt_hash()};
    case v1::Password::KIND_NOT_SET:
      return {};
  }
  CHECK(false);
}

NewAccount FromProto(const v1::CreateAccountRequest& request) {
  NewAccount account;
  account.address = request.account().address();
  account.disabled = request.account().disabled();
  account.quota_bytes = request.account().quota_bytes();
  account.quota_messages = request.account().quota_messages();
  account.password = FromProto(request.password());
  return account;
}

AuthStart FromProto(const v1::AuthenticateStart& start) {
  AuthStart result;
  result.mechanism = start.mechanism();
  if (start.has_initial_response()) result.initial_response = start.initial_response();
  result.client_address = start.client_address();
  result.service = start.service();
  result.session_id = start.session_id();
  result.tls_exporter = start.tls_exporter();
  return result;
}

Envelope FromProto(const v1::DeliverEnvelope& envelope) {
  Envelope result;
  result.delivery_id = envelope.delivery_id();
  result.reverse_path = envelope.reverse_path();
  for (const v1::DeliverRecipient& recipient : envelope.recipients()) {
    EnvelopeRecipient& entry = result.recipients.emplace_back();
    entry.address = recipient.address();
    for (const uint64_t mailbox : recipient.mailbox_ids()) entry.mailboxes.push_back(MailboxId{mailbox});
    entry.dsn_notify = recipient.dsn_notify();
    entry.dsn_orcpt = recipient.dsn_orcpt();
  }
  result.dsn_ret = envelope.dsn_ret();
  result.dsn_envid = envelope.dsn_envid();
  result.session_id = envelope.session_id();
  result.client_address = envelope.client_address();
  return result;
}

}  // namespace mailstead::store
