// Who calls: roles by what a caller shows.
//
// A caller shows a bearer token ("authorization: Bearer ...") or, under mutual TLS, a certificate whose subject common name
// or a DNS name of which is that of a role, "smtp", "pop" or "operator", or one that a key names.
//
// The token decides. Where one is shown the certificate stands for nobody: a certificate is often that of a host or a proxy
// with several programs, each with a key of its own; and a token that does not count any more must not become somebody else.
// Of tokens there is one, but for a front-end that calls for somebody: it shows the key of that one beside its own token or
// certificate, and calls as that key; what it shows and is no key that counts refuses the call. Then it may vouch for the
// address of its client in the metadata
// "mailstead-client-address", which the key's address ranges are compared with; nobody else is believed, and for nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/rpc/server/admission.h"
#include "common/rpc/server/method.h"
#include "stored/api/key_record.h"
#include "stored/api/roles.h"
#include "stored/core/keys.h"

namespace mailstead::stored {

// "smtp", "pop+operator"; empty for none.
std::string RoleNames(unsigned roles);

// Thread-safe.
class Callers {
 public:
  // Before the first call. They outlive it.
  void UseKeys(const Keys& keys) { keys_ = &keys; }

  // The role's token is this one from now on, and no other. Empty: nobody's.
  void SetToken(Role role, absl::string_view token);
  // Another one after each change of tokens or keys.
  int64_t generation() const { return generation_ + (keys_ == nullptr ? 0 : keys_->generation()); }

  // What a value of the authorization header gives; 0: nothing. Blanks and line ends behind the token count for nothing.
  unsigned RolesOfAuthorization(absl::string_view value) const;
  rpc::Caller Identify(const rpc::Credentials& credentials) const;

 private:
  struct Token {
    Role role;
    // Of the token: compared in its place, in constant time, without a hint at the token's length.
    std::string digest;
  };

  unsigned RolesOfToken(absl::string_view token) const;
  // Of tokens without a key.
  absl::Status CheckTogether(const std::vector<std::string>& authorizations) const;
  // The key that is shown, by its secret or a certificate.
  Keys::Found FindKey(const rpc::Credentials& credentials) const;

  const Keys* keys_ = nullptr;
  mutable absl::Mutex mutex_;
  std::vector<Token> tokens_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int64_t> generation_ = 1;
};

// A role's token in a file, whose first line it is.
struct TokenFile {
  Role role;
  // Empty: the role has no token.
  std::string path;
};

// Keeps the tokens as their files have them: a token that was replaced in its file ends within a second. A file that is
// missing is made, mode 0600, with a new token. One thread.
class TokenFiles {
 public:
  TokenFiles(std::vector<TokenFile> files, Callers& callers);
  // Reads, or makes, those that have changed since the last time. An error names the file; the tokens of the others are
  // taken, and the one of that file stays as it was.
  absl::Status Look();

 private:
  struct State {
    TokenFile file;
    absl::Time changed = absl::InfinitePast();
  };
  absl::Status LookAt(State& state);

  std::vector<State> files_;
  Callers& callers_;
};

}  // namespace mailstead::stored
