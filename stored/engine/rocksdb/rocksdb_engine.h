// The embedded engine: RocksDB in one folder of one process. docs/storage-format.md describes what is on
// disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/random.h"
#include "stored/engine/engine.h"
#include "stored/rules/queue.h"

namespace rocksdb {
class Env;
}

namespace mailstead::engine {

// What one write to the database was.
struct WriteWork {
  // Keys that were put or deleted.
  size_t records = 0;
  size_t bytes = 0;
  // It was reported when it was on disk.
  bool synced = false;
  // The sync, and whatever held it up, included.
  absl::Duration took;
};

struct RocksDbOptions {
  // Made when it is not there. Its parent must exist.
  std::string path;
  // Blocks of the index and of bodies that were read lately.
  size_t block_cache_bytes = size_t{64} << 20;
  // What was written lately and is in memory as well as in the log, in all; at most twice this for moments.
  size_t write_buffer_bytes = size_t{64} << 20;
  // Open files, in addition to the logs.
  int max_open_files = 1000;
  // Below this many free bytes on the file system new mail and accounts are refused (deletions are not).
  uint64_t min_free_bytes = uint64_t{128} << 20;
  // Changes that wait for the writer: more are refused with ResourceExhausted.
  size_t max_waiting_changes = 20'000;
  size_t max_waiting_bytes = size_t{64} << 20;
  // Where coroutines go on that waited for the engine. Not null; outlives the engine.
  Executor* executor = nullptr;
  // Threads that read what is not in memory, and how many calls may wait for them.
  size_t reader_threads = 2;
  size_t max_waiting_reads = 20'000;
  // Up to so many messages are deleted by the commit that is asked to; of more it only notes that they are deleted, and
  // they are taken away afterwards.
  size_t max_deleted_at_once = 128;
  // Entries, receipts or chunks that go in one step of what is taken away afterwards.
  size_t max_reclaimed_at_once = 128;
  // After each such step it rests for so many times as long as the step took; 0: not at all.
  int reclaim_rest = 2;
  // How often leases and the state of the disk are looked at, and what was left to be taken away.
  absl::Duration maintenance_interval = absl::Seconds(1);
  // Dates of what is stored, the login delay and the age of receipts.
  const Clock* clock = &Clock::System();
  // For leases; null: a clock that never jumps.
  const Clock* lease_clock = nullptr;
  rules::QueuePolicy queue_policy;
  // What rules::NextAttemptTime throws; on any thread, one at a time.
  std::function<double()> dice = RandomFraction;
  // Where backups are, each in a folder that is named as it; empty: there are none. Must exist when one is made, so that a
  // disk that is not mounted gets none. On the file system of `path` they share its files.
  std::string backup_path;
  // Null: the machine's files. Outlives the engine.
  rocksdb::Env* env = nullptr;
  // Called after each write, on the thread that made it; quick.
  std::function<void(const WriteWork&)> on_write;
};

// Blocks. FailedPrecondition: a store of another schema version (the message names both), or no store; DataLoss: damaged;
// Unavailable: cannot be read or written, or another process has it open; ResourceExhausted with kReasonDiskFull.
absl::StatusOr<std::unique_ptr<Engine>> OpenRocksDbEngine(RocksDbOptions options);

}  // namespace mailstead::engine
