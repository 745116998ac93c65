// A store in memory, and core over it, for tests that read from top to bottom: each call waits for its Task.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/worker_pool.h"
#include "stored/core/directory.h"
#include "stored/engine/engine.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {

// Directory, call by call.
class BlockingDirectory {
 public:
  explicit BlockingDirectory(Directory& directory) : directory_(directory) {}

  auto CreateDomain(std::string name, bool plus_addressing) {
    return BlockOn(directory_.CreateDomain({std::move(name), plus_addressing, {}, {}}));
  }
  auto GetDomain(std::string name) { return BlockOn(directory_.GetDomain(std::move(name))); }
  auto ListDomains(PageRequest page) { return BlockOn(directory_.ListDomains(std::move(page))); }
  auto UpdateDomain(std::string name, bool plus_addressing, int64_t expected_version = 0) {
    return BlockOn(directory_.UpdateDomain({std::move(name), expected_version, plus_addressing, {}, {}}));
  }
  auto DeleteDomain(std::string name, int64_t expected_version = 0) {
    return BlockOn(directory_.DeleteDomain(std::move(name), expected_version));
  }
  auto CreateAccount(NewAccount account) { return BlockOn(directory_.CreateAccount(std::move(account))); }
  auto CreateAccounts(std::vector<NewAccount> accounts) {
    return BlockOn(directory_.CreateAccounts(std::move(accounts)));
  }
  auto GetAccount(std::string account) { return BlockOn(directory_.GetAccount(std::move(account))); }
  auto ListAccounts(PageRequest page, std::string domain) {
    return BlockOn(directory_.ListAccounts(std::move(page), std::move(domain)));
  }
  auto UpdateAccount(AccountUpdate update) { return BlockOn(directory_.UpdateAccount(std::move(update))); }
  absl::Status SetPassword(std::string account, Password password) {
    return BlockOn(directory_.SetPassword(std::move(account), std::move(password))).status();
  }
  // By the account's name, as an operator does it.
  absl::Status DeleteAccount(std::string account, int64_t expected_version = 0) {
    const auto found = GetAccount(std::move(account));
    return found.ok() ? BlockOn(directory_.DeleteAccount(found->id, expected_version)) : found.status();
  }
  auto CreateAlias(std::string address, std::vector<std::string> targets) {
    return BlockOn(directory_.CreateAlias(std::move(address), std::move(targets)));
  }
  auto GetAlias(std::string address) { return BlockOn(directory_.GetAlias(std::move(address))); }
  auto ListAliases(PageRequest page, std::string domain) {
    return BlockOn(directory_.ListAliases(std::move(page), std::move(domain)));
  }
  auto UpdateAlias(std::string address, std::vector<std::string> targets, int64_t expected_version = 0) {
    return BlockOn(directory_.UpdateAlias(std::move(address), expected_version, std::move(targets)));
  }
  auto DeleteAlias(std::string address, int64_t expected_version = 0) {
    return BlockOn(directory_.DeleteAlias(std::move(address), expected_version));
  }

 private:
  Directory& directory_;
};

// A directory that is away.
class AwayDirectory : public engine::DirectoryEngine {
 public:
  Task<absl::StatusOr<std::vector<engine::Place>>> LookUp(std::vector<std::string>) override {
    co_return Away();
  }
  Task<absl::StatusOr<engine::Account>> FindAccount(AccountId) override { co_return Away(); }
  Task<absl::StatusOr<std::vector<engine::Domain>>> ListDomains(std::string, size_t) override {
    co_return Away();
  }
  Task<absl::StatusOr<std::vector<engine::Account>>> ListAccounts(std::string, std::string, size_t) override {
    co_return Away();
  }
  Task<absl::StatusOr<std::vector<engine::Alias>>> ListAliases(std::string, std::string, size_t) override {
    co_return Away();
  }
  Task<std::vector<absl::StatusOr<engine::DirectoryEntry>>> Create(
      std::vector<engine::DirectoryEntry>) override {
    co_return std::vector<absl::StatusOr<engine::DirectoryEntry>>();
  }
  Task<absl::StatusOr<engine::DirectoryEntry>> Update(engine::DirectoryChange) override { co_return Away(); }
  Task<absl::Status> Delete(engine::DirectoryKey, int64_t) override { co_return Away(); }
  Task<absl::StatusOr<absl::Duration>> LeastRetention() override { co_return Away(); }
  int64_t Version() const override { return 0; }

 private:
  static absl::Status Away() { return absl::UnavailableError("away"); }
};

// Counts what it is asked.
class CountingDirectory : public AwayDirectory {
 public:
  explicit CountingDirectory(engine::DirectoryEngine& under) : under_(under) {}
  Task<absl::StatusOr<std::vector<engine::Place>>> LookUp(std::vector<std::string> addresses) override {
    ++look_ups;
    return under_.LookUp(std::move(addresses));
  }
  Task<absl::StatusOr<engine::Account>> FindAccount(AccountId id) override {
    ++finds;
    return under_.FindAccount(id);
  }
  int64_t Version() const override { return under_.Version(); }

  int look_ups = 0;
  int finds = 0;

 private:
  engine::DirectoryEngine& under_;
};

// What tests of core stand on. Verbs of the engine end at once.
class StoreTest : public testing::Test {
 protected:
  static constexpr uint32_t kIterations = 4096;

  FakeClock clock_;
  ThreadExecutor executor_;
  WorkerPool hash_pool_{2, 100};
  std::shared_ptr<engine::MemoryStore> store_ = std::make_shared<engine::MemoryStore>();
  std::unique_ptr<engine::Engine> engine_ =
      engine::OpenMemoryEngine({.store = store_, .clock = &clock_, .lease_clock = &Clock::Steady()});
  Directory async_directory_{engine_->directory(), clock_, kIterations, hash_pool_, executor_};
  BlockingDirectory directory_{async_directory_};
};

}  // namespace mailstead::stored
