#include "common/base/status.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/service/call.h"
#include "stored/service/convert.h"
#include "stored/service/services.h"

namespace mailstead::store {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Puts a result of core into the response.
template <typename T, typename Proto>
absl::Status Give(const absl::StatusOr<T>& result, Proto* response) {
  if (!result.ok()) return result.status();
  ToProto(*result, *response);
  return absl::OkStatus();
}

template <typename Request>
PageRequest PageOf(const Request& request) {
  return {request.page_size(), request.page_token()};
}

class DirectoryService final : public v1::DirectoryService::CallbackService {
 public:
  explicit DirectoryService(Environment& environment)
      : environment_(environment), directory_(environment.directory) {}

  // --- Domains

  ServerUnaryReactor* CreateDomain(CallbackServerContext* context, const v1::CreateDomainRequest* request,
                                   v1::Domain* response) override {
    return Run("DirectoryService/CreateDomain", context, [=, this] {
      const v1::Domain& domain = request->domain();
      return Give(directory_.CreateDomain(domain.name(), domain.plus_addressing()), response);
    });
  }

  ServerUnaryReactor* GetDomain(CallbackServerContext* context, const v1::GetDomainRequest* request,
                                v1::Domain* response) override {
    return Run("DirectoryService/GetDomain", context,
               [=, this] { return Give(directory_.GetDomain(request->name()), response); });
  }

