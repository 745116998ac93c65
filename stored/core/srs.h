// SRS as the store uses it (common/mailauth/srs.h has the addresses): which mail goes out under a rewritten sender, whom mail to
// such an address is for, and the secrets.
//
// Rewritten is what an alias led to another host, from a sender whose domain is not ours. Else nobody needs it:
//   - the null sender has no domain to look at (SPF takes the host's name for it, RFC 7208 section 2.4)
//   - our own domains name our hosts in their SPF, also where a host elsewhere says that it sends for them: what fails
//     is for their mailboxes here
//   - what was submitted here has a sender of ours
//   - an address at the SRS domain is ours, whoever made it
// It is rewritten when it is given to a relay, and nowhere kept: the queue, its routes and what is told of it know the sender
// itself. The stamp is that of the day on which the mail came into the queue, so that a host that greylists sees one sender.
//
// Mail to such an address is taken from everybody, not only from the null sender: hosts ask with an address of their own
// whether it exists, before they take mail from it, and programs that answer by themselves use theirs. SECURITY: no relay is
// opened by that. An address leads to one sender, who wrote to an alias here, for as long as its stamp counts, and only the
// store can make it.
//
// A sender whose rewritten form would have more than 64 octets (RFC 5321 section 4.5.3.1.1), or whose domain is no host name, is kept in the store
// under a random name, for the lifetime of the address: so the bounce comes back. The null sender in its place would lose it,
// and tell the next host that the mail is a notice, which it is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "common/mail/address.h"
#include "common/mailauth/srs.h"
#include "stored/core/secret_box.h"
#include "stored/engine/engine.h"
#include "stored/engine/srs.h"

namespace mailstead::stored {

struct SrsOptions {
  // In lower case and A-labels; empty: nothing is rewritten, and addresses made by SRS are like all others.
  std::string domain;
  // How long mail to a rewritten address is taken.
  absl::Duration lifetime = absl::Hours(21 * 24);
  size_t hash_characters = srs::kMinHashCharacters;
};

// What operators see of a secret.
struct SrsSecretInfo {
  int64_t number = 0;
  absl::Time create_time;
  // Addresses are signed with it.
  bool signs = false;
  // Until when those that it has signed are taken, unless it is pushed out before; InfiniteFuture for the one that signs.
  absl::Time expire_time = absl::InfiniteFuture();
};

// Whom a rewritten address stands for.
struct SrsSenderFound {
  enum class Outcome { kSender, kForged, kExpired };
  Outcome outcome = Outcome::kForged;
  Address sender;
};

// Used on the executor's thread.
class Srs {
 public:
  // So many secrets are there at most: one signs, the others are for what they have signed.
  static constexpr size_t kMaxSecrets = 10;
  // Of one that an operator gives.
  static constexpr size_t kMinSecretBytes = 16;
  static constexpr size_t kMaxSecretBytes = 256;

  // All but the options outlive it. `secrets_key` is what the secrets are sealed under.
  Srs(engine::SrsEngine& engine, engine::DirectoryEngine& directory, const Clock& clock,
      absl::string_view secrets_key, SrsOptions options);

  bool enabled() const { return !options_.domain.empty(); }
  // Empty: it is off.
  const std::string& domain() const { return options_.domain; }
  // Of addresses: whole days.
  int64_t lifetime_days() const;
  // Whether the address is of the SRS domain.
  bool IsHere(const Address& address) const;
  // Whether it is, and written as made by SRS.
  bool Reads(const Address& address) const { return IsHere(address) && srs::IsRewritten(address.local_part); }

  // Makes the first secret, where there is none. FailedPrecondition with kReasonNoSecretsKey, DataLoss: the secrets cannot
  // be opened. Errors of the engine.
  Task<absl::Status> Begin();

  // Under which sender mail of the queue goes out to these of its recipients: all or none of them.
  Task<absl::StatusOr<std::string>> SenderFor(const engine::QueuedMessage& message);
  // Of an address that Reads.
  Task<absl::StatusOr<SrsSenderFound>> Reverse(Address address);

  // Ascending. FailedPrecondition with kReasonSrsOff, as with the two below.
  Task<absl::StatusOr<std::vector<SrsSecretInfo>>> List();
  // Makes a secret, or takes this one, which signs from now on. The one before counts as long as what it has signed; there
  // are at most kMaxSecrets, and the oldest is pushed out. `drop_old`: none but the new one counts. FieldError "secret".
  Task<absl::StatusOr<SrsSecretInfo>> Rotate(std::string secret, bool drop_old);
  // The same for operators, of any address. FieldError "address" where it is not one that SRS has made here.
  Task<absl::StatusOr<SrsSenderFound>> Decode(std::string address);

  // A step: forgets kept senders that no address leads to any more. Whether there may be more.
  Task<absl::StatusOr<bool>> ForgetOld();

 private:
  struct Secret {
    int64_t number = 0;
    std::string text;
    absl::Time create_time;
  };
  Task<absl::Status> Load();
  Task<absl::StatusOr<bool>> IsOurs(std::string domain);
  Task<absl::StatusOr<std::string>> Keep(std::string sender, int64_t day);
  // Until when the secret at `index` counts.
  absl::Time EndOf(size_t index) const;
  std::vector<srs::Digest> Digests() const;
  srs::Form form() const { return {'=', options_.hash_characters}; }
  absl::Status CheckOn() const;

  engine::SrsEngine& engine_;
  engine::DirectoryEngine& directory_;
  const Clock& clock_;
  const std::optional<SecretBox> box_;
  const SrsOptions options_;
  // Ascending; empty: not read yet. Nobody else changes them.
  std::vector<Secret> secrets_;
};

}  // namespace mailstead::stored
