#include "stored/api/callers.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/api/secret_file.h"
#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

struct RoleName {
  Role role;
  absl::string_view name;
};
constexpr RoleName kRoleNames[] = {
    {kSmtp, "smtp"}, {kPop, "pop"}, {kRelay, "relay"}, {kOperator, "operator"}};

unsigned RoleOfCertificate(absl::string_view name) {
  for (const RoleName& role : kRoleNames) {
    if (role.role != kRelay && role.name == name) return role.role;
  }
  return 0;
}

// Infinitely long ago when there is no such file.
absl::Time ChangeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? absl::TimeFromTimespec(info.st_mtim) : absl::InfinitePast();
}

}  // namespace

std::string RoleNames(unsigned roles) {
  std::string names;
  for (const RoleName& role : kRoleNames) {
    if ((roles & role.role) != 0) absl::StrAppend(&names, names.empty() ? "" : "+", role.name);
  }
  return names;
}

void Callers::SetToken(Role role, absl::string_view token) {
  std::string digest = token.empty() ? std::string() : Sha256(token);
  absl::MutexLock lock(&mutex_);
  for (Token& known : tokens_) {
    if (known.role != role) continue;
    if (known.digest == digest) return;
    known.digest = std::move(digest);
    ++generation_;
    return;
  }
  tokens_.push_back({role, std::move(digest)});
  ++generation_;
}

unsigned Callers::RolesOfAuthorization(absl::string_view value) const {
  // The scheme's name has no case (RFC 9110 section 11.1).
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return 0;
  const std::string digest = Sha256(value.substr(kScheme.size()));
  unsigned roles = 0;
  absl::MutexLock lock(&mutex_);
  // SECURITY: all are compared, whichever it is. That of no token is empty and equal to none.
  for (const Token& token : tokens_) {
    if (EqualInConstantTime(digest, token.digest)) roles |= token.role;
  }
  return roles;
}

rpc::Caller Callers::Identify(const rpc::Credentials& credentials) const {
  rpc::Caller caller;
  for (const std::string& value : credentials.authorizations) caller.roles |= RolesOfAuthorization(value);
  for (const std::string& name : credentials.certificate_names) caller.roles |= RoleOfCertificate(name);
  caller.name = RoleNames(caller.roles);
  caller.peer = credentials.peer;
  return caller;
}

TokenFiles::TokenFiles(std::vector<TokenFile> files, Callers& callers) : callers_(callers) {
  for (TokenFile& file : files) {
    if (!file.path.empty()) files_.push_back({std::move(file)});
  }
}

absl::Status TokenFiles::Look() {
  absl::Status result;
  for (State& state : files_) {
    if (absl::Status looked = LookAt(state); !looked.ok()) result = std::move(looked);
  }
  return result;
}

absl::Status TokenFiles::LookAt(State& state) {
  // Before reading: what changes meanwhile is read the next time.
  const absl::Time changed = ChangeOf(state.file.path);
  if (changed != absl::InfinitePast() && changed == state.changed) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string token, ReadOrMakeSecretFile(state.file.path));
  callers_.SetToken(state.file.role, token);
  state.changed = changed;
  return absl::OkStatus();
}

}  // namespace mailstead::stored
