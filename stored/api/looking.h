// Looking through a mailbox for the messages that are wanted: those that ListMessages gives, and DeleteMessages deletes. In
// bounded steps, and not much of them in one call. For .cc files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "common/store/ids.h"
#include "stored/api/environment.h"
#include "stored/core/limits.h"
#include "stored/engine/search.h"

namespace mailstead::stored {

// Of one call, which outlives it.
class Looking {
 public:
  // `search` says where it begins, and what is wanted; its limits are not used.
  Looking(Environment& environment, const rpc::Call& call, AccountId account, engine::MessageSearch search);

  // The next ones that are wanted, at most `limit`, which is at least 1; there may be none. Those whose header the store has not
  // kept are read. Errors are those of the engine and of rpc::Call::StillWanted.
  Task<absl::StatusOr<std::vector<engine::MessageSummary>>> Step(size_t limit);

  // All were looked at.
  bool done() const { return done_; }
  // As many were looked at as one call may, and not all.
  bool enough() const {
    return !done_ && (looked_count_ >= kMaxSearchedMessages || read_bytes_ >= kMaxSearchedBytes);
  }
  // What the steps have given is all that is wanted up to here. 0: they have looked at nothing.
  MessageId last() const { return last_; }

 private:
  // Whether one whose header is not known is wanted.
  Task<absl::StatusOr<bool>> IsWanted(engine::MessageSummary& message);
  void GoBehind(MessageId message);

  Environment& environment_;
  const rpc::Call& call_;
  const AccountId account_;
  engine::MessageSearch search_;
  const bool asks_for_fields_;
  // The last step found less than it may.
  bool looks_ = false;
  size_t looked_count_ = 0;
  int64_t read_bytes_ = 0;
  MessageId last_;
  bool done_ = false;
};

}  // namespace mailstead::stored
