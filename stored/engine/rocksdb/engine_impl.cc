#include "stored/engine/rocksdb/engine_impl.h"

#include <rocksdb/env.h>

#include <utility>

#include "common/base/status.h"
#include "stored/engine/rocksdb/log_files.h"

namespace mailstead::store {

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksDbEngine(RocksDbOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RocksDbEngine> engine, RocksDbEngine::Open(std::move(options)));
  return std::unique_ptr<Engine>(std::move(engine));
}

RocksDbEngine::RocksDbEngine(RocksDbOptions options)
    : options_(std::move(options)),
      clock_(*options_.clock),
      lease_clock_(options_.lease_clock != nullptr ? *options_.lease_clock : steady_clock_),
      env_(rocksdb::NewCompositeEnv(std::make_shared<LogFileSystem>(
          (options_.env != nullptr ? options_.env : rocksdb::Env::Default())->GetFileSystem()))),
      health_(*env_, options_.path, options_.min_free_bytes, lease_clock_),
      leases_(lease_clock_) {}

absl::StatusOr<std::unique_ptr<RocksDbEngine>> RocksDbEngine::Open(RocksDbOptions options) {
  std::unique_ptr<RocksDbEngine> engine(new RocksDbEngine(std::move(options)));
  const RocksDbOptions& limits = engine->options_;
  ASSIGN_OR_RETURN(engine->database_, Database::Open(limits, *engine->env_, engine->health_));
  RETURN_IF_ERROR(engine->LoadLeases());
  engine->listers_ = std::make_unique<WorkerPool>(limits.reader_threads, limits.max_waiting_listings);
  engine->writer_ = std::make_unique<Writer>(*engine->database_, limits.max_waiting_changes,
                                             limits.max_waiting_bytes, limits.around_callbacks);
  engine->upkeep_thread_ = std::thread([raw = engine.get()] { raw->Maintain(); });
  return engine;
}

RocksDbEngine::~RocksDbEngine() {
  {
    absl::MutexLock lock(&upkeep_mutex_);
    stopping_ = true;
  }
  if (upkeep_thread_.joinable()) upkeep_thread_.join();
  // The writer hands listings to the listers, and a listing that fails hands a release to the writer, which
  // by then only refuses it.
  if (writer_ != nullptr) writer_->Stop();
  listers_.reset();
  writer_.reset();
  // Where it fails the next start knows a little less.
  if (database_ != nullptr) database_->NoteAcknowledged().IgnoreError();
}

absl::Status Scan(
    const Database::Use& use, const rocksdb::Snapshot* snapshot, Family family, absl::string_view first,
    absl::string_view end,
    absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)> visit) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  const rocksdb::Slice bound = ToSlice(end);
  if (!end.empty()) options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(use.db().NewIterator(options, use.family(family)));
  for (it->Seek(ToSlice(first)); it->Valid(); it->Next()) {
    ASSIGN_OR_RETURN(const bool go_on, visit(ToView(it->key()), ToView(it->value())));
    if (!go_on) return absl::OkStatus();
  }
  return FromRocksDb(it->status());
}

}  // namespace mailstead::store
