// Where mail for an address goes, and who may send as an address.
//
// An address of a domain that is ours is looked up in this order:
//   1. the account, then the alias, with exactly this address (ASCII letters without case)
//   2. if the domain has plus addressing: the same for the address without its tag (what follows the first
//   '+')
//   3. the domain's catch-all, the alias "@domain"
// Aliases lead to further addresses, which are looked up alike, at most kMaxAliasDepth deep and
// kMaxAliasTargets wide. Each is followed once, so that circles are harmless.
//
// An alias with several targets:
//   - one target away from here makes the whole address remote: taking the mail for the others only would
//   lose a copy
//   - targets that do not exist or are disabled are passed over; so are mailboxes over quota as long as
//   another mailbox
//     takes the mail, since one full mailbox must not stop a list
//   - when no mailbox is left: over quota (temporary) if a target is, else disabled if one is, else unknown
//
// Postmaster (RFC 5321 section 4.5.1): mail for postmaster, without a domain or in any domain of ours, is
// taken as long as there is an account that takes mail. It goes to what the address leads to; else to the
// operator's --postmaster; else to the first account of the domain; else to the first account of all. "First"
// is by domain, then local part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/text/address.h"
#include "stored/engine/engine.h"

namespace mailstead::store {

struct Resolution {
  enum class Outcome { kLocal, kAlias, kRemote, kUnknown, kDisabled, kOverQuota };
  Outcome outcome = Outcome::kUnknown;
  // For kLocal and kAlias, without repetition. For kOverQuota those that are full, for information.
  std::vector<MailboxId> mailboxes;
};

// Thread-safe. Blocks on the engine.
class RecipientResolver {
 public:
  // `postmaster`: an address, or empty.
  RecipientResolver(Engine& engine, std::string postmaster)
      : engine_(engine), postmaster_(std::move(postmaster)) {}

  // FieldError "address" when it is no address. ResourceExhausted when an alias is too deep or too wide:
  // temporary, so that no mail is lost until it is mended. Errors of the engine. A mailbox is over quota when
  // it has reached it, or when `message_bytes` is more than its whole quota.
  absl::StatusOr<Resolution> Resolve(absl::string_view address, uint64_t message_bytes);

  // What Resolve gives, where it did so before and nothing has changed since. Never blocks.
  std::optional<Resolution> Remembered(absl::string_view address) const;

  // Whether `account` may use `sender` as reverse-path: its own address, tagged where the domain allows, or
  // an alias (a catch-all too) that leads to it. The null reverse-path is free to all (RFC 6409 section 6.1
  // does not restrict it; read receipts use it). FieldError "account" or "sender". NotFound: no such account.
  absl::StatusOr<bool> MaySendAs(absl::string_view account, absl::string_view sender);

 private:
  // What an address leads to, all aliases followed.
  struct Expansion {
    std::vector<Account> accounts;  // each once
    bool through_alias = false;
    bool leads_away = false;
  };
  struct Place;

  absl::StatusOr<Place> Look(const Address& address);
  absl::StatusOr<Place> LookExactly(const Address& address);
  absl::StatusOr<Expansion> Expand(const Address& address);
  absl::StatusOr<Resolution> Judge(const Expansion& expansion, uint64_t message_bytes);
  absl::StatusOr<bool> IsOverQuota(const Account& account, uint64_t message_bytes);

  absl::StatusOr<Resolution> ResolvePostmaster(absl::string_view domain, uint64_t message_bytes);
  absl::StatusOr<Resolution> ResolveAnyPostmaster(uint64_t message_bytes);
  absl::StatusOr<Resolution> FirstAccount(absl::string_view domain, uint64_t message_bytes);

  void Remember(absl::string_view address, const Expansion& expansion, const Resolution& resolution,
                uint64_t directory_version);

  struct Memory {
    uint64_t directory_version;
    Resolution resolution;
  };

  Engine& engine_;
  const std::string postmaster_;
  mutable absl::Mutex memory_mutex_;
  // By the address as it was asked for.
  absl::flat_hash_map<std::string, Memory> memory_ ABSL_GUARDED_BY(memory_mutex_);
};

// "postmaster" as a local part, or as an address without a domain.
bool IsPostmaster(absl::string_view text);

}  // namespace mailstead::store
