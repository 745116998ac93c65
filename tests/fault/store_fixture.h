// What the fault tests of the RocksDB engine share: a store on a FaultyFileSystem, its verbs as blocking
// calls, and a check of everything that must be true of its records.
#pragma once

#include <rocksdb/env.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/fault/faulty_file_system.h"
#include "tests/support/block_on.h"
#include "tests/support/sync_engine.h"

namespace mailstead::engine {

class FaultyStore {
 public:
  FaultyStore();
  ~FaultyStore();

  FaultyFileSystem& files() { return *files_; }
  rocksdb::Env& env() { return *env_; }
  const std::string& path() const { return path_; }
  // As the tests open it: small buffers, so that files change often, and small steps, so that most deletions are taken away
  // in several.
  RocksDbOptions options();
  // CHECKs that it opens.
  void Open();
  absl::Status TryOpen();
  void Close() { engine_.reset(); }
  SyncEngine engine() { return SyncEngine(*engine_); }
  // The facets, for what is not to block.
  Engine& facets() { return *engine_; }
  // Changes the options of what is opened from now on.
  void SetTweak(std::function<void(RocksDbOptions&)> tweak) { tweak_ = std::move(tweak); }

  // Waits for at most ten seconds.
  bool BecomesHealthy();

 private:
  std::string path_;
  std::function<void(RocksDbOptions&)> tweak_;
  std::shared_ptr<FaultyFileSystem> files_;
  std::unique_ptr<rocksdb::Env> env_;
  ThreadExecutor executor_;
  std::unique_ptr<Engine> engine_;
};

std::string Sha256(absl::string_view bytes);
std::string RandomText(size_t size, uint32_t seed);

AccountId MakeAccount(SyncEngine engine, absl::string_view address);
absl::StatusOr<Receipt> Append(SyncEngine engine, absl::string_view delivery_id,
                               const std::vector<AccountId>& mailboxes, const std::string& content);
// `content` in a body of its own, which is not appended yet.
absl::StatusOr<std::unique_ptr<BodyWriter>> Stage(SyncEngine engine, const std::string& content);
// With a body that holds `content`.
absl::StatusOr<Receipt> AppendBody(SyncEngine engine, absl::string_view delivery_id,
                                   const std::vector<AccountId>& mailboxes, const std::string& content,
                                   std::unique_ptr<BodyWriter> body);
// Through a BodyWriter.
absl::StatusOr<Receipt> AppendStaged(SyncEngine engine, absl::string_view delivery_id,
                                     const std::vector<AccountId>& mailboxes, const std::string& content);
// By a session that is named as the lease.
absl::StatusOr<OpenedMaildrop> OpenMaildrop(SyncEngine engine, AccountId mailbox, absl::string_view lease_id);
absl::Status CommitMaildrop(SyncEngine engine, AccountId mailbox, absl::string_view lease_id, LockToken token,
                            std::vector<MessageId> deletions);
// Content without prefix and trace.
absl::StatusOr<std::string> Fetch(SyncEngine engine, AccountId mailbox, MessageId message);

// Opens the closed store and compares all families with one another: counters with entries, body_ref with
// entries, chunks with body_ref, nothing left over but what is still to be taken away. Empty when all is well, else a line for each difference.
std::string CheckRecords(const RocksDbOptions& options, rocksdb::Env& env);
// Opens the closed store and counts the keys of a family. -1: it cannot be read.
int64_t CountKeys(const RocksDbOptions& options, rocksdb::Env& env, Family family);

}  // namespace mailstead::engine
