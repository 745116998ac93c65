// Messages of stores before schema version 4, whose last line may have no end. The store gives every message one when it
// comes in (stored/core/intake.h); what an earlier one took in stays as it is, byte for byte, and POP3 adds the line end when
// it sends it. A listing must say the size with it, so these messages are looked for once, and marked.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"
#include "stored/engine/rocksdb/schema.h"

namespace mailstead::engine {
namespace {

// So many entries are looked at, and so many marked, at a time.
constexpr size_t kStepMessages = 1000;

struct OldMessage {
  std::string key;
  MessageRecord record;
};

// Those of a step, from `from` on, which then is where the next step begins; empty: that was all.
absl::StatusOr<std::vector<OldMessage>> NextOldMessages(const Database::Use& use, std::string& from) {
  std::vector<OldMessage> messages;
  std::string next;
  size_t count = 0;
  const auto look = [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
    if (count++ == kStepMessages) {
      next = std::string(key);
      return false;
    }
    if (!IsOldMessage(value)) return true;
    OldMessage message{std::string(key), {}};
    RETURN_IF_ERROR(Decode(value, message.record));
    messages.push_back(std::move(message));
    return true;
  };
  RETURN_IF_ERROR(Scan(use, Family::kMessage, from, "", look));
  from = std::move(next);
  return messages;
}

// Whether POP3 adds a line end. What is damaged is left to Verify.
bool IsUnfinished(RocksDbShared& shared, const MessageRecord& record) {
  RocksDbReader reader(shared.database(), shared.readers(), record);
  if (reader.size_bytes() == 0) return false;
  {
    const Database::Use use(shared.database());
    if (!use.status().ok() || !reader.Start(use).ok()) return false;
  }
  std::string end;
  while (end.size() < 2 && static_cast<int64_t>(end.size()) < reader.size_bytes()) {
    // The two may lie in two chunks.
    const absl::StatusOr<std::string> byte =
        reader.ReadNow(reader.size_bytes() - 1 - static_cast<int64_t>(end.size()), 1);
    if (!byte.ok() || byte->empty()) return false;
    end = *byte + end;
  }
  return end != "\r\n";
}

}  // namespace

absl::Status RocksDbShared::MarkUnfinishedMessages() {
  ASSIGN_OR_RETURN(const bool due, HasOldMessages(*env_, options_.path));
  if (!due) return absl::OkStatus();
  obs::LogInfo("old_messages_checked", {{"state", "begun"}, {"path", options_.path}});
  int64_t marked = 0;
  std::string from;
  do {
    std::vector<OldMessage> messages;
    {
      const Database::Use use(*database_);
      RETURN_IF_ERROR(use.status());
      ASSIGN_OR_RETURN(messages, NextOldMessages(use, from));
    }
    std::erase_if(messages, [this](const OldMessage& message) { return !IsUnfinished(*this, message.record); });
    if (messages.empty()) continue;
    marked += static_cast<int64_t>(messages.size());
    const auto mark = [&](Batch& batch) {
      for (OldMessage& message : messages) {
        message.record.entry.unfinished = true;
        batch.Put(Family::kMessage, message.key, Encode(message.record));
      }
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(writer_->Run(mark));
  } while (!from.empty());
  obs::LogInfo("old_messages_checked", {{"state", "done"}, {"unfinished", marked}, {"path", options_.path}});
  return MarkSchemaReady(*env_, options_.path);
}

}  // namespace mailstead::engine
