#include "stored/api/visible.h"

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/key_record.h"
#include "stored/core/names.h"
#include "stored/rules/directory.h"

namespace mailstead::stored {
namespace {

absl::Status NoAccount(absl::string_view account) {
  return WithReason(rules::NoAccount(account), kReasonAccountNotFound);
}

}  // namespace

const rules::Sight& SightOf(const rpc::Call& call) {
  const Keys::Found* const key = KeyOf(call.caller());
  return key == nullptr ? rules::WholeSight() : key->key->key.sight;
}

Task<absl::StatusOr<engine::Account>> FindAccount(Environment& environment, const rpc::Call& call,
                                                  std::string account) {
  absl::StatusOr<engine::Account> found = co_await environment.core.directory.GetAccount(account);
  if (absl::IsNotFound(found.status()) || (found.ok() && !SeesAccount(call, *found)))
    co_return NoAccount(account);
  co_return found;
}

Task<absl::StatusOr<bool>> SeesAccountOf(Environment& environment, const rpc::Call& call, AccountId account) {
  if (SeesAll(call)) co_return true;
  const absl::StatusOr<engine::Account> found =
      co_await environment.core.engine.directory().FindAccount(account);
  if (absl::IsNotFound(found.status())) co_return false;
  if (!found.ok()) co_return found.status();
  co_return SeesAccount(call, *found);
}

bool SeesAll(const rpc::Call& call) { return SightOf(call).all; }

absl::Status CheckSeesAll(const rpc::Call& call, absl::string_view what) {
  if (SeesAll(call)) return absl::OkStatus();
  return WithReason(
      absl::PermissionDeniedError(absl::StrCat("this key is for some mailboxes or domains, not for ", what)),
      kReasonKeyRestricted);
}

absl::Status CheckScope(const rpc::Call& call, Scope scope) {
  if (KeyOf(call.caller()) == nullptr || (call.caller().roles & scope) != 0) return absl::OkStatus();
  return ScopeMissing(scope);
}

bool SeesDomain(const rpc::Call& call, absl::string_view domain) { return SightOf(call).SeesDomain(domain); }

bool SeesAccount(const rpc::Call& call, const engine::Account& account) {
  return SightOf(call).SeesAccount(account);
}

Task<absl::StatusOr<bool>> SeesAddress(Environment& environment, const rpc::Call& call, std::string address) {
  if (SeesAll(call)) co_return true;
  CO_ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAliasAddress("address", address));
  if (SeesDomain(call, checked.domain)) co_return true;
  std::vector<std::string> keys;
  keys.push_back(checked.key);
  // Without its tag; it counts where the domain has plus addressing.
  const size_t tag = checked.key.find('+');
  if (tag != std::string::npos && tag > 0) {
    keys.push_back(absl::StrCat(checked.key.substr(0, tag), "@", checked.domain));
  }
  CO_ASSIGN_OR_RETURN(const std::vector<engine::Place> places,
                      co_await environment.core.engine.directory().LookUp(std::move(keys)));
  for (size_t i = 0; i < places.size(); ++i) {
    const engine::Place& place = places[i];
    if (i > 0 && !(place.domain.has_value() && place.domain->plus_addressing)) continue;
    if (place.account.has_value() && SeesAccount(call, *place.account)) co_return true;
    // The tagged address is something of its own.
    if (place.account.has_value() || place.alias.has_value()) co_return false;
  }
  co_return false;
}

absl::Status CheckDomain(const rpc::Call& call, absl::string_view field, absl::string_view name) {
  if (SeesAll(call)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string domain, CheckDomainName(field, name));
  if (SeesDomain(call, domain)) return absl::OkStatus();
  return WithReason(rules::NoDomain(domain), kReasonDomainNotFound);
}

absl::Status CheckDomainOf(const rpc::Call& call, absl::string_view field, absl::string_view address) {
  if (SeesAll(call)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAliasAddress(field, address));
  if (SeesDomain(call, checked.domain)) return absl::OkStatus();
  return WithReason(rules::NoDomain(checked.domain), kReasonDomainNotFound);
}

absl::Status CheckAlias(const rpc::Call& call, absl::string_view field, absl::string_view address) {
  if (SeesAll(call)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAliasAddress(field, address));
  if (SeesDomain(call, checked.domain)) return absl::OkStatus();
  return WithReason(rules::NoAlias(checked.key), kReasonAliasNotFound);
}

Task<absl::Status> CheckRecipients(Environment& environment, const rpc::Call& call,
                                   const Envelope& envelope) {
  for (size_t i = 0; i < envelope.recipients.size() && !SeesAll(call); ++i) {
    const std::string& address = envelope.recipients[i].address;
    const absl::StatusOr<bool> sees = co_await SeesAddress(environment, call, address);
    // SECURITY: "postmaster" alone is an address for core, and leads to the operator.
    if (!sees.ok() && !absl::IsInvalidArgument(sees.status())) co_return sees.status();
    if (sees.ok() && *sees) continue;
    co_return WithField(WithReason(absl::NotFoundError(absl::StrCat("there is no mailbox ", address)),
                                   kReasonRecipientUnknown),
                        absl::StrCat("envelope.recipients[", i, "].address"));
  }
  co_return absl::OkStatus();
}

std::string DeliveryScope(const rpc::Call& call) {
  const Keys::Found* const key = KeyOf(call.caller());
  return key == nullptr ? "operator" : absl::StrCat("key/", key->key->key.id);
}

}  // namespace mailstead::stored
