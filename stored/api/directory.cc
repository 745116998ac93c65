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

// With whether what it sends goes out. `account` outlives the Task.
Task<absl::Status> GiveAccount(Environment& environment, const engine::Account& account, v1::Account& response) {
  ToProto(account, response);
  CO_ASSIGN_OR_RETURN(const bool paused, co_await environment.core.sending.IsPaused(account.id));
  response.set_sending_state(paused ? v1::SENDING_STATE_PAUSED : v1::SENDING_STATE_ACTIVE);
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
  Violations wrong;
  const bool plus_addressing = wrong.Take(FromProto(request.domain().plus_addressing(), true));
  co_return Give(co_await environment.core.directory.CreateDomain(request.domain().name(), plus_addressing,
                                                                  std::move(wrong)),
                 response);
}

Task<absl::Status> GetDomain(Environment& environment, rpc::Call&, const v1::GetDomainRequest& request,
                             v1::Domain& response) {
  co_return Give(co_await environment.core.directory.GetDomain(request.name()), response);
}

Task<absl::Status> ListDomains(Environment& environment, rpc::Call&, const v1::ListDomainsRequest& request,
                               v1::ListDomainsResponse& response) {
  PageRequest page_request = PageOf(request);
  CO_ASSIGN_OR_RETURN(const Page<engine::Domain> page,
                      co_await environment.core.directory.ListDomains(std::move(page_request)));
  for (const engine::Domain& domain : page.items) ToProto(domain, *response.add_domains());
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateDomain(Environment& environment, rpc::Call& call,
                                const v1::UpdateDomainRequest& request, v1::Domain& response) {
  call.SetTarget(absl::StrCat("domain ", request.domain().name()));
  Violations wrong;
  wrong.Add(CheckMask(request.update_mask(), {"plus_addressing"}));
  if (request.domain().plus_addressing() == v1::PLUS_ADDRESSING_UNSPECIFIED) {
    wrong.Add("domain.plus_addressing", "must be set");
  }
  const bool plus_addressing = wrong.Take(FromProto(request.domain().plus_addressing(), true));
  const int64_t version = wrong.Take(ReadEtag(request.domain().etag()));
  co_return Give(co_await environment.core.directory.UpdateDomain(request.domain().name(), version,
                                                                  plus_addressing, std::move(wrong)),
                 response);
}

Task<absl::Status> DeleteDomain(Environment& environment, rpc::Call& call,
                                const v1::DeleteDomainRequest& request, v1::DeleteDomainResponse&) {
  call.SetTarget(absl::StrCat("domain ", request.name()));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  co_return co_await environment.core.directory.DeleteDomain(request.name(), version);
}

// ---- Accounts

Task<absl::Status> CreateAccount(Environment& environment, rpc::Call& call,
                                 const v1::CreateAccountRequest& request, v1::Account& response) {
  call.SetTarget(absl::StrCat("account ", request.account().address()));
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

Task<absl::Status> GetAccount(Environment& environment, rpc::Call&, const v1::GetAccountRequest& request,
                              v1::Account& response) {
  CO_ASSIGN_OR_RETURN(const engine::Account account, co_await environment.core.directory.GetAccount(request.account()));
  co_return co_await GiveAccount(environment, account, response);
}

Task<absl::Status> ListAccounts(Environment& environment, rpc::Call&, const v1::ListAccountsRequest& request,
                                v1::ListAccountsResponse& response) {
  PageRequest page_request = PageOf(request);
  CO_ASSIGN_OR_RETURN(const Page<engine::Account> page, co_await environment.core.directory.ListAccounts(
                                                            std::move(page_request), request.domain()));
  for (const engine::Account& account : page.items) {
    CO_RETURN_IF_ERROR(co_await GiveAccount(environment, account, *response.add_accounts()));
  }
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateAccount(Environment& environment, rpc::Call& call,
                                 const v1::UpdateAccountRequest& request, v1::Account& response) {
  call.SetTarget(absl::StrCat("account ", request.account()));
  AccountUpdate update = FromProto(request);
  const auto updated = co_await environment.core.directory.UpdateAccount(std::move(update));
  CO_RETURN_IF_ERROR(Changed(call, updated));
  co_return co_await GiveAccount(environment, *updated, response);
}

Task<absl::Status> SetPassword(Environment& environment, rpc::Call& call,
                               const v1::SetPasswordRequest& request, v1::SetPasswordResponse&) {
  call.SetTarget(absl::StrCat("account ", request.account()));
  Password password = FromProto(request.password());
  co_return Changed(call,
                    co_await environment.core.directory.SetPassword(request.account(), std::move(password)));
}

Task<absl::Status> DeleteAccount(Environment& environment, rpc::Call& call,
                                 const v1::DeleteAccountRequest& request, v1::DeleteAccountResponse&) {
  call.SetTarget(absl::StrCat("account ", request.account()));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  const auto account = co_await environment.core.directory.GetAccount(request.account());
  CO_RETURN_IF_ERROR(Changed(call, account));
  Core& core = environment.core;
  CO_RETURN_IF_ERROR(co_await RemoveAccount(core.directory, core.maildrops, Clock::Steady(), *account, version,
                                            core.removal_wait));
  // Some bytes are left where that fails.
  (void)co_await core.sending.Forget(account->id);
  co_return absl::OkStatus();
}

// ---- Aliases

Task<absl::Status> CreateAlias(Environment& environment, rpc::Call& call,
                               const v1::CreateAliasRequest& request, v1::Alias& response) {
  call.SetTarget(absl::StrCat("alias ", request.alias().address()));
  std::vector<std::string> targets = TargetsOf(request.alias());
  co_return Give(
      co_await environment.core.directory.CreateAlias(request.alias().address(), std::move(targets)),
      response);
}

Task<absl::Status> GetAlias(Environment& environment, rpc::Call&, const v1::GetAliasRequest& request,
                            v1::Alias& response) {
  co_return Give(co_await environment.core.directory.GetAlias(request.address()), response);
}

Task<absl::Status> ListAliases(Environment& environment, rpc::Call&, const v1::ListAliasesRequest& request,
                               v1::ListAliasesResponse& response) {
  PageRequest page_request = PageOf(request);
  CO_ASSIGN_OR_RETURN(const Page<engine::Alias> page, co_await environment.core.directory.ListAliases(
                                                          std::move(page_request), request.domain()));
  for (const engine::Alias& alias : page.items) ToProto(alias, *response.add_aliases());
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateAlias(Environment& environment, rpc::Call& call,
                               const v1::UpdateAliasRequest& request, v1::Alias& response) {
  call.SetTarget(absl::StrCat("alias ", request.alias().address()));
  Violations wrong;
  wrong.Add(CheckMask(request.update_mask(), {"targets"}));
  const int64_t version = wrong.Take(ReadEtag(request.alias().etag()));
  std::vector<std::string> targets = TargetsOf(request.alias());
  co_return Give(co_await environment.core.directory.UpdateAlias(request.alias().address(), version,
                                                                 std::move(targets), std::move(wrong)),
                 response);
}

Task<absl::Status> DeleteAlias(Environment& environment, rpc::Call& call,
                               const v1::DeleteAliasRequest& request, v1::DeleteAliasResponse&) {
  call.SetTarget(absl::StrCat("alias ", request.address()));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  co_return co_await environment.core.directory.DeleteAlias(request.address(), version);
}

// ---- Where mail goes

Task<absl::Status> ResolveAddress(Environment& environment, rpc::Call&,
                                  const v1::ResolveAddressRequest& request,
                                  v1::ResolveAddressResponse& response) {
  if (request.message_bytes() < 0) co_return FieldError("message_bytes", "must not be negative");
  ResolutionPath path;
  CO_ASSIGN_OR_RETURN(const Resolution resolution, co_await environment.core.recipients.Resolve(
                                                       request.address(), request.message_bytes(), &path));
  ToProto(resolution, path, response);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
