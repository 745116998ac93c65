#include "stored/api/convert/directory.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

v1::PasswordKind KindOf(engine::Credential::Kind kind) {
  switch (kind) {
    case engine::Credential::Kind::kNone:
      return v1::PASSWORD_KIND_NONE;
    case engine::Credential::Kind::kScramSha256:
      return v1::PASSWORD_KIND_SCRAM_SHA_256;
    case engine::Credential::Kind::kCrypt:
      return v1::PASSWORD_KIND_CRYPT;
  }
  CHECK(false);
}

v1::ResolveAddressResponse::Outcome OutcomeOf(Resolution::Outcome outcome) {
  switch (outcome) {
    case Resolution::Outcome::kAccount:
      return v1::ResolveAddressResponse::OUTCOME_ACCOUNT;
    case Resolution::Outcome::kAlias:
      return v1::ResolveAddressResponse::OUTCOME_ALIAS;
    case Resolution::Outcome::kRemote:
      return v1::ResolveAddressResponse::OUTCOME_REMOTE;
    case Resolution::Outcome::kUnknown:
      return v1::ResolveAddressResponse::OUTCOME_UNKNOWN;
    case Resolution::Outcome::kDisabled:
      return v1::ResolveAddressResponse::OUTCOME_DISABLED;
    case Resolution::Outcome::kOverQuota:
      return v1::ResolveAddressResponse::OUTCOME_OVER_QUOTA;
    case Resolution::Outcome::kQuotaTooSmall:
      return v1::ResolveAddressResponse::OUTCOME_QUOTA_TOO_SMALL;
    case Resolution::Outcome::kSrsForged:
      return v1::ResolveAddressResponse::OUTCOME_SRS_FORGED;
    case Resolution::Outcome::kSrsExpired:
      return v1::ResolveAddressResponse::OUTCOME_SRS_EXPIRED;
  }
  CHECK(false);
}

bool Takes(const Resolution& resolution) {
  return resolution.outcome == Resolution::Outcome::kAccount ||
         resolution.outcome == Resolution::Outcome::kAlias;
}

v1::ResolutionStep::Kind KindOf(ResolutionStep::Kind kind) {
  switch (kind) {
    case ResolutionStep::Kind::kAccount:
      return v1::ResolutionStep::KIND_ACCOUNT;
    case ResolutionStep::Kind::kAlias:
      return v1::ResolutionStep::KIND_ALIAS;
    case ResolutionStep::Kind::kRemote:
      return v1::ResolutionStep::KIND_REMOTE;
    case ResolutionStep::Kind::kUnknown:
      return v1::ResolutionStep::KIND_UNKNOWN;
    case ResolutionStep::Kind::kDisabled:
      return v1::ResolutionStep::KIND_DISABLED;
    case ResolutionStep::Kind::kOverQuota:
      return v1::ResolutionStep::KIND_OVER_QUOTA;
    case ResolutionStep::Kind::kQuotaTooSmall:
      return v1::ResolutionStep::KIND_QUOTA_TOO_SMALL;
    case ResolutionStep::Kind::kKnown:
      return v1::ResolutionStep::KIND_KNOWN;
  }
  CHECK(false);
}

// What Domain, Account and Alias have in common.
template <typename Entry, typename Proto>
void SetState(const Entry& entry, Proto& proto) {
  ToProto(entry.create_time, *proto.mutable_create_time());
  ToProto(entry.update_time, *proto.mutable_update_time());
  proto.set_etag(MakeEtag(entry.version));
}

absl::StatusOr<bool> FromProto(v1::PlusAddressing plus_addressing, bool if_unspecified) {
  switch (plus_addressing) {
    case v1::PLUS_ADDRESSING_UNSPECIFIED:
      return if_unspecified;
    case v1::PLUS_ADDRESSING_ENABLED:
      return true;
    case v1::PLUS_ADDRESSING_DISABLED:
      return false;
    default:
      return FieldError("domain.plus_addressing",
                        "must be PLUS_ADDRESSING_ENABLED or PLUS_ADDRESSING_DISABLED");
  }
}

