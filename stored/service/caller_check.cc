#include "stored/service/caller_check.h"

#include <grpcpp/grpcpp.h>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "stored/core/digest.h"

namespace mailstead::store {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

absl::string_view View(grpc::string_ref text) { return absl::string_view(text.data(), text.size()); }

Role RoleOfName(absl::string_view name) {
  if (name == "frontend") return kFrontend;
  if (name == "operator") return kOperator;
  return kNoRole;
}

Role Join(Role a, Role b) { return static_cast<Role>(a | b); }

// gRPC has checked the certificate against the CA before any call comes.
Role RoleOfCertificate(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  Role role = kNoRole;
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return role;
  for (const char* property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME}) {
    for (const grpc::string_ref& value : peer->FindPropertyValues(property)) {
      role = Join(role, RoleOfName(View(value)));
    }
  }
  return role;
}

// Compared by digest, in constant time, without a hint at the token's length.
std::string TokenDigest(absl::string_view token) { return token.empty() ? std::string() : Sha256(token); }

}  // namespace

Role RolesFor(absl::string_view method) {
  static const auto* const roles = new absl::flat_hash_map<absl::string_view, Role>({
      {"AdminService/GetStatus", kOperator},
      {"AdminService/VerifyMessages", kOperator},
      {"AuthService/Authenticate", kFrontend},
      {"AuthService/CheckSender", kFrontend},
      {"DirectoryService/CreateDomain", kOperator},
      {"DirectoryService/GetDomain", kOperator},
      {"DirectoryService/ListDomains", kOperator},
      {"DirectoryService/UpdateDomain", kOperator},
      {"DirectoryService/DeleteDomain", kOperator},
      {"DirectoryService/CreateAccount", kOperator},
      {"DirectoryService/BatchCreateAccounts", kOperator},
      {"DirectoryService/GetAccount", kOperator},
      {"DirectoryService/ListAccounts", kOperator},
      {"DirectoryService/UpdateAccount", kOperator},
      {"DirectoryService/SetPassword", kOperator},
      {"DirectoryService/DeleteAccount", kOperator},
      {"DirectoryService/CreateAlias", kOperator},
      {"DirectoryService/GetAlias", kOperator},
      {"DirectoryService/ListAliases", kOperator},
      {"DirectoryService/UpdateAlias", kOperator},
      {"DirectoryService/DeleteAlias", kOperator},
      {"DirectoryService/ResolveRecipient", kAnyRole},
      {"ExchangeService/Exchange", kFrontend},
      {"MailboxService/Deliver", kAnyRole},
      {"MailboxService/OpenMaildrop", kAnyRole},
      {"MailboxService/CommitMaildrop", kAnyRole},
      {"MailboxService/ReleaseMaildrop", kAnyRole},
      {"MailboxService/RenewLease", kAnyRole},
      {"MailboxService/EndLease", kAnyRole},
      {"MailboxService/ListMessages", kAnyRole},
      {"MailboxService/FetchMessage", kAnyRole},
      {"MailboxService/DeleteMessages", kAnyRole},
  });
  const auto found = roles->find(method);
  return found == roles->end() ? kNoRole : found->second;
}

CallerCheck::CallerCheck(std::string frontend_token, std::string operator_token)
    : frontend_token_digest_(TokenDigest(frontend_token)),
      operator_token_digest_(TokenDigest(operator_token)) {}

Role CallerCheck::RoleOfAuthorization(absl::string_view value) const {
  // The scheme's name has no case (RFC 9110 section 11.1).
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return kNoRole;
  const std::string digest = Sha256(value.substr(kScheme.size()));
  // Both are always compared.
  const bool is_frontend = EqualInConstantTime(digest, frontend_token_digest_);
  const bool is_operator = EqualInConstantTime(digest, operator_token_digest_);
  return Join(is_frontend ? kFrontend : kNoRole, is_operator ? kOperator : kNoRole);
}

absl::Status CallerCheck::Check(const grpc::ServerContextBase& context, absl::string_view method) const {
  Role role = RoleOfCertificate(context);
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  for (auto entry = begin; entry != end; ++entry) role = Join(role, RoleOfAuthorization(View(entry->second)));
  if (role == kNoRole)
    return absl::UnauthenticatedError("a token or client certificate of a known role is needed");
  if ((role & RolesFor(method)) == 0) {
    return absl::PermissionDeniedError(absl::StrCat("this caller may not call ", method));
  }
  return absl::OkStatus();
}

}  // namespace mailstead::store
