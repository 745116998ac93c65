#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/service/convert.h"
#include "stored/service/services.h"
#include "stored/service/unary.h"

namespace mailstead::store {
namespace {

using Async = v1::DirectoryService::AsyncService;

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

class DirectoryService final : public Service {
 public:
  explicit DirectoryService(Environment& environment)
      : environment_(environment), directory_(environment.directory) {}

  grpc::Service& registered() override { return async_; }

  void Serve(CallLoop& loop) override {
    const auto serve = [&](absl::string_view method, auto request_caller, auto answer) {
      ServeUnary(loop, method, async_, request_caller, std::bind_front(answer, this));
    };
    serve("DirectoryService/CreateDomain", &Async::RequestCreateDomain, &DirectoryService::CreateDomain);
    serve("DirectoryService/GetDomain", &Async::RequestGetDomain, &DirectoryService::GetDomain);
    serve("DirectoryService/ListDomains", &Async::RequestListDomains, &DirectoryService::ListDomains);
    serve("DirectoryService/UpdateDomain", &Async::RequestUpdateDomain, &DirectoryService::UpdateDomain);
    serve("DirectoryService/DeleteDomain", &Async::RequestDeleteDomain, &DirectoryService::DeleteDomain);
    serve("DirectoryService/CreateAccount", &Async::RequestCreateAccount, &DirectoryService::CreateAccount);
    serve("DirectoryService/BatchCreateAccounts", &Async::RequestBatchCreateAccounts,
          &DirectoryService::BatchCreateAccounts);
    serve("DirectoryService/GetAccount", &Async::RequestGetAccount, &DirectoryService::GetAccount);
    serve("DirectoryService/ListAccounts", &Async::RequestListAccounts, &DirectoryService::ListAccounts);
    serve("DirectoryService/UpdateAccount", &Async::RequestUpdateAccount, &DirectoryService::UpdateAccount);
    serve("DirectoryService/SetPassword", &Async::RequestSetPassword, &DirectoryService::SetPassword);
    serve("DirectoryService/DeleteAccount", &Async::RequestDeleteAccount, &DirectoryService::DeleteAccount);
    serve("DirectoryService/CreateAlias", &Async::RequestCreateAlias, &DirectoryService::CreateAlias);
    serve("DirectoryService/GetAlias", &Async::RequestGetAlias, &DirectoryService::GetAlias);
    serve("DirectoryService/ListAliases", &Async::RequestListAliases, &DirectoryService::ListAliases);
    serve("DirectoryService/UpdateAlias", &Async::RequestUpdateAlias, &DirectoryService::UpdateAlias);
    serve("DirectoryService/DeleteAlias", &Async::RequestDeleteAlias, &DirectoryService::DeleteAlias);
    serve("DirectoryService/ResolveRecipient", &Async::RequestResolveRecipient,
          &DirectoryService::ResolveRecipient);
  }

 private:
  // --- Domains

  absl::Status CreateDomain(const v1::CreateDomainRequest& request, v1::Domain& response) {
    const v1::Domain& domain = request.domain();
    return Give(directory_.CreateDomain(domain.name(), domain.plus_addressing()), response);
  }

  absl::Status GetDomain(const v1::GetDomainRequest& request, v1::Domain& response) {
    return Give(directory_.GetDomain(request.name()), response);
  }

  absl::Status ListDomains(const v1::ListDomainsRequest& request, v1::ListDomainsResponse& response) {
    ASSIGN_OR_RETURN(const Page<Domain> page, directory_.ListDomains(PageOf(request)));
    for (const Domain& domain : page.items) ToProto(domain, *response.add_domains());
    response.set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  }

  absl::Status UpdateDomain(const v1::UpdateDomainRequest& request, v1::Domain& response) {
    RETURN_IF_ERROR(CheckMask(request.update_mask(), {"plus_addressing"}));
    return Give(directory_.UpdateDomain(request.domain().name(), request.domain().plus_addressing()),
                response);
  }

  absl::Status DeleteDomain(const v1::DeleteDomainRequest& request, v1::DeleteDomainResponse&) {
    return directory_.DeleteDomain(request.name());
  }

  // --- Accounts

  absl::Status CreateAccount(const v1::CreateAccountRequest& request, v1::Account& response) {
    return Give(directory_.CreateAccount(FromProto(request)), response);
  }

