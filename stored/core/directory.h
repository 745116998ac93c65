// Domains, accounts and aliases: what operators may ask for, whatever the engine.
//
// Errors of all calls: FieldError naming the request's field; those that stored/engine/engine.h gives for the
// verb. Thread-safe. Blocks on the engine, and hashes passwords.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/worker_pool.h"
#include "stored/core/password.h"
#include "stored/engine/engine.h"

namespace mailstead::store {

struct PageRequest {
  int32_t page_size = 0;
  std::string page_token;
};

template <typename T>
struct Page {
  std::vector<T> items;
  // Empty on the last page.
  std::string next_page_token;
};

struct NewAccount {
  std::string address;
  bool disabled = false;
  uint64_t quota_bytes = 0;
  uint64_t quota_messages = 0;
  Password password;
};

struct AccountUpdate {
  std::string address;
  // Absent: as it is.
  std::optional<bool> disabled;
  std::optional<uint64_t> quota_bytes;
  std::optional<uint64_t> quota_messages;
};

struct AccountDetails {
  Account account;
  MailboxUsage usage;
};

class Directory {
 public:
  // `hash_pool` hashes the passwords of a batch on all cores; calls into the directory must not run on it.
  Directory(Engine& engine, const Clock& clock, uint32_t scram_iterations, WorkerPool& hash_pool)
      : engine_(engine), clock_(clock), scram_iterations_(scram_iterations), hash_pool_(hash_pool) {}

  absl::StatusOr<Domain> CreateDomain(absl::string_view name, bool plus_addressing);
  absl::StatusOr<Domain> GetDomain(absl::string_view name);
  absl::StatusOr<Page<Domain>> ListDomains(const PageRequest& page);
  absl::StatusOr<Domain> UpdateDomain(absl::string_view name, std::optional<bool> plus_addressing);
  absl::Status DeleteDomain(absl::string_view name);

  absl::StatusOr<Account> CreateAccount(const NewAccount& account);
  // A result for each. FieldError "requests" as a whole when there are more than kMaxBatchAccounts.
  absl::StatusOr<std::vector<absl::StatusOr<Account>>> CreateAccounts(
      const std::vector<NewAccount>& accounts);
  absl::StatusOr<AccountDetails> GetAccount(absl::string_view address);
  absl::StatusOr<Page<AccountDetails>> ListAccounts(const PageRequest& page, absl::string_view domain);
  absl::StatusOr<AccountDetails> UpdateAccount(const AccountUpdate& update);
  absl::Status SetPassword(absl::string_view address, const Password& password);
  absl::Status DeleteAccount(absl::string_view address);

  absl::StatusOr<Alias> CreateAlias(absl::string_view address, const std::vector<std::string>& targets);
  absl::StatusOr<Alias> GetAlias(absl::string_view address);
  absl::StatusOr<Page<Alias>> ListAliases(const PageRequest& page, absl::string_view domain);
  absl::StatusOr<Alias> UpdateAlias(absl::string_view address,
                                    const std::optional<std::vector<std::string>>& targets);
  absl::Status DeleteAlias(absl::string_view address);

 private:
  absl::StatusOr<Account> Prepare(const NewAccount& account) const;
  absl::StatusOr<AccountDetails> WithUsage(Account account);

  Engine& engine_;
  const Clock& clock_;
  const uint32_t scram_iterations_;
  WorkerPool& hash_pool_;
};

}  // namespace mailstead::store
