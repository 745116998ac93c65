#include "stored/api/keys.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/keys.h"
#include "stored/api/convert/values.h"
#include "stored/api/key_record.h"
#include "stored/api/roles.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// Who asks; null: an operator.
const LiveKey* By(const rpc::Call& call) {
  const Keys::Found* const key = KeyOf(call.caller());
  return key == nullptr ? nullptr : key->key.get();
}

// SECURITY: for the audit, which never has a secret.
void SetTarget(rpc::Call& call, const engine::Key& key) {
  call.SetTarget(absl::StrCat("key ", key.id, " ", key.name));
}

void Give(Environment& environment, const engine::Key& key, v1::Key& response) {
  ToProto(key, environment.core.keys.LastUse(key.id), environment.core.clock.Now(), response);
}

// SECURITY: a key gives none a scope that it has not itself; nor does it touch one that has.
absl::Status CheckScopes(const rpc::Call& call, int64_t scopes) {
  const LiveKey* const by = By(call);
  if (by == nullptr) return absl::OkStatus();
  for (const ScopeName& scope : kScopeNames) {
    if ((scopes & scope.scope) == 0 || (by->key.scopes & scope.scope) != 0) continue;
    return WithMetadata(
        WithReason(absl::PermissionDeniedError(absl::StrCat(
                       "a key makes or changes none with a scope that it has not itself: ", scope.name)),
                   kReasonScopeMissing),
        "scope", scope.name);
  }
  return absl::OkStatus();
}

// What is changed, named in the audit.
absl::StatusOr<engine::Key> FindChanged(Environment& environment, rpc::Call& call, const std::string& name) {
  call.SetTarget(absl::StrCat("key ", name));
  ASSIGN_OR_RETURN(engine::Key key, environment.core.keys.Get(name));
  SetTarget(call, key);
  RETURN_IF_ERROR(CheckScopes(call, key.scopes));
  return key;
}

}  // namespace

Task<absl::Status> CreateKey(Environment& environment, rpc::Call& call, const v1::CreateKeyRequest& request,
                             v1::CreateKeyResponse& response) {
  call.SetTarget(absl::StrCat("key ", request.key().name()));
  CO_ASSIGN_OR_RETURN(KeyChange wanted, FromProto(request.key()));
  CO_RETURN_IF_ERROR(CheckScopes(call, wanted.scopes.value_or(0)));
  CO_ASSIGN_OR_RETURN(KeyAndSecret made, co_await environment.core.keys.Create(By(call), std::move(wanted),
                                                                               request.request_id()));
  SetTarget(call, made.key);
  Give(environment, made.key, *response.mutable_key());
  response.set_secret(std::move(made.secret));
  co_return absl::OkStatus();
}

Task<absl::Status> GetKey(Environment& environment, rpc::Call&, const v1::GetKeyRequest& request,
                          v1::Key& response) {
  CO_ASSIGN_OR_RETURN(const engine::Key key, environment.core.keys.Get(request.key()));
  Give(environment, key, response);
  co_return absl::OkStatus();
}

Task<absl::Status> ListKeys(Environment& environment, rpc::Call&, const v1::ListKeysRequest& request,
                            v1::ListKeysResponse& response) {
  PageRequest page_request{request.page_size(), request.page_token()};
  CO_ASSIGN_OR_RETURN(const Page<engine::Key> page, environment.core.keys.List(std::move(page_request)));
  for (const engine::Key& key : page.items) Give(environment, key, *response.add_keys());
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> UpdateKey(Environment& environment, rpc::Call& call, const v1::UpdateKeyRequest& request,
                             v1::Key& response) {
  const std::string& name = request.key().key_id().empty() ? request.key().name() : request.key().key_id();
  CO_RETURN_IF_ERROR(FindChanged(environment, call, name).status());
  CO_ASSIGN_OR_RETURN(KeyChange change, FromProto(request));
  CO_RETURN_IF_ERROR(CheckScopes(call, change.scopes.value_or(0)));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.key().etag()));
  CO_ASSIGN_OR_RETURN(const engine::Key updated,
                      co_await environment.core.keys.Update(By(call), name, version, std::move(change)));
  SetTarget(call, updated);
  Give(environment, updated, response);
  co_return absl::OkStatus();
}

Task<absl::Status> RotateKey(Environment& environment, rpc::Call& call, const v1::RotateKeyRequest& request,
                             v1::RotateKeyResponse& response) {
  CO_RETURN_IF_ERROR(FindChanged(environment, call, request.key()).status());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  CO_ASSIGN_OR_RETURN(const absl::Duration overlap, FromProto("overlap", request.overlap()));
  CO_ASSIGN_OR_RETURN(KeyAndSecret rotated,
                      co_await environment.core.keys.Rotate(By(call), request.key(), version, overlap));
  Give(environment, rotated.key, *response.mutable_key());
  response.set_secret(std::move(rotated.secret));
  co_return absl::OkStatus();
}

Task<absl::Status> RevokeKey(Environment& environment, rpc::Call& call, const v1::RevokeKeyRequest& request,
                             v1::Key& response) {
  CO_RETURN_IF_ERROR(FindChanged(environment, call, request.key()).status());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  CO_ASSIGN_OR_RETURN(const engine::Key revoked,
                      co_await environment.core.keys.Revoke(By(call), request.key(), version));
  Give(environment, revoked, response);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