  absl::Status BatchCreateAccounts(const v1::BatchCreateAccountsRequest& request,
                                   v1::BatchCreateAccountsResponse& response) {
    std::vector<NewAccount> accounts;
    accounts.reserve(request.requests_size());
    for (const v1::CreateAccountRequest& account : request.requests()) accounts.push_back(FromProto(account));
    ASSIGN_OR_RETURN(const auto results, directory_.CreateAccounts(accounts));
    for (const absl::StatusOr<Account>& result : results) {
      v1::BatchCreateAccountsResponse::Result& entry = *response.add_results();
      entry.set_code(static_cast<int>(result.status().code()));
      if (!result.ok()) entry.set_error(std::string(result.status().message()));
    }
    return absl::OkStatus();
  }

  absl::Status GetAccount(const v1::GetAccountRequest& request, v1::Account& response) {
    return Give(directory_.GetAccount(request.address()), response);
  }

  absl::Status ListAccounts(const v1::ListAccountsRequest& request, v1::ListAccountsResponse& response) {
    ASSIGN_OR_RETURN(const Page<AccountDetails> page,
                     directory_.ListAccounts(PageOf(request), request.domain()));
    for (const AccountDetails& account : page.items) ToProto(account, *response.add_accounts());
    response.set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  }

  absl::Status UpdateAccount(const v1::UpdateAccountRequest& request, v1::Account& response) {
    const google::protobuf::FieldMask& mask = request.update_mask();
    RETURN_IF_ERROR(CheckMask(mask, {"disabled", "quota_bytes", "quota_messages"}));
    AccountUpdate update;
    update.address = request.account().address();
    if (HasPath(mask, "disabled")) update.disabled = request.account().disabled();
    if (HasPath(mask, "quota_bytes")) update.quota_bytes = request.account().quota_bytes();
    if (HasPath(mask, "quota_messages")) update.quota_messages = request.account().quota_messages();
    return Give(directory_.UpdateAccount(update), response);
  }

  absl::Status SetPassword(const v1::SetPasswordRequest& request, v1::SetPasswordResponse&) {
    return directory_.SetPassword(request.address(), FromProto(request.password()));
  }

  absl::Status DeleteAccount(const v1::DeleteAccountRequest& request, v1::DeleteAccountResponse&) {
    return directory_.DeleteAccount(request.address());
  }

  // --- Aliases

  absl::Status CreateAlias(const v1::CreateAliasRequest& request, v1::Alias& response) {
    return Give(directory_.CreateAlias(request.alias().address(), TargetsOf(request.alias())), response);
  }

  absl::Status GetAlias(const v1::GetAliasRequest& request, v1::Alias& response) {
    return Give(directory_.GetAlias(request.address()), response);
  }

  absl::Status ListAliases(const v1::ListAliasesRequest& request, v1::ListAliasesResponse& response) {
    ASSIGN_OR_RETURN(const Page<Alias> page, directory_.ListAliases(PageOf(request), request.domain()));
    for (const Alias& alias : page.items) ToProto(alias, *response.add_aliases());
    response.set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  }

  absl::Status UpdateAlias(const v1::UpdateAliasRequest& request, v1::Alias& response) {
    RETURN_IF_ERROR(CheckMask(request.update_mask(), {"targets"}));
    return Give(directory_.UpdateAlias(request.alias().address(), TargetsOf(request.alias())), response);
  }

  absl::Status DeleteAlias(const v1::DeleteAliasRequest& request, v1::DeleteAliasResponse&) {
    return directory_.DeleteAlias(request.address());
  }

  // --- Recipients

  absl::Status ResolveRecipient(const v1::ResolveRecipientRequest& request,
                                v1::ResolveRecipientResponse& response) {
    return Give(environment_.recipients.Resolve(request.address(), request.message_bytes()), response);
  }

  static std::vector<std::string> TargetsOf(const v1::Alias& alias) {
    return std::vector<std::string>(alias.targets().begin(), alias.targets().end());
  }

  Environment& environment_;
  Directory& directory_;
  Async async_;
};

}  // namespace

std::unique_ptr<Service> MakeDirectoryService(Environment& environment) {
  return std::make_unique<DirectoryService>(environment);
}

}  // namespace mailstead::store
