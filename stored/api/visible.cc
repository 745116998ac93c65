#include "stored/api/visible.h"

#include <utility>

#include "absl/status/status.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/roles.h"

namespace mailstead::stored {

Task<absl::StatusOr<engine::Account>> FindAccount(Environment& environment, const rpc::Call& call,
                                                  std::string account) {
  CO_ASSIGN_OR_RETURN(engine::Account found,
                      co_await environment.core.directory.GetAccount(std::move(account)));
  if (!SeesAccount(call, found))
    co_return WithReason(absl::NotFoundError("there is no such account"), kReasonAccountNotFound);
  co_return found;
}

bool SeesAll(const rpc::Call& call) { return (call.caller().roles & kOperator) != 0; }

bool SeesDomain(const rpc::Call& call, absl::string_view) { return SeesAll(call); }

bool SeesAccount(const rpc::Call& call, const engine::Account&) { return SeesAll(call); }

std::string DeliveryScope(const rpc::Call&) { return "operator"; }

}  // namespace mailstead::stored
