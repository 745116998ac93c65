// Who calls, and what they may call.
//
// A caller shows a bearer token ("authorization: Bearer …") or, under mutual TLS, a certificate whose subject
// CN or DNS name is "frontend" or "operator". Health and reflection are open to all.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace grpc {
class ServerContextBase;
}

namespace mailstead::store {

// Bits of a set.
enum Role : unsigned { kNoRole = 0, kFrontend = 1, kOperator = 2, kAnyRole = 3 };

// Who may call "MailboxService/Deliver"; kNoRole for a method that is not there.
Role RolesFor(absl::string_view method);

class CallerCheck {
 public:
  // An empty token is nobody's.
  CallerCheck(std::string frontend_token, std::string operator_token);

  // Unauthenticated: no credential, or one that is not known. PermissionDenied: not in this role.
  absl::Status Check(const grpc::ServerContextBase& context, absl::string_view method) const;

  // What a value of the authorization header gives.
  Role RoleOfAuthorization(absl::string_view value) const;

 private:
  const std::string frontend_token_digest_;
  const std::string operator_token_digest_;
};

}  // namespace mailstead::store
