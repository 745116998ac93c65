// Where mail for an address goes, and who may send as an address.
//
// An address of a domain that is ours is looked up in this order:
//   1. the account, then the alias, with exactly this address (ASCII letters without case)
//   2. if the domain has plus addressing: the same for the address without its tag (what follows the first '+')
//   3. the domain's catch-all, the alias "@domain"
// Aliases lead to further addresses, which are looked up alike, at most kMaxAliasDepth deep and
// kMaxFollowedTargets wide. Each is followed once, so that circles are harmless. All addresses of one depth are
// one round trip to the engine.
//
// An alias with several targets:
//   - mail for targets at other hosts goes into the queue, whoever sent it: who made the alias wanted that
//   - a mailbox that is full gets its copy later, when there is room: it waits in the queue (stored/core/queue.h) as long as
//     another target takes the mail at once; where none does, the address is full, and the sender tries again
//   - targets that do not exist or are disabled, and mailboxes whose whole quota is smaller than the message, are
//     passed over as long as another target takes the mail; the store's log names them when mail meets them
//   - when no target is left: too small if a target's quota is, else disabled if one is, else unknown
//
// An address that SRS has made here (stored/core/srs.h) leads to the sender that it stands for, as an alias would. Of the SRS
// domain such addresses exist, and postmaster; the rest of it as of any other domain, where it is one of ours.
//
// Postmaster (RFC 5321 section 4.5.1): mail for postmaster, without a domain or in any domain of ours, is
// taken as long as there is an account that takes mail. It goes to what the address leads to; else to the
// operator's --postmaster; else to the first account of the domain; else to the first account of all. "First"
// is by domain, then local part, of those that are not disabled. A mailbox that is full keeps its place: mail for
// postmaster waits for room in it like all its mail, and never goes to somebody else meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "common/mail/address.h"
#include "stored/core/srs.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// Targets of aliases that get nothing, while others of the same address do.
struct PassedOver {
  size_t unknown_count = 0;
  size_t disabled_count = 0;
  // Whose whole quota is smaller than the message.
  size_t too_small_count = 0;
  // The first of them, at most kMaxNamedTargets: "bob@example.test is disabled".
  std::vector<std::string> named;

  bool empty() const { return unknown_count + disabled_count + too_small_count == 0; }
};

// Where an address leads, in the order in which it was followed.
struct ResolutionStep {
  enum class Kind {
    kAccount,        // takes the mail
    kAlias,          // leads to others
    kRemote,         // at another host
    kUnknown,        // nothing has the address
    kDisabled,       // an account that takes no mail
    kOverQuota,      // one that is full
    kQuotaTooSmall,  // one whose whole quota is smaller than the message
    kKnown           // an alias or account that was met before
  };
  std::string address;
  // The step whose target this is; -1: it is what was asked for.
  int led_by = -1;
  Kind kind = Kind::kUnknown;
  // What it was found under, where that is another address: without its tag, or the catch-all.
  std::string found_as;
  // Of an account.
  AccountId account;
};

// A way that is to be told: the first kMaxToldSteps of it.
struct ResolutionPath {
  std::vector<ResolutionStep> steps;
  size_t further_count = 0;
};

struct Resolution {
  enum class Outcome {
    kAccount,
    kAlias,
    kRemote,
    kUnknown,
    kDisabled,
    kOverQuota,
    kQuotaTooSmall,
    kSrsForged,  // written as an address made by SRS here, and was not
    kSrsExpired  // was made by SRS here, too long ago
  };
  Outcome outcome = Outcome::kUnknown;
  // For kAlias those at other hosts, and for kRemote the address itself, as RFC 5321 writes them; each once.
  std::vector<std::string> remote;
  // For kAccount and kAlias, without repetition: with those that are full, which get it later. For kOverQuota those that are
  // full, and for kDisabled those that are disabled.
  std::vector<AccountId> accounts;
  PassedOver passed_over;
};

// Used on one thread.
class RecipientResolver {
 public:
  // `postmaster`: an address, or empty. `steady`: only differences of its times mean something.
  RecipientResolver(engine::DirectoryEngine& engine, std::string postmaster,
                    const Clock& steady = Clock::Steady())
      : engine_(engine), postmaster_(std::move(postmaster)), steady_(steady) {}
  // Before the first use: addresses that SRS has made lead somewhere. It outlives this.
  void UseSrs(Srs& srs) { srs_ = &srs; }

  // FieldError "address" when it is no address. ResourceExhausted with kReasonAliasTooDeep when an alias is
  // too deep or too wide: temporary, so that no mail is lost until it is mended. Errors of the engine. A
  // mailbox is full when it has reached its quota, and too small when `message_bytes` is more than all of it. With `path`
  // the way is told too.
  Task<absl::StatusOr<Resolution>> Resolve(std::string address, int64_t message_bytes,
                                           ResolutionPath* path = nullptr);

