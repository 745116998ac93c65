// What a caller may see: the one place that every method asks before it says anything of an account or a domain. What a
// caller may not see is told like what is not there, in the same words: a key's own list decides before anything is looked up
// by its domain.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/task.h"
#include "common/mail/envelope.h"
#include "common/rpc/server/method.h"
#include "stored/api/environment.h"
#include "stored/api/roles.h"
#include "stored/engine/types.h"
#include "stored/rules/sight.h"

namespace mailstead::stored {

// Of a key what it is for; of all others everything. It lives as long as the call.
const rules::Sight& SightOf(const rpc::Call& call);

// By its address or its account id. NotFound with kReasonAccountNotFound. FieldError "account".
Task<absl::StatusOr<engine::Account>> FindAccount(Environment& environment, const rpc::Call& call,
                                                  std::string account);
// By its id. NotFound, also where it is not seen: false.
Task<absl::StatusOr<bool>> SeesAccountOf(Environment& environment, const rpc::Call& call, AccountId account);

// Whether it sees everything.
bool SeesAll(const rpc::Call& call);
// PermissionDenied with kReasonKeyRestricted, where it does not: `what` is about everything.
absl::Status CheckSeesAll(const rpc::Call& call, absl::string_view what);
// Whether the caller, if it is a key, has a scope beside that of its method: PermissionDenied with kReasonScopeMissing.
absl::Status CheckScope(const rpc::Call& call, Scope scope);
// By its name, normalized.
bool SeesDomain(const rpc::Call& call, absl::string_view domain);
bool SeesAccount(const rpc::Call& call, const engine::Account& account);
// The address of an account or alias, of which there may be none: whether its domain is seen, or it is that of an account
// which is. FieldError "address".
Task<absl::StatusOr<bool>> SeesAddress(Environment& environment, const rpc::Call& call, std::string address);

// Whether a domain that the request's `field` names is seen: NotFound with kReasonDomainNotFound; FieldError.
absl::Status CheckDomain(const rpc::Call& call, absl::string_view field, absl::string_view name);
// Whether what is to have this address may have it: its domain is seen. The same errors.
absl::Status CheckDomainOf(const rpc::Call& call, absl::string_view field, absl::string_view address);
// Whether an alias is seen: its domain is. NotFound with kReasonAliasNotFound; FieldError.
absl::Status CheckAlias(const rpc::Call& call, absl::string_view field, absl::string_view address);

// Whether every recipient is seen: NotFound with kReasonRecipientUnknown, as of one that is not there. `envelope` outlives the
// Task.
Task<absl::Status> CheckRecipients(Environment& environment, const rpc::Call& call, const Envelope& envelope);

// Of the caller's delivery ids and request ids: those of different scopes never meet.
std::string DeliveryScope(const rpc::Call& call);

}  // namespace mailstead::stored
