#include "stored/api/directory.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "stored/api/convert/directory.h"
#include "stored/api/convert/values.h"
#include "stored/api/visible.h"
#include "stored/core/directory.h"
#include "stored/core/removal.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// Puts a result of core into the response.
template <typename T, typename Proto>
absl::Status Give(const absl::StatusOr<T>& result, Proto& response) {
  if (!result.ok()) return result.status();
  ToProto(*result, response);
  return absl::OkStatus();
}

template <typename Request>
PageRequest PageOf(const Request& request) {
  return {request.page_size(), request.page_token()};
}

std::vector<std::string> TargetsOf(const v1::Alias& alias) {
  return {alias.targets().begin(), alias.targets().end()};
}

// SECURITY: an alias of a key for a part of the store leads to no address but those that the key sees: else what it brings to
// its own address would leave for other hosts, or for mailboxes that it may not bring mail to.
Task<absl::Status> CheckTargets(Environment& environment, const rpc::Call& call,
                                const std::vector<std::string>& targets) {
  for (size_t i = 0; i < targets.size() && !SeesAll(call); ++i) {
    const absl::StatusOr<bool> sees = co_await SeesAddress(environment, call, targets[i]);
    // What is no address core refuses, with the name of its field.
    if (absl::IsInvalidArgument(sees.status())) continue;
    if (!sees.ok()) co_return sees.status();
    if (*sees) continue;
    co_return WithReason(absl::PermissionDeniedError(absl::StrCat(
                             "alias.targets[", i, "]: this key may lead an alias to what it sees only")),
                         kReasonKeyRestricted);
  }
  co_return absl::OkStatus();
}

// With whether what it sends goes out. `account` outlives the Task.
Task<absl::Status> GiveAccount(Environment& environment, const engine::Account& account,
                               v1::Account& response) {
  ToProto(account, response);
  CO_ASSIGN_OR_RETURN(const bool paused, co_await environment.core.sending.IsPaused(account.id));
  response.set_sending_state(paused ? v1::SENDING_STATE_PAUSED : v1::SENDING_STATE_ACTIVE);
  co_return absl::OkStatus();
}

// Leaves of where an address leads what the caller sees: of addresses that it does not see it is told as of other hosts.
Task<absl::Status> Narrow(Environment& environment, const rpc::Call& call, Resolution& resolution,
                          ResolutionPath& path) {
  if (SeesAll(call)) co_return absl::OkStatus();
  std::vector<AccountId> seen;
  for (const AccountId account : resolution.accounts) {
    CO_ASSIGN_OR_RETURN(const bool sees, co_await SeesAccountOf(environment, call, account));
    if (sees) seen.push_back(account);
  }
  resolution.accounts = std::move(seen);
  // What is behind an address that is not seen is not told at all. Steps lead to later ones only.
  std::vector<ResolutionStep> told;
  std::vector<int> place_of(path.steps.size(), -1);
  for (size_t i = 0; i < path.steps.size(); ++i) {
    ResolutionStep& step = path.steps[i];
    if (step.led_by >= 0) {
      const int parent = place_of[step.led_by];
      if (parent < 0 || told[parent].kind == ResolutionStep::Kind::kRemote) continue;
      step.led_by = parent;
    }
    const absl::StatusOr<bool> sees = co_await SeesAddress(environment, call, step.address);
    if (!sees.ok() && !absl::IsInvalidArgument(sees.status())) co_return sees.status();
    if (sees.ok() && !*sees)
      step = {step.address, step.led_by, ResolutionStep::Kind::kRemote, "", AccountId()};
    place_of[i] = static_cast<int>(told.size());
    told.push_back(std::move(step));
  }
  path.steps = std::move(told);
  path.further_count = 0;
  co_return absl::OkStatus();
}

// Names the account that was changed, for the audit.
absl::Status Changed(rpc::Call& call, const absl::StatusOr<engine::Account>& account) {
  if (!account.ok()) return account.status();
  call.SetTarget(absl::StrCat("account ", account->id.value, " ", account->address));
  return absl::OkStatus();
}

}  // namespace

// ---- Domains

Task<absl::Status> CreateDomain(Environment& environment, rpc::Call& call,
                                const v1::CreateDomainRequest& request, v1::Domain& response) {
  call.SetTarget(absl::StrCat("domain ", request.domain().name()));
  if (!SeesAll(call)) CO_RETURN_IF_ERROR(CheckDomain(call, "domain.name", request.domain().name()));
  NewDomain domain = FromProto(request);
  co_return Give(co_await environment.core.directory.CreateDomain(std::move(domain)), response);
}

Task<absl::Status> GetDomain(Environment& environment, rpc::Call& call, const v1::GetDomainRequest& request,
                             v1::Domain& response) {
  CO_RETURN_IF_ERROR(CheckDomain(call, "name", request.name()));
  co_return Give(co_await environment.core.directory.GetDomain(request.name()), response);
}

