// The file "acknowledged" beside the database: the last sequence number of RocksDB that is known to be
// synced. A log that replays to less has lost acknowledged mail: RocksDB alone cannot tell that from the torn
// tail of a power cut.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}

namespace mailstead::engine {

// What was noted; 0 without the file. DataLoss when it holds no number.
absl::StatusOr<uint64_t> ReadAcknowledged(rocksdb::Env& env, const std::string& path);
// Replaces the note. It may be older after a power cut, which only makes the check weaker.
absl::Status WriteAcknowledged(rocksdb::Env& env, const std::string& path, uint64_t sequence);

}  // namespace mailstead::engine
