// What Authenticate and a login in an Exchange have in common. Only .cc files of this folder include this.
#pragma once

#include "absl/status/status.h"
#include "stored/core/authenticator.h"

namespace mailstead::store {

struct Environment;

// And counts it.
void LogLogin(Environment& environment, const AuthExchange& exchange, AuthResult result);
void LogLoginFailure(const AuthExchange& exchange, const absl::Status& status);

}  // namespace mailstead::store
