// Backups between the API and the engine.
#pragma once

#include "mailstead/store/v1/backup.pb.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::Backup& backup, store::v1::Backup& proto);
void ToProto(const engine::BackupStep& step, store::v1::BackupProgress& proto);

}  // namespace mailstead::stored