absl::StatusOr<engine::MtaSts> FromProto(v1::MtaSts mta_sts, engine::MtaSts if_unspecified) {
  switch (mta_sts) {
    case v1::MTA_STS_UNSPECIFIED:
      return if_unspecified;
    case v1::MTA_STS_OFF:
      return engine::MtaSts::kOff;
    case v1::MTA_STS_NONE:
      return engine::MtaSts::kNone;
    case v1::MTA_STS_TESTING:
      return engine::MtaSts::kTesting;
    case v1::MTA_STS_ENFORCE:
      return engine::MtaSts::kEnforce;
    default:
      return FieldError("domain.mta_sts",
                        "must be MTA_STS_OFF, MTA_STS_NONE, MTA_STS_TESTING or MTA_STS_ENFORCE");
  }
}

// Whether the account is disabled.
absl::StatusOr<bool> FromProto(absl::string_view field, v1::AccountState state) {
  if (state == v1::ACCOUNT_STATE_ACTIVE) return false;
  if (state == v1::ACCOUNT_STATE_DISABLED) return true;
  return FieldError(field, "must be ACCOUNT_STATE_ACTIVE or ACCOUNT_STATE_DISABLED");
}

// Absent: its domain's.
std::optional<absl::Duration> RetentionOf(absl::string_view field, const v1::Account& account,
                                          Violations& wrong) {
  if (!account.has_retention()) return std::nullopt;
  return wrong.Take(stored::FromProto(field, account.retention()));
}

}  // namespace

v1::MtaSts ToProto(engine::MtaSts mta_sts) {
  switch (mta_sts) {
    case engine::MtaSts::kOff:
      return v1::MTA_STS_OFF;
    case engine::MtaSts::kNone:
      return v1::MTA_STS_NONE;
    case engine::MtaSts::kTesting:
      return v1::MTA_STS_TESTING;
    case engine::MtaSts::kEnforce:
      return v1::MTA_STS_ENFORCE;
  }
  CHECK(false);
}

void ToProto(const engine::Domain& domain, v1::Domain& proto) {
  proto.set_name(domain.name);
  proto.set_plus_addressing(domain.plus_addressing ? v1::PLUS_ADDRESSING_ENABLED
                                                   : v1::PLUS_ADDRESSING_DISABLED);
  if (domain.undelete_window > absl::ZeroDuration()) {
    ToProto(domain.undelete_window, *proto.mutable_undelete_window());
  }
  if (domain.retention > absl::ZeroDuration()) ToProto(domain.retention, *proto.mutable_retention());
  proto.set_mta_sts(ToProto(domain.mta_sts));
  SetState(domain, proto);
}

void ToProto(const engine::Account& account, v1::Account& proto) {
  proto.set_account_id(absl::StrCat(account.id.value));
  proto.set_address(account.address);
  proto.set_state(account.disabled ? v1::ACCOUNT_STATE_DISABLED : v1::ACCOUNT_STATE_ACTIVE);
  if (account.quota_bytes != 0 || account.quota_messages != 0) {
    proto.mutable_quota()->set_bytes(account.quota_bytes);
    proto.mutable_quota()->set_messages(account.quota_messages);
  }
  proto.mutable_usage()->set_messages(account.usage.message_count);
  proto.mutable_usage()->set_bytes(account.usage.message_bytes);
  proto.set_password_kind(KindOf(account.credential.kind));
  if (account.retention.has_value()) ToProto(*account.retention, *proto.mutable_retention());
  SetState(account, proto);
}

void ToProto(const engine::Alias& alias, v1::Alias& proto) {
  proto.set_address(alias.address);
  for (const std::string& target : alias.targets) proto.add_targets(target);
  SetState(alias, proto);
}

void ToProto(const Resolution& resolution, const ResolutionPath& path, v1::ResolveAddressResponse& proto) {
  proto.set_outcome(OutcomeOf(resolution.outcome));
  if (Takes(resolution)) {
    for (const AccountId account : resolution.accounts) proto.add_account_ids(absl::StrCat(account.value));
  }
  for (const ResolutionStep& step : path.steps) {
    v1::ResolutionStep& to = *proto.add_steps();
    to.set_address(step.address);
    to.set_led_by(step.led_by + 1);
    to.set_kind(KindOf(step.kind));
    to.set_found_as(step.found_as);
    if (step.account.value != 0) to.set_account_id(absl::StrCat(step.account.value));
  }
  proto.set_further_step_count(static_cast<int64_t>(path.further_count));
}

