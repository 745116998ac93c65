// What a caller may see: the one place that every method asks before it says anything of an account or a domain. What a
// caller may not see is told like what is not there.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "stored/api/environment.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

// By its address or its account id. NotFound with kReasonAccountNotFound. FieldError "account".
Task<absl::StatusOr<engine::Account>> FindAccount(Environment& environment, const rpc::Call& call,
                                                  std::string account);

// Whether it sees everything.
bool SeesAll(const rpc::Call& call);
// By its name, normalized.
bool SeesDomain(const rpc::Call& call, absl::string_view domain);
bool SeesAccount(const rpc::Call& call, const engine::Account& account);

// Of the caller's delivery ids and request ids: those of different scopes never meet.
std::string DeliveryScope(const rpc::Call& call);

}  // namespace mailstead::stored
