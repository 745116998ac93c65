// The file "schema" beside the database: which version of the format the folder holds. It is read before
// anything of the database is touched, so that an older or newer program changes nothing.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}

namespace mailstead::engine {

// 2: chunks of bodies may be zstd frames. 3: records of domains, accounts, aliases, mailboxes, messages, receipts and
// locks have more fields; records of the versions before are read as they are, until they are written again. 4: deletions of
// many messages are in a family of their own, a message may be marked as unfinished, and a lock has its client's address.
// 5: mail for other hosts is in a family of its own. 6: records of messages have what is searched of their header; the change
// feed is in a family of its own, in which a program that does not write it would leave silent holes. 7: what is deleted may
// be kept for a time, in a family of its own; a lock has what its mailbox had lost by then. 8: domains, accounts, keys and
// messages may have a retention, and a family of its own says where. 9: domains may have a policy of MTA-STS, webhooks a
// version and a secret that ends. Folders of versions 1 to 8 are taken on.
inline constexpr uint32_t kSchemaVersion = 9;
inline constexpr uint32_t kOldestSchemaVersion = 1;

enum class SchemaState {
  // Nothing is there, or a first start did not get far: the database is made.
  kNew,
  // The database must be there.
  kReady,
};

// Makes the file when `path` holds neither it nor a database, and brings an older version that can be taken
// on up to date. FailedPrecondition: another version, or a database without the file. DataLoss: unreadable,
// or its database is gone.
absl::StatusOr<SchemaState> CheckSchema(rocksdb::Env& env, const std::string& path,
                                        const std::string& db_path);
// Whether this program can read what the folder holds; changes nothing. FailedPrecondition, DataLoss as above.
absl::Status CheckSchemaForReading(rocksdb::Env& env, const std::string& path);
// Whether the folder was taken on from a version before 4, and its messages have not been looked through since
// (RocksDbShared::MarkUnfinishedMessages).
absl::StatusOr<bool> HasOldMessages(rocksdb::Env& env, const std::string& path);
// The database has been made, or its old messages have been looked through.
absl::Status MarkSchemaReady(rocksdb::Env& env, const std::string& path);

}  // namespace mailstead::engine
