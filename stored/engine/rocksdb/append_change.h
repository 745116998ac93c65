// One message into all its mailboxes and the queue, as a change of the store.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/rules/mailbox.h"
#include "stored/rules/new_message.h"
#include "stored/rules/receipt.h"

namespace mailstead::engine {

// What is known of a delivery; also in the form of an earlier store.
absl::StatusOr<std::optional<rules::KeptReceipt>> FindReceipt(RocksDbShared& shared, const Batch& batch,
                                                              const std::string& scope,
                                                              const std::string& delivery_id);
void PutReceipt(RocksDbShared& shared, Batch& batch, const std::string& scope, const std::string& delivery_id,
                const rules::KeptReceipt& receipt);

class AppendChange final : public Change {
 public:
  // A message that rules::Check takes.
  AppendChange(RocksDbShared& shared, NewMessage message);
  // Before Apply, packed on this thread. One that rules::Check does not take is left out.
  void AddNotice(NewNotice notice);

  const NewMessage& message() const { return message_; }
  // Its content: one of the two, before Apply. SetWhole packs it, on this thread.
  void SetStaged(std::unique_ptr<StagedBody> body, int64_t content_bytes);
  void SetWhole(std::string content);

  size_t record_count() const override;
  size_t size_bytes() const override;
  // NotFound and the other refusals of rules::IsRefusal: nothing was written.
  absl::Status Apply(Batch& batch) override;

  // Behind done().
  Receipt TakeReceipt();

 private:
  // All of them, before anything is written.
  absl::Status FindMailboxes(const Batch& batch, std::vector<std::optional<rules::Mailbox>>& mailboxes,
                             std::vector<MessageId>& ids);
  absl::StatusOr<int64_t> PutBody(Batch& batch);
  void PutEntries(Batch& batch, int64_t body, std::vector<std::optional<rules::Mailbox>>& mailboxes,
                  const std::vector<MessageId>& ids);
  // What is kept of a submission, before anything else: it may be refused.
  absl::Status PutSubmitted(Batch& batch);
  absl::Status PutQueued(Batch& batch, int64_t body);
  absl::Status PutNotices(Batch& batch);

  RocksDbShared& shared_;
  const NewMessage message_;
  std::vector<std::string> unique_ids_;
  // What the copies hold beside the message, and the recipients in the queue.
  size_t copies_bytes_ = 0;
  int64_t content_bytes_ = 0;
  // Copies that cannot go into their mailboxes.
  std::vector<rules::Waiting> waiting_;
  struct Notice {
    // Which copies it says are in their mailboxes.
    std::vector<size_t> copies;
    // Null: it is left out.
    std::unique_ptr<AppendChange> change;
  };
  std::vector<Notice> notices_;
  // One of the two.
  std::unique_ptr<StagedBody> staged_;
  std::optional<WholeBody> whole_;
  Receipt receipt_;
};

}  // namespace mailstead::engine
