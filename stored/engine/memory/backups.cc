#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {
namespace {

absl::Status HasNone() { return absl::UnimplementedError("the engine in memory has no backups"); }

}  // namespace

Task<absl::StatusOr<std::unique_ptr<BackupWork>>> MemoryBackups::Create(NewBackup) { co_return HasNone(); }

Task<absl::StatusOr<std::unique_ptr<BackupWork>>> MemoryBackups::Verify(std::string) { co_return HasNone(); }

Task<absl::StatusOr<std::vector<Backup>>> MemoryBackups::List(std::string, size_t) { co_return HasNone(); }

Task<absl::Status> MemoryBackups::Delete(std::string) { co_return HasNone(); }

}  // namespace mailstead::engine
