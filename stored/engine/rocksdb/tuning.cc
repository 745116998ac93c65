#include "stored/engine/rocksdb/tuning.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>

namespace mailstead::engine {
namespace {

constexpr uint64_t kBlobFileBytes = uint64_t{64} << 20;
// Smaller bodies stay in the tables: a blob of its own costs a read more than it saves in compaction.
constexpr uint64_t kMinBlobBytes = 2048;
// Of the cache. In smaller ones a few large blocks push out all the rest; more than sixteen shards gain nothing here.
constexpr size_t kMinShardBytes = size_t{8} << 20;
constexpr int kMaxShardBits = 4;

}  // namespace

std::shared_ptr<rocksdb::Cache> NewBlockCache(size_t bytes) {
  int shard_bits = 0;
  while (shard_bits < kMaxShardBits && (bytes >> (shard_bits + 1)) >= kMinShardBytes) ++shard_bits;
  return rocksdb::NewLRUCache(bytes, shard_bits);
}

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options, rocksdb::Env& env) {
  rocksdb::DBOptions db;
  db.env = &env;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;

  // A commit spans families, and these are flushed one by one; that is sound without atomic_flush (which in
  // this version can fail an assertion when a flush fails): before a family's flush counts, RocksDB syncs the
  // logs it relies on, and after a failed write nothing is flushed any more until all families have replayed
  // the same log (Database::Recover). After a power cut the log's tail may be torn anywhere behind the last
  // sync, also in its middle where the file system wrote out of order. Replay stops at the first bad record;
  // every acknowledged one is before it. A store whose tables hold newer data than what could be replayed is
  // refused as damaged.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.recycle_log_file_num = 0;
  db.max_total_wal_size = 4 * std::max<uint64_t>(options.write_buffer_bytes, uint64_t{16} << 20);
  // Bodies of large messages are written without sync: spread their way to the disk, so that the commit's
  // sync is short.
  db.wal_bytes_per_sync = uint64_t{1} << 20;
  db.bytes_per_sync = uint64_t{1} << 20;

  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_open_files = options.max_open_files;
  db.max_background_jobs = 2;
  db.max_subcompactions = 1;
  // Recovery from errors is ours (Database::Recover): one place decides.
  db.max_bgerror_resume_count = 0;

  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.max_log_file_size = size_t{4} << 20;
  db.keep_log_file_num = 4;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const RocksDbOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions result;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  // Indexes and filters count to the cache, so that memory does not grow with the store; in parts of a block each: in one piece
  // those of a large table are as large as a shard of the cache and push each other out, and each Get reads one anew.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_cache_options.top_level_index_pinning = rocksdb::PinningTier::kAll;
  table.metadata_cache_options.partition_pinning = rocksdb::PinningTier::kNone;
  table.metadata_cache_options.unpartitioned_pinning = rocksdb::PinningTier::kFlushedAndSimilar;
  table.enable_index_compression = false;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  result.write_buffer_size = options.write_buffer_bytes;
  // Each family has a block or two, however little is in it: all of them together are to be a part of the memory for writes.
  result.arena_block_size =
      std::clamp<size_t>(options.write_buffer_bytes / 64, size_t{4} << 10, size_t{1} << 20);
  // What is looked up most, and mostly not in the memtable. Not for all: each filter is a part of the memory for writes.
  if (family == Family::kDirectory || family == Family::kMessage) {
    result.memtable_whole_key_filtering = true;
    result.memtable_prefix_bloom_size_ratio = 0.02;
  }
  // Keys of each kind come mostly in their order, and those of several by turns: each kind's next one is looked for where
  // its last one is.
  if (family == Family::kQueue || family == Family::kDelivery || family == Family::kChange) {
    result.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  }
  // Read often and in small pieces; what is large comes packed (chunk_codec.h).
  result.compression = rocksdb::kLZ4Compression;
  result.target_file_size_base = uint64_t{32} << 20;
  result.level_compaction_dynamic_level_bytes = true;
  // What was deleted gives its space back soon: tables with many deletions are compacted first.
  result.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(/*sliding_window_size=*/1024, /*deletion_trigger=*/512,
                                                    /*deletion_ratio=*/0.5));

  if (family == Family::kBody) {
    result.enable_blob_files = true;
    result.min_blob_size = kMinBlobBytes;
    result.blob_file_size = kBlobFileBytes;
    result.compression = rocksdb::kNoCompression;
    result.blob_compression_type = rocksdb::kNoCompression;
    // A blob file without live bodies is deleted; of the older half, files that are half garbage are
    // rewritten.
    result.enable_blob_garbage_collection = true;
    result.blob_garbage_collection_age_cutoff = 0.5;
    result.blob_garbage_collection_force_threshold = 0.5;
  }
  return result;
}

}  // namespace mailstead::engine
