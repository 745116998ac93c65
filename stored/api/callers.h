// Who calls: roles by what a caller shows.
//
// A caller shows a bearer token ("authorization: Bearer ...") or, under mutual TLS, a certificate whose subject common name
// or a DNS name of which is that of a role: "smtp", "pop", "relay" or "operator".
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
#include "stored/api/roles.h"

namespace mailstead::stored {

// "smtp", "pop+operator"; empty for none.
std::string RoleNames(unsigned roles);

// Thread-safe.
class Callers {
 public:
  // The role's token is this one from now on, and no other. Empty: nobody's.
  void SetToken(Role role, absl::string_view token);
  // Grows with each SetToken that changed something.
  int64_t generation() const { return generation_; }

  // What a value of the authorization header gives; 0: nothing.
  unsigned RolesOfAuthorization(absl::string_view value) const;
  rpc::Caller Identify(const rpc::Credentials& credentials) const;

 private:
  struct Token {
    Role role;
    // Of the token: compared in its place, in constant time, without a hint at the token's length.
    std::string digest;
  };

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