void ToProto(const Resolution& resolution, frontend::v1::ResolveRecipientResponse& proto) {
  proto.set_outcome(OutcomeOf(resolution.outcome));
  if (Takes(resolution) || resolution.outcome == Resolution::Outcome::kRemote) {
    proto.set_mailbox_count(static_cast<int64_t>(resolution.accounts.size() + resolution.remote.size()));
  }
}

NewDomain FromProto(const v1::CreateDomainRequest& request) {
  NewDomain domain;
  domain.name = request.domain().name();
  domain.plus_addressing = domain.wrong.Take(FromProto(request.domain().plus_addressing(), true));
  domain.undelete_window =
      domain.wrong.Take(FromProto("domain.undelete_window", request.domain().undelete_window()));
  domain.retention = domain.wrong.Take(FromProto("domain.retention", request.domain().retention()));
  domain.mta_sts = domain.wrong.Take(FromProto(request.domain().mta_sts(), engine::MtaSts::kOff));
  return domain;
}

DomainUpdate FromProto(const v1::UpdateDomainRequest& request) {
  const google::protobuf::FieldMask& mask = request.update_mask();
  DomainUpdate update;
  update.wrong.Add(CheckMask(mask, {"plus_addressing", "undelete_window", "retention", "mta_sts"}));
  update.name = request.domain().name();
  update.expected_version = update.wrong.Take(ReadEtag(request.domain().etag()));
  if (HasPath(mask, "plus_addressing")) {
    if (request.domain().plus_addressing() == v1::PLUS_ADDRESSING_UNSPECIFIED) {
      update.wrong.Add("domain.plus_addressing", "must be set");
    }
    update.plus_addressing = update.wrong.Take(FromProto(request.domain().plus_addressing(), true));
  }
  if (HasPath(mask, "undelete_window")) {
    update.undelete_window =
        update.wrong.Take(FromProto("domain.undelete_window", request.domain().undelete_window()));
  }
  if (HasPath(mask, "retention")) {
    update.retention = update.wrong.Take(FromProto("domain.retention", request.domain().retention()));
  }
  if (HasPath(mask, "mta_sts")) {
    if (request.domain().mta_sts() == v1::MTA_STS_UNSPECIFIED) {
      update.wrong.Add("domain.mta_sts", "must be set");
    }
    update.mta_sts = update.wrong.Take(FromProto(request.domain().mta_sts(), engine::MtaSts::kOff));
  }
  return update;
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

absl::StatusOr<NewAccount> FromProto(const v1::CreateAccountRequest& request) {
  if (!request.has_account()) return FieldError("account", "must be set");
  NewAccount account;
  account.address = request.account().address();
  if (request.account().state() != v1::ACCOUNT_STATE_UNSPECIFIED) {
    account.disabled = account.wrong.Take(FromProto("account.state", request.account().state()));
  }
  account.quota_bytes = request.account().quota().bytes();
  account.quota_messages = request.account().quota().messages();
  account.retention = RetentionOf("account.retention", request.account(), account.wrong);
  account.password = FromProto(request.password());
  return account;
}

AccountUpdate FromProto(const v1::UpdateAccountRequest& request) {
  const google::protobuf::FieldMask& mask = request.update_mask();
  AccountUpdate update;
  update.wrong.Add(CheckMask(mask, {"address", "state", "quota", "retention"}));
  update.account = request.account();
  update.expected_version = update.wrong.Take(ReadEtag(request.update().etag()));
  if (HasPath(mask, "address")) update.address = request.update().address();
  if (HasPath(mask, "state")) {
    update.disabled = update.wrong.Take(FromProto("update.state", request.update().state()));
  }
  if (HasPath(mask, "quota")) {
    update.quota_bytes = request.update().quota().bytes();
    update.quota_messages = request.update().quota().messages();
  }
  if (HasPath(mask, "retention")) {
    update.retention = RetentionOf("update.retention", request.update(), update.wrong);
  }
  return update;
}

}  // namespace mailstead::stored
