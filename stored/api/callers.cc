#include "stored/api/callers.h"

#include <sys/stat.h>

#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "asio/ip/address.hpp"
#include "common/base/reason.h"
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
    {kSmtp, "smtp"}, {kPop, "pop"}, {kRelay, "relay"}, {kOperator, "operator"}, {kWeb, "web"}};

// A host may well be called "relay" or "web": these two have tokens only.
constexpr unsigned kWithoutCertificate = kRelay | kWeb;

unsigned RoleOfCertificate(absl::string_view name) {
  for (const RoleName& role : kRoleNames) {
    if ((role.role & kWithoutCertificate) == 0 && role.name == name) return role.role;
  }
  return 0;
}

// What stands behind the scheme; empty: it is another scheme.
absl::string_view TokenOf(absl::string_view value) {
  // The scheme's name has no case (RFC 9110 section 11.1).
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return "";
  return absl::StripTrailingAsciiWhitespace(value.substr(kScheme.size()));
}

// Of what gRPC calls a peer: "ipv4:192.0.2.1:5000", "ipv6:[2001:db8::1]:5000", "ipv6:%5B2001:db8::1%5D:5000".
std::string HostOfPeer(absl::string_view peer) {
  if (!absl::StartsWith(peer, "ip")) return std::string(peer);
  const std::string text =
      absl::StrReplaceAll(peer.substr(peer.find(':') + 1, peer.rfind(':') - peer.find(':') - 1),
                          {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}, {"%25", "%"}});
  return text;
}

absl::Status NotFromHere(absl::string_view address) {
  constexpr size_t kMaxShown = 64;
  return WithReason(absl::PermissionDeniedError(
                        absl::StrCat("this key may not be used from ", address.substr(0, kMaxShown))),
                    kReasonAddressNotAllowed);
}

// Whether the key may be used from there. What a front-end vouches for is an address.
absl::Status CheckAddress(const LiveKey& key, const std::string& address, bool vouched_for) {
  if (key.addresses.empty() && !vouched_for) return absl::OkStatus();
  std::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  if (error) return NotFromHere(address);
  return key.addresses.empty() || key.addresses.Contains(parsed) ? absl::OkStatus() : NotFromHere(address);
}

absl::Status Several(absl::string_view what) {
  return WithReason(absl::UnauthenticatedError(absl::StrCat("the call shows ", what, ": one says who calls")),
                    kReasonNoCredential);
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
  const absl::string_view token = TokenOf(value);
  return token.empty() ? 0 : RolesOfToken(token);
}

unsigned Callers::RolesOfToken(absl::string_view token) const {
  const std::string digest = Sha256(token);
  unsigned roles = 0;
  absl::MutexLock lock(&mutex_);
  // SECURITY: all are compared, whichever it is. That of no token is empty and equal to none.
  for (const Token& token : tokens_) {
    if (EqualInConstantTime(digest, token.digest)) roles |= token.role;
  }
  return roles;
}

Keys::Found Callers::FindKey(const rpc::Credentials& credentials) const {
  Keys::Found found;
  if (keys_ == nullptr) return found;
  const bool by_certificate = credentials.authorizations.empty();
  int count = 0;
  for (const std::string& value : credentials.authorizations) {
    const absl::string_view token = TokenOf(value);
    if (!LooksLikeKeySecret(token)) continue;
    ++count;
    found = keys_->FindBySecret(token);
  }
  for (const std::string& name : credentials.certificate_names) {
    if (!by_certificate) break;
    Keys::Found named = keys_->FindByCertificate(name);
    if (named.key == nullptr || (found.key != nullptr && named.key->key.id == found.key->key.id)) continue;
    ++count;
    found = std::move(named);
  }
  if (count > 1) {
    found = Keys::Found();
    found.refusal = Several(by_certificate ? "a certificate of several keys" : "several keys");
  }
  return found;
}

// SECURITY: a front-end shows its client's credential beside its own. One that counts for nothing must not leave a call that
// is the front-end's alone, and an operator's token is not for passing on.
absl::Status Callers::CheckTogether(const std::vector<std::string>& authorizations) const {
  if (authorizations.size() < 2) return absl::OkStatus();
  unsigned all = 0;
  for (const std::string& value : authorizations) {
    const unsigned roles = RolesOfAuthorization(value);
    if (roles == 0) {
      return WithReason(absl::UnauthenticatedError("one of the credentials is not known"),
                        kReasonNoCredential);
    }
    all |= roles;
  }
  if ((all & kOperator) != 0) return Several("an operator's token and another");
  return absl::OkStatus();
}

rpc::Caller Callers::Identify(const rpc::Credentials& credentials) const {
  rpc::Caller caller;
  caller.peer = credentials.peer;
  unsigned by_token = 0;
  for (const std::string& value : credentials.authorizations) by_token |= RolesOfAuthorization(value);
  unsigned by_certificate = 0;
  for (const std::string& name : credentials.certificate_names) by_certificate |= RoleOfCertificate(name);
  const unsigned roles = credentials.authorizations.empty() ? by_certificate : by_token;
  Keys::Found key = FindKey(credentials);
  const bool shows_key = key.key != nullptr || !key.refusal.ok();
  // A certificate of a role is that role's, whatever else it is called.
  if (!shows_key || (credentials.authorizations.empty() && roles != 0)) {
    caller.refusal = CheckTogether(credentials.authorizations);
    if (!caller.refusal.ok()) return caller;
    caller.roles = roles;
    caller.name = RoleNames(roles);
    return caller;
  }
  if (key.key != nullptr) caller.name = absl::StrCat("key:", key.key->key.name);
  caller.refusal = key.refusal;
  if (caller.refusal.ok() && (by_token & kOperator) != 0)
    caller.refusal = Several("a key and an operator's token");
  if (!caller.refusal.ok()) return caller;
  const bool vouches = ((by_token | by_certificate) & kFrontends) != 0 && !credentials.client_address.empty();
  key.address = vouches ? credentials.client_address : HostOfPeer(credentials.peer);
  caller.refusal = CheckAddress(*key.key, key.address, vouches);
  if (!caller.refusal.ok()) return caller;
  caller.roles = static_cast<unsigned>(key.key->key.scopes) & kAllScopes;
  caller.record = std::make_shared<const KeyRecord>(std::move(key));
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