  ServerUnaryReactor* ListDomains(CallbackServerContext* context, const v1::ListDomainsRequest* request,
                                  v1::ListDomainsResponse* response) override {
    return Run("DirectoryService/ListDomains", context, [=, this]() -> absl::Status {
      ASSIGN_OR_RETURN(const Page<Domain> page, directory_.ListDomains(PageOf(*request)));
      for (const Domain& domain : page.items) ToProto(domain, *response->add_domains());
      response->set_next_page_token(page.next_page_token);
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* UpdateDomain(CallbackServerContext* context, const v1::UpdateDomainRequest* request,
                                   v1::Domain* response) override {
    return Run("DirectoryService/UpdateDomain", context, [=, this]() -> absl::Status {
      RETURN_IF_ERROR(CheckMask(request->update_mask(), {"plus_addressing"}));
      return Give(directory_.UpdateDomain(request->domain().name(), request->domain().plus_addressing()),
                  response);
    });
  }

  ServerUnaryReactor* DeleteDomain(CallbackServerContext* context, const v1::DeleteDomainRequest* request,
                                   v1::DeleteDomainResponse*) override {
    return Run("DirectoryService/DeleteDomain", context,
               [=, this] { return directory_.DeleteDomain(request->name()); });
  }

  // --- Accounts

  ServerUnaryReactor* CreateAccount(CallbackServerContext* context, const v1::CreateAccountRequest* request,
                                    v1::Account* response) override {
    return Run("DirectoryService/CreateAccount", context,
               [=, this] { return Give(directory_.CreateAccount(FromProto(*request)), response); });
  }

  ServerUnaryReactor* BatchCreateAccounts(CallbackServerContext* context,
                                          const v1::BatchCreateAccountsRequest* request,
                                          v1::BatchCreateAccountsResponse* response) override {
    return Run("DirectoryService/BatchCreateAccounts", context, [=, this]() -> absl::Status {
      std::vector<NewAccount> accounts;
      accounts.reserve(request->requests_size());
      for (const v1::CreateAccountRequest& account : request->requests())
        accounts.push_back(FromProto(account));
      ASSIGN_OR_RETURN(const auto results, directory_.CreateAccounts(accounts));
      for (const absl::StatusOr<Account>& result : results) {
        v1::BatchCreateAccountsResponse::Result& entry = *response->add_results();
        entry.set_code(static_cast<int>(result.status().code()));
        if (!result.ok()) entry.set_error(std::string(result.status().message()));
      }
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* GetAccount(CallbackServerContext* context, const v1::GetAccountRequest* request,
                                 v1::Account* response) override {
    return Run("DirectoryService/GetAccount", context,
               [=, this] { return Give(directory_.GetAccount(request->address()), response); });
  }

  ServerUnaryReactor* ListAccounts(CallbackServerContext* context, const v1::ListAccountsRequest* request,
                                   v1::ListAccountsResponse* response) override {
    return Run("DirectoryService/ListAccounts", context, [=, this]() -> absl::Status {
      ASSIGN_OR_RETURN(const Page<AccountDetails> page,
                       directory_.ListAccounts(PageOf(*request), request->domain()));
      for (const AccountDetails& account : page.items) ToProto(account, *response->add_accounts());
      response->set_next_page_token(page.next_page_token);
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* UpdateAccount(CallbackServerContext* context, const v1::UpdateAccountRequest* request,
                                    v1::Account* response) override {
    return Run("DirectoryService/UpdateAccount", context, [=, this]() -> absl::Status {
      const google::protobuf::FieldMask& mask = request->update_mask();
      RETURN_IF_ERROR(CheckMask(mask, {"disabled", "quota_bytes", "quota_messages"}));
      AccountUpdate update;
      update.address = request->account().address();
      if (HasPath(mask, "disabled")) update.disabled = request->account().disabled();
      if (HasPath(mask, "quota_bytes")) update.quota_bytes = request->account().quota_bytes();
      if (HasPath(mask, "quota_messages")) update.quota_messages = request->account().quota_messages();
      return Give(directory_.UpdateAccount(update), response);
    });
  }

  ServerUnaryReactor* SetPassword(CallbackServerContext* context, const v1::SetPasswordRequest* request,
                                  v1::SetPasswordResponse*) override {
    return Run("DirectoryService/SetPassword", context, [=, this] {
      return directory_.SetPassword(request->address(), FromProto(request->password()));
    });
  }

  ServerUnaryReactor* DeleteAccount(CallbackServerContext* context, const v1::DeleteAccountRequest* request,
                                    v1::DeleteAccountResponse*) override {
    return Run("DirectoryService/DeleteAccount", context,
               [=, this] { return directory_.DeleteAccount(request->address()); });
  }

  // --- Aliases

  ServerUnaryReactor* CreateAlias(CallbackServerContext* context, const v1::CreateAliasRequest* request,
                                  v1::Alias* response) override {
    return Run("DirectoryService/CreateAlias", context, [=, this] {
      return Give(directory_.CreateAlias(request->alias().address(), TargetsOf(request->alias())), response);
    });
  }

  ServerUnaryReactor* GetAlias(CallbackServerContext* context, const v1::GetAliasRequest* request,
                               v1::Alias* response) override {
    return Run("DirectoryService/GetAlias", context,
               [=, this] { return Give(directory_.GetAlias(request->address()), response); });
  }

  ServerUnaryReactor* ListAliases(CallbackServerContext* context, const v1::ListAliasesRequest* request,
                                  v1::ListAliasesResponse* response) override {
    return Run("DirectoryService/ListAliases", context, [=, this]() -> absl::Status {
      ASSIGN_OR_RETURN(const Page<Alias> page, directory_.ListAliases(PageOf(*request), request->domain()));
      for (const Alias& alias : page.items) ToProto(alias, *response->add_aliases());
      response->set_next_page_token(page.next_page_token);
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* UpdateAlias(CallbackServerContext* context, const v1::UpdateAliasRequest* request,
                                  v1::Alias* response) override {
    return Run("DirectoryService/UpdateAlias", context, [=, this]() -> absl::Status {
      RETURN_IF_ERROR(CheckMask(request->update_mask(), {"targets"}));
      return Give(directory_.UpdateAlias(request->alias().address(), TargetsOf(request->alias())), response);
    });
  }

  ServerUnaryReactor* DeleteAlias(CallbackServerContext* context, const v1::DeleteAliasRequest* request,
                                  v1::DeleteAliasResponse*) override {
    return Run("DirectoryService/DeleteAlias", context,
               [=, this] { return directory_.DeleteAlias(request->address()); });
  }

  // --- Recipients

  ServerUnaryReactor* ResolveRecipient(CallbackServerContext* context,
                                       const v1::ResolveRecipientRequest* request,
                                       v1::ResolveRecipientResponse* response) override {
    return Run("DirectoryService/ResolveRecipient", context, [=, this] {
      return Give(environment_.recipients.Resolve(request->address(), request->message_bytes()), response);
    });
  }

 private:
  template <typename Work>
  ServerUnaryReactor* Run(absl::string_view method, CallbackServerContext* context, Work work) {
    return RunOnPool(Call(environment_, context, method, Call::Kind::kUnary), context, std::move(work));
  }

  static std::vector<std::string> TargetsOf(const v1::Alias& alias) {
    return std::vector<std::string>(alias.targets().begin(), alias.targets().end());
  }

  Environment& environment_;
  Directory& directory_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeDirectoryService(Environment& environment) {
  return std::make_unique<DirectoryService>(environment);
}

}  // namespace mailstead::store
