// mailstead.store.v1.DirectoryService, and where recipients lead. Every function is a method, told in its
// .proto.
#pragma once

#include "absl/status/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/directory.pb.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

Task<absl::Status> CreateDomain(Environment& environment, rpc::Call& call,
                                const store::v1::CreateDomainRequest& request, store::v1::Domain& response);
Task<absl::Status> GetDomain(Environment& environment, rpc::Call& call,
                             const store::v1::GetDomainRequest& request, store::v1::Domain& response);
Task<absl::Status> ListDomains(Environment& environment, rpc::Call& call,
                               const store::v1::ListDomainsRequest& request,
                               store::v1::ListDomainsResponse& response);
Task<absl::Status> UpdateDomain(Environment& environment, rpc::Call& call,
                                const store::v1::UpdateDomainRequest& request, store::v1::Domain& response);
Task<absl::Status> DeleteDomain(Environment& environment, rpc::Call& call,
                                const store::v1::DeleteDomainRequest& request,
                                store::v1::DeleteDomainResponse& response);

Task<absl::Status> CreateAccount(Environment& environment, rpc::Call& call,
                                 const store::v1::CreateAccountRequest& request,
                                 store::v1::Account& response);
Task<absl::Status> BatchCreateAccounts(Environment& environment, rpc::Call& call,
                                       const store::v1::BatchCreateAccountsRequest& request,
                                       store::v1::BatchCreateAccountsResponse& response);
Task<absl::Status> GetAccount(Environment& environment, rpc::Call& call,
                              const store::v1::GetAccountRequest& request, store::v1::Account& response);
Task<absl::Status> ListAccounts(Environment& environment, rpc::Call& call,
                                const store::v1::ListAccountsRequest& request,
                                store::v1::ListAccountsResponse& response);
Task<absl::Status> UpdateAccount(Environment& environment, rpc::Call& call,
                                 const store::v1::UpdateAccountRequest& request,
                                 store::v1::Account& response);
Task<absl::Status> SetPassword(Environment& environment, rpc::Call& call,
                               const store::v1::SetPasswordRequest& request,
                               store::v1::SetPasswordResponse& response);
Task<absl::Status> DeleteAccount(Environment& environment, rpc::Call& call,
                                 const store::v1::DeleteAccountRequest& request,
                                 store::v1::DeleteAccountResponse& response);

Task<absl::Status> CreateAlias(Environment& environment, rpc::Call& call,
                               const store::v1::CreateAliasRequest& request, store::v1::Alias& response);
Task<absl::Status> GetAlias(Environment& environment, rpc::Call& call,
                            const store::v1::GetAliasRequest& request, store::v1::Alias& response);
Task<absl::Status> ListAliases(Environment& environment, rpc::Call& call,
                               const store::v1::ListAliasesRequest& request,
                               store::v1::ListAliasesResponse& response);
Task<absl::Status> UpdateAlias(Environment& environment, rpc::Call& call,
                               const store::v1::UpdateAliasRequest& request, store::v1::Alias& response);
Task<absl::Status> DeleteAlias(Environment& environment, rpc::Call& call,
                               const store::v1::DeleteAliasRequest& request,
                               store::v1::DeleteAliasResponse& response);

Task<absl::Status> ResolveAddress(Environment& environment, rpc::Call& call,
                                  const store::v1::ResolveAddressRequest& request,
                                  store::v1::ResolveAddressResponse& response);

}  // namespace mailstead::stored
