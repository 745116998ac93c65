// How RocksDB is set up: memory, files, compression, blobs.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include <cstddef>
#include <memory>

#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"

namespace mailstead::engine {

// Of all families.
std::shared_ptr<rocksdb::Cache> NewBlockCache(size_t bytes);
rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options, rocksdb::Env& env);
rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const RocksDbOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace mailstead::engine
