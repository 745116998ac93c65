#include "stored/api/convert/backup.h"

#include "stored/api/convert/values.h"

namespace mailstead::stored {

void ToProto(const engine::Backup& backup, store::v1::Backup& proto) {
  proto.set_name(backup.name);
  if (backup.create_time != absl::Time()) ToProto(backup.create_time, *proto.mutable_create_time());
  proto.set_schema_version(backup.schema_version);
  proto.set_incarnation(backup.incarnation);
  proto.set_message_count(backup.message_count);
  proto.set_message_bytes(backup.message_bytes);
  proto.set_disk_bytes(backup.disk_bytes);
  for (const std::string& file : backup.secret_files) proto.add_secret_files(file);
  if (backup.verify_time != absl::InfinitePast()) ToProto(backup.verify_time, *proto.mutable_verify_time());
  proto.set_damaged_count(backup.damaged_count);
}

void ToProto(const engine::BackupStep& step, store::v1::BackupProgress& proto) {
  proto.set_copied_bytes(step.copied_bytes);
  proto.set_total_bytes(step.total_bytes);
  proto.set_checked_count(step.checked_count);
}

}  // namespace mailstead::stored