  // Where a message for the address goes, whatever is in the mailboxes: they are judged when it is stored.
  Task<absl::StatusOr<Resolution>> ResolveDestinations(std::string address);

  // What Resolve gives, where it did so before and nothing has changed since.
  std::optional<Resolution> Remembered(absl::string_view address) const;

  // The account's address: from memory where nothing has changed since it was seen. Empty: there is no such
  // account.
  Task<absl::StatusOr<std::string>> AddressOf(AccountId account);

  // Whether `account` may use `sender` as reverse-path: its own address, tagged where the domain allows, or
  // an alias (a catch-all too) that leads to it. The null reverse-path is free to all (RFC 6409 section 6.1
  // does not restrict it; read receipts use it). FieldError "account" or "sender". NotFound: no such account.
  Task<absl::StatusOr<bool>> MaySendAs(std::string account, std::string sender);

 private:
  // An account that an address leads to: what is judged of it.
  struct Member {
    AccountId id;
    std::string address;
    bool disabled = false;
    int64_t quota_bytes = 0;
    int64_t quota_messages = 0;
    engine::MailboxUsage usage;

    bool has_quota() const { return quota_bytes != 0 || quota_messages != 0; }
  };
  // What an address leads to, all aliases followed.
  struct Expansion {
    std::vector<Member> members;  // each once
    // At other hosts; each once.
    std::vector<std::string> remote;
    bool through_alias = false;
    // The domain of the address itself is ours.
    bool ours = false;
    // Targets of aliases under which nothing was found, and the first of them.
    size_t unknown_count = 0;
    std::vector<std::string> unknown;
  };
  using SharedExpansion = std::shared_ptr<const Expansion>;
  // What is asked of the mailboxes.
  struct Demand {
    int64_t message_bytes = 0;
    // Not set: whatever is in them.
    bool room = true;
  };
  // One Expand under way.
  struct Following;

  Task<absl::StatusOr<Resolution>> Resolve(std::string address, Demand demand, ResolutionPath* path);
  Task<absl::StatusOr<SharedExpansion>> Expand(Address address, ResolutionPath* path = nullptr, int led_by = -1);
  // Of an address that SRS has made, or is said to have.
  Task<absl::StatusOr<Resolution>> ResolveSrs(Address address, Demand demand, ResolutionPath* path);
  // Of one account.
  static ResolutionStep::Kind JudgeMember(const Member& member, const Demand& demand);
  static Resolution Judge(const Expansion& expansion, const Demand& demand);
  // Says of the accounts of a path what would become of the mail.
  static void JudgePath(const Expansion& expansion, const Demand& demand, ResolutionPath* path);

  // For a domain whose own postmaster does not take the mail.
  Task<absl::StatusOr<Resolution>> ResolvePostmaster(std::string domain, Demand demand, ResolutionPath* path);
  // For postmaster without a domain.
  Task<absl::StatusOr<Resolution>> ResolveAnyPostmaster(Demand demand, ResolutionPath* path);
  Task<absl::StatusOr<Resolution>> FirstAccount(std::string domain, Demand demand, ResolutionPath* path);

  void Remember(const std::string& address, const Expansion& expansion, int64_t directory_version);
  // What leads to many mailboxes, for a moment: it costs reading each of them, and many recipients may lead there.
  void RememberWide(const std::string& alias, SharedExpansion expansion, int64_t directory_version);
  SharedExpansion RememberedWide(const std::string& alias) const;
  void RememberName(const Member& member, int64_t directory_version);
  // What is remembered of an address, quotas or not; null: nothing.
  struct Destinations;
  const Destinations* FindRemembered(absl::string_view address) const;

  // Void when the directory has another version.
  template <typename T>
  struct Memory {
    int64_t directory_version = 0;
    T value;
  };
  struct Destinations {
    Resolution resolution;
    // Whether a mailbox of it may be full: then Resolve looks each time.
    bool has_quota = false;
  };
  struct Wide {
    SharedExpansion expansion;
    absl::Time until;
  };

  engine::DirectoryEngine& engine_;
  const std::string postmaster_;
  const Clock& steady_;
  // Null: there is no SRS.
  Srs* srs_ = nullptr;
  // By the address as it was asked for.
  absl::flat_hash_map<std::string, Memory<Destinations>> resolutions_;
  absl::flat_hash_map<AccountId, Memory<std::string>> names_;
  // By the alias that an address leads to first.
  absl::flat_hash_map<std::string, Memory<Wide>> wide_;
  size_t wide_members_ = 0;
};

// "postmaster" as a local part, or as an address without a domain.
bool IsPostmaster(absl::string_view text);

}  // namespace mailstead::stored
