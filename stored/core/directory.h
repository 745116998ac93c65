// Domains, accounts and aliases: what operators may ask for, whatever the engine.
//
// Errors of all calls: FieldError that names the request's field; those that stored/engine/engine.h gives for
// the verb, with a reason. Used on the executor's thread; passwords are hashed on the pool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/details.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "stored/core/login_changes.h"
#include "stored/core/password.h"
#include "stored/engine/engine.h"
#include "stored/rules/sight.h"

namespace mailstead::stored {

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

struct NewDomain {
  std::string name;
  bool plus_addressing = true;
  absl::Duration undelete_window;
  absl::Duration retention;
  engine::MtaSts mta_sts = engine::MtaSts::kOff;
  // What whoever read the request has found wrong with it already: told together with the rest.
  Violations wrong;
};

// A change of the domain `name`; an absent member stays as it is.
struct DomainUpdate {
  std::string name;
  // 0: of any version.
  int64_t expected_version = 0;
  std::optional<bool> plus_addressing;
  std::optional<absl::Duration> undelete_window;
  std::optional<absl::Duration> retention;
  std::optional<engine::MtaSts> mta_sts;
  // As of NewDomain.
  Violations wrong;
};

struct NewAccount {
  std::string address;
  bool disabled = false;
  int64_t quota_bytes = 0;
  int64_t quota_messages = 0;
  std::optional<absl::Duration> retention;
  Password password;
  // As of NewDomain.
  Violations wrong;
};

// A change of the account that `account` names, by its address or id; an absent member stays as it is.
struct AccountUpdate {
  std::string account;
  // 0: of any version.
  int64_t expected_version = 0;
  std::optional<std::string> address;
  std::optional<bool> disabled;
  std::optional<int64_t> quota_bytes;
  std::optional<int64_t> quota_messages;
  std::optional<std::optional<absl::Duration>> retention;
  // As of NewDomain.
  Violations wrong;
};

class Directory {
 public:
  // `changes` is told of what ends logins; null: nobody is.
  Directory(engine::DirectoryEngine& engine, const Clock& clock, uint32_t scram_iterations,
            WorkerPool& hash_pool, Executor& executor, LoginChanges* changes = nullptr)
      : engine_(engine),
        clock_(clock),
        scram_iterations_(scram_iterations),
        hash_pool_(hash_pool),
        executor_(executor),
        changes_(changes) {}

  // All fields that are wrong are told at once, here and below: with `wrong`, what whoever read the request has found already.
  Task<absl::StatusOr<engine::Domain>> CreateDomain(NewDomain domain);
  Task<absl::StatusOr<engine::Domain>> GetDomain(std::string name);
  // Lists give what is in `sight`, which outlives the Task; a domain as the filter that is not in it is not found.
  Task<absl::StatusOr<Page<engine::Domain>>> ListDomains(PageRequest page,
                                                         const rules::Sight& sight = rules::WholeSight());
  Task<absl::StatusOr<engine::Domain>> UpdateDomain(DomainUpdate update);
  Task<absl::Status> DeleteDomain(std::string name, int64_t expected_version);

  Task<absl::StatusOr<engine::Account>> CreateAccount(NewAccount account);
  // A result for each. FieldError "requests" as a whole when there are more than kMaxBatchAccounts.
  Task<absl::StatusOr<std::vector<absl::StatusOr<engine::Account>>>> CreateAccounts(
      std::vector<NewAccount> accounts);
  // `account` is an address or an id, here and below; the errors name the field "account".
  Task<absl::StatusOr<engine::Account>> GetAccount(std::string account);
  Task<absl::StatusOr<Page<engine::Account>>> ListAccounts(PageRequest page, std::string domain,
                                                           const rules::Sight& sight = rules::WholeSight());
  Task<absl::StatusOr<engine::Account>> UpdateAccount(AccountUpdate update);
  Task<absl::StatusOr<engine::Account>> SetPassword(std::string account, Password password);
  Task<absl::Status> DeleteAccount(AccountId account, int64_t expected_version);

  Task<absl::StatusOr<engine::Alias>> CreateAlias(std::string address, std::vector<std::string> targets);
  Task<absl::StatusOr<engine::Alias>> GetAlias(std::string address);
  Task<absl::StatusOr<Page<engine::Alias>>> ListAliases(PageRequest page, std::string domain,
                                                        const rules::Sight& sight = rules::WholeSight());
  Task<absl::StatusOr<engine::Alias>> UpdateAlias(std::string address, int64_t expected_version,
                                                  std::vector<std::string> targets, Violations wrong = {});
  Task<absl::Status> DeleteAlias(std::string address, int64_t expected_version);

  // Of its mailbox (rules/retention.h); 0: for ever.
  Task<absl::StatusOr<absl::Duration>> MailboxRetention(const engine::Account& account);
  // The shortest that a domain or an account has; 0: none has one. As it was learned before the first call and after each
  // change: it never waits.
  absl::Duration least_retention() const { return least_retention_; }
  Task<absl::Status> LearnLeastRetention();

 private:
  absl::StatusOr<engine::Account> Prepare(const NewAccount& account) const;
  Task<absl::Status> HashPasswords(const std::vector<NewAccount>& accounts,
                                   std::vector<absl::StatusOr<engine::Account>>& results);
  Task<absl::StatusOr<engine::Place>> LookUp(std::string key);
  // The domain of a list's filter in the form of a key; empty for none. NotFound.
  Task<absl::StatusOr<std::string>> FindFilter(std::string domain, const rules::Sight& sight);
  // The accounts that are seen by themselves and not by their domain, sorted by address.
  Task<absl::StatusOr<std::vector<engine::Account>>> FindSingle(const rules::Sight& sight);
  // After each change that may be one of a retention.
  Task<void> NoteRetentionChange();
  void NoteLoginChange(AccountId account) {
    if (changes_ != nullptr) changes_->Note(account);
  }

  engine::DirectoryEngine& engine_;
  const Clock& clock_;
  const uint32_t scram_iterations_;
  WorkerPool& hash_pool_;
  Executor& executor_;
  LoginChanges* const changes_;
  absl::Duration least_retention_;
};

}  // namespace mailstead::stored