Task<absl::Status> ListDomains(Environment& environment, rpc::Call& call,
                               const v1::ListDomainsRequest& request, v1::ListDomainsResponse& response) {
  PageRequest page_request = PageOf(request);
  CO_ASSIGN_OR_RETURN(const Page<engine::Domain> page, co_await environment.core.directory.ListDomains(
                                                           std::move(page_request), SightOf(call)));
  for (const engine::Domain& domain : page.items) ToProto(domain, *response.add_domains());
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateDomain(Environment& environment, rpc::Call& call,
                                const v1::UpdateDomainRequest& request, v1::Domain& response) {
  call.SetTarget(absl::StrCat("domain ", request.domain().name()));
  CO_RETURN_IF_ERROR(CheckDomain(call, "domain.name", request.domain().name()));
  DomainUpdate update = FromProto(request);
  co_return Give(co_await environment.core.directory.UpdateDomain(std::move(update)), response);
}

Task<absl::Status> DeleteDomain(Environment& environment, rpc::Call& call,
                                const v1::DeleteDomainRequest& request, v1::DeleteDomainResponse&) {
  call.SetTarget(absl::StrCat("domain ", request.name()));
  CO_RETURN_IF_ERROR(CheckDomain(call, "name", request.name()));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  co_return co_await environment.core.directory.DeleteDomain(request.name(), version);
}

// ---- Accounts

Task<absl::Status> CreateAccount(Environment& environment, rpc::Call& call,
                                 const v1::CreateAccountRequest& request, v1::Account& response) {
  call.SetTarget(absl::StrCat("account ", request.account().address()));
  CO_RETURN_IF_ERROR(CheckDomainOf(call, "account.address", request.account().address()));
  CO_ASSIGN_OR_RETURN(NewAccount account, FromProto(request));
  const auto created = co_await environment.core.directory.CreateAccount(std::move(account));
  CO_RETURN_IF_ERROR(Changed(call, created));
  co_return co_await GiveAccount(environment, *created, response);
}

Task<absl::Status> BatchCreateAccounts(Environment& environment, rpc::Call& call,
                                       const v1::BatchCreateAccountsRequest& request,
                                       v1::BatchCreateAccountsResponse& response) {
  call.SetTarget(absl::StrCat(request.requests_size(), " accounts"));
  std::vector<NewAccount> accounts;
  // What is wrong already does not come to core.
  std::vector<absl::Status> results(request.requests_size());
  std::vector<size_t> places;
  for (int i = 0; i < request.requests_size(); ++i) {
    results[i] = CheckDomainOf(call, "account.address", request.requests(i).account().address());
    if (!results[i].ok()) continue;
    absl::StatusOr<NewAccount> account = FromProto(request.requests(i));
    results[i] = account.status();
    if (!account.ok()) continue;
    accounts.push_back(*std::move(account));
    places.push_back(i);
  }
  if (!accounts.empty() || results.empty()) {
    CO_ASSIGN_OR_RETURN(const auto created,
                        co_await environment.core.directory.CreateAccounts(std::move(accounts)));
    for (size_t i = 0; i < created.size(); ++i) results[places[i]] = created[i].status();
  }
  for (const absl::Status& result : results) rpc::ToProto(result, *response.add_results());
  co_return absl::OkStatus();
}

Task<absl::Status> GetAccount(Environment& environment, rpc::Call& call, const v1::GetAccountRequest& request,
                              v1::Account& response) {
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  co_return co_await GiveAccount(environment, account, response);
}

Task<absl::Status> ListAccounts(Environment& environment, rpc::Call& call,
                                const v1::ListAccountsRequest& request, v1::ListAccountsResponse& response) {
  PageRequest page_request = PageOf(request);
  CO_ASSIGN_OR_RETURN(const Page<engine::Account> page,
                      co_await environment.core.directory.ListAccounts(std::move(page_request),
                                                                       request.domain(), SightOf(call)));
  for (const engine::Account& account : page.items) {
    CO_RETURN_IF_ERROR(co_await GiveAccount(environment, account, *response.add_accounts()));
  }
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateAccount(Environment& environment, rpc::Call& call,
                                 const v1::UpdateAccountRequest& request, v1::Account& response) {
  call.SetTarget(absl::StrCat("account ", request.account()));
  CO_ASSIGN_OR_RETURN(const engine::Account seen, co_await FindAccount(environment, call, request.account()));
  AccountUpdate update = FromProto(request);
  // By its id: another account may take the address meanwhile.
  update.account = absl::StrCat(seen.id.value);
  if (update.address.has_value()) {
    CO_RETURN_IF_ERROR(CheckDomainOf(call, "update.address", *update.address));
  }
  const auto updated = co_await environment.core.directory.UpdateAccount(std::move(update));
  CO_RETURN_IF_ERROR(Changed(call, updated));
  co_return co_await GiveAccount(environment, *updated, response);
}

Task<absl::Status> SetPassword(Environment& environment, rpc::Call& call,
                               const v1::SetPasswordRequest& request, v1::SetPasswordResponse&) {
  call.SetTarget(absl::StrCat("account ", request.account()));
  CO_ASSIGN_OR_RETURN(const engine::Account seen, co_await FindAccount(environment, call, request.account()));
  Password password = FromProto(request.password());
  std::string id = absl::StrCat(seen.id.value);
  co_return Changed(call,
                    co_await environment.core.directory.SetPassword(std::move(id), std::move(password)));
}

Task<absl::Status> DeleteAccount(Environment& environment, rpc::Call& call,
                                 const v1::DeleteAccountRequest& request, v1::DeleteAccountResponse&) {
  call.SetTarget(absl::StrCat("account ", request.account()));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  const auto account = co_await FindAccount(environment, call, request.account());
  CO_RETURN_IF_ERROR(Changed(call, account));
  Core& core = environment.core;
  CO_RETURN_IF_ERROR(co_await RemoveAccount(core.directory, core.maildrops, Clock::Steady(), *account,
                                            version, core.removal_wait));
  // Some bytes are left where that fails.
  (void)co_await core.sending.Forget(account->id);
  co_return absl::OkStatus();
}

// ---- Aliases

Task<absl::Status> CreateAlias(Environment& environment, rpc::Call& call,
                               const v1::CreateAliasRequest& request, v1::Alias& response) {
  call.SetTarget(absl::StrCat("alias ", request.alias().address()));
  CO_RETURN_IF_ERROR(CheckDomainOf(call, "alias.address", request.alias().address()));
  std::vector<std::string> targets = TargetsOf(request.alias());
  CO_RETURN_IF_ERROR(co_await CheckTargets(environment, call, targets));
  co_return Give(
      co_await environment.core.directory.CreateAlias(request.alias().address(), std::move(targets)),
      response);
}

Task<absl::Status> GetAlias(Environment& environment, rpc::Call& call, const v1::GetAliasRequest& request,
                            v1::Alias& response) {
  CO_RETURN_IF_ERROR(CheckAlias(call, "address", request.address()));
  co_return Give(co_await environment.core.directory.GetAlias(request.address()), response);
}

Task<absl::Status> ListAliases(Environment& environment, rpc::Call& call,
                               const v1::ListAliasesRequest& request, v1::ListAliasesResponse& response) {
  PageRequest page_request = PageOf(request);
  CO_ASSIGN_OR_RETURN(const Page<engine::Alias> page,
                      co_await environment.core.directory.ListAliases(std::move(page_request),
                                                                      request.domain(), SightOf(call)));
  for (const engine::Alias& alias : page.items) ToProto(alias, *response.add_aliases());
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateAlias(Environment& environment, rpc::Call& call,
                               const v1::UpdateAliasRequest& request, v1::Alias& response) {
  call.SetTarget(absl::StrCat("alias ", request.alias().address()));
  CO_RETURN_IF_ERROR(CheckAlias(call, "alias.address", request.alias().address()));
  Violations wrong;
  wrong.Add(CheckMask(request.update_mask(), {"targets"}));
  const int64_t version = wrong.Take(ReadEtag(request.alias().etag()));
  std::vector<std::string> targets = TargetsOf(request.alias());
  CO_RETURN_IF_ERROR(co_await CheckTargets(environment, call, targets));
  co_return Give(co_await environment.core.directory.UpdateAlias(request.alias().address(), version,
                                                                 std::move(targets), std::move(wrong)),
                 response);
}

Task<absl::Status> DeleteAlias(Environment& environment, rpc::Call& call,
                               const v1::DeleteAliasRequest& request, v1::DeleteAliasResponse&) {
  call.SetTarget(absl::StrCat("alias ", request.address()));
  CO_RETURN_IF_ERROR(CheckAlias(call, "address", request.address()));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  co_return co_await environment.core.directory.DeleteAlias(request.address(), version);
}

// ---- Where mail goes

Task<absl::Status> ResolveAddress(Environment& environment, rpc::Call& call,
                                  const v1::ResolveAddressRequest& request,
                                  v1::ResolveAddressResponse& response) {
  if (request.message_bytes() < 0) co_return FieldError("message_bytes", "must not be negative");
  ResolutionPath path;
  CO_ASSIGN_OR_RETURN(const bool sees, co_await SeesAddress(environment, call, request.address()));
  if (!sees) {
    // As of any domain that is not here.
    response.set_outcome(v1::ResolveAddressResponse::OUTCOME_REMOTE);
    v1::ResolutionStep& step = *response.add_steps();
    step.set_address(request.address());
    step.set_kind(v1::ResolutionStep::KIND_REMOTE);
    co_return absl::OkStatus();
  }
  CO_ASSIGN_OR_RETURN(Resolution resolution, co_await environment.core.recipients.Resolve(
                                                 request.address(), request.message_bytes(), &path));
  CO_RETURN_IF_ERROR(co_await Narrow(environment, call, resolution, path));
  ToProto(resolution, path, response);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
