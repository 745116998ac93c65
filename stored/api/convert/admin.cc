#include "stored/api/convert/admin.h"

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

store::v1::Lockout::Scope ToProto(LockoutScope scope) {
  switch (scope) {
    case LockoutScope::kNetwork:
      return store::v1::Lockout::SCOPE_NETWORK;
    case LockoutScope::kAccountInNetwork:
      return store::v1::Lockout::SCOPE_ACCOUNT_IN_NETWORK;
    case LockoutScope::kKnownAccountInNetwork:
      return store::v1::Lockout::SCOPE_KNOWN_ACCOUNT_IN_NETWORK;
    case LockoutScope::kAccount:
      return store::v1::Lockout::SCOPE_ACCOUNT;
  }
  return store::v1::Lockout::SCOPE_UNSPECIFIED;
}

}  // namespace

void ToProto(const engine::EngineStatus& status, store::v1::GetStatusResponse& proto) {
  proto.set_engine(status.engine);
  proto.set_schema_version(status.schema_version);
  proto.set_incarnation(status.incarnation);
  proto.set_domain_count(status.domain_count);
  proto.set_account_count(status.account_count);
  proto.set_alias_count(status.alias_count);
  proto.set_message_count(status.message_count);
  proto.set_message_bytes(status.message_bytes);
  proto.set_disk_bytes(status.disk_bytes);
  proto.set_disk_free_bytes(status.disk_free_bytes);
  proto.set_open_maildrop_count(status.open_maildrop_count);
  for (const engine::LeaseInfo& lease : status.leases) {
    store::v1::Lease& entry = *proto.add_leases();
    entry.set_lease_id(lease.lease_id);
    entry.set_holder(lease.holder);
    ToProto(lease.remaining, *entry.mutable_remaining());
  }
}

void ToProto(const engine::LockInfo& lock, store::v1::Session& proto) {
  proto.set_session_id(lock.session_id);
  proto.set_account_id(absl::StrCat(lock.account.value));
  proto.set_client_address(lock.client_address);
  proto.set_lease_id(lock.lease_id);
  ToProto(lock.open_time, *proto.mutable_open_time());
}

void ToProto(const Lockout& lockout, store::v1::Lockout& proto) {
  proto.set_scope(ToProto(lockout.scope));
  proto.set_account(lockout.account);
  proto.set_network(lockout.network);
  proto.set_state(lockout.locked_out ? store::v1::Lockout::STATE_LOCKED_OUT
                                     : store::v1::Lockout::STATE_DELAYED);
  proto.set_failure_count(lockout.failure_count);
  ToProto(lockout.until, *proto.mutable_end_time());
}

void ToProto(const engine::VerifyStep::Damage& damage, store::v1::VerifyMessagesResponse::Damage& proto) {
  proto.set_account_id(absl::StrCat(damage.account.value));
  proto.set_message_id(damage.message.value);
  rpc::ToProto(damage.error, *proto.mutable_error());
}

}  // namespace mailstead::stored
