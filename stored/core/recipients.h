// Where mail for an address goes, and who may send as an address.
//
// An address of a domain that is ours is looked up in this order:
//   1. the account, then the alias, with exactly this address (ASCII letters without case)
//   2. if the domain has plus addressing: the same for the address without its tag (what follows the first '+')
//   3. the domain's catch-all, the alias "@domain"
// Aliases lead to further addresses, which are looked up alike, at most kMaxAliasDepth deep and
// kMaxAliasTargets wide. Each is followed once, so that circles are harmless. All addresses of one depth are
// one round trip to the engine.
//
// An alias with several targets:
//   - one target away from here makes the whole address remote: taking the mail for the others only would
//     lose a copy
//   - targets that do not exist or are disabled are passed over; so are mailboxes over quota as long as another
//     mailbox takes the mail, since one full mailbox must not stop a list
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
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/task.h"
#include "common/mail/address.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

struct Resolution {
  enum class Outcome { kAccount, kAlias, kRemote, kUnknown, kDisabled, kOverQuota };
  Outcome outcome = Outcome::kUnknown;
  // For kAccount and kAlias, without repetition. For kOverQuota those that are full, for information.
  std::vector<AccountId> accounts;
};

// Used on one thread.
class RecipientResolver {
 public:
  // `postmaster`: an address, or empty.
  RecipientResolver(engine::DirectoryEngine& engine, std::string postmaster)
      : engine_(engine), postmaster_(std::move(postmaster)) {}

  // FieldError "address" when it is no address. ResourceExhausted with kReasonAliasTooDeep when an alias is
  // too deep or too wide: temporary, so that no mail is lost until it is mended. Errors of the engine. A
  // mailbox is over quota when it has reached it, or when `message_bytes` is more than its whole quota.
  Task<absl::StatusOr<Resolution>> Resolve(std::string address, int64_t message_bytes);

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
  // What an address leads to, all aliases followed.
  struct Expansion {
    std::vector<engine::Account> accounts;  // each once
    bool through_alias = false;
    bool leads_away = false;
    // The domain of the address itself is ours.
    bool ours = false;
  };
  // One Expand under way.
  struct Following;

  Task<absl::StatusOr<Expansion>> Expand(Address address);
  Resolution Judge(const Expansion& expansion, int64_t message_bytes) const;

  // For a domain whose own postmaster does not take the mail.
  Task<absl::StatusOr<Resolution>> ResolvePostmaster(std::string domain, int64_t message_bytes);
  // For postmaster without a domain.
  Task<absl::StatusOr<Resolution>> ResolveAnyPostmaster(int64_t message_bytes);
  Task<absl::StatusOr<Resolution>> FirstAccount(std::string domain, int64_t message_bytes);

  void Remember(const std::string& address, const Expansion& expansion, const Resolution& resolution,
                int64_t directory_version);
  void RememberName(const engine::Account& account, int64_t directory_version);

  // Void when the directory has another version.
  template <typename T>
  struct Memory {
    int64_t directory_version = 0;
    T value;
  };

  engine::DirectoryEngine& engine_;
  const std::string postmaster_;
  // By the address as it was asked for.
  absl::flat_hash_map<std::string, Memory<Resolution>> resolutions_;
  absl::flat_hash_map<AccountId, Memory<std::string>> names_;
};

// "postmaster" as a local part, or as an address without a domain.
bool IsPostmaster(absl::string_view text);

}  // namespace mailstead::stored
