// A message on its way out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/database.h"

namespace mailstead::store {

// NotFound when the mailbox or the message is not there.
absl::StatusOr<std::unique_ptr<MessageReader>> OpenMessageReader(Database& database, MailboxId mailbox,
                                                                 MessageId message);

// What the reader was opened on; for Verify. NotFound.
struct OpenedMessage {
  MessageRecord record;
  std::unique_ptr<MessageReader> reader;
};
absl::StatusOr<OpenedMessage> OpenMessageRecord(Database& database, MailboxId mailbox, MessageId message);

}  // namespace mailstead::store
