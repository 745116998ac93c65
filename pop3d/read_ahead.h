// Messages that were fetched together with one that was asked for, because clients take one after the other:
// RETR n+1 is here when it is asked for, and a run of small messages costs the store a call in many.
//
// The maildrop is locked and its messages never change, so what is kept here stays true. Memory is bounded
// for a session (kReadAheadBytes) and for all of them (the budget): beyond it nothing is fetched before it is
// asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/byte_budget.h"
#include "common/store/ids.h"
#include "common/store/store_api.h"
#include "pop3d/protocol/command.h"
#include "pop3d/session/maildrop.h"

namespace mailstead::pop3 {

// Of one session; used by one thread at a time.
class ReadAhead {
 public:
  // `budget`, which all sessions share, outlives it.
  explicit ReadAhead(ByteBudget& budget) : budget_(budget) {}
  ~ReadAhead() { Clear(); }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // What was kept of this message; gone from here then.
  std::optional<store::FetchedMessage> Take(MessageId id);
  // The message `number`, which is there and not kept, and those behind it that are to be fetched with it:
  // the more, the longer the client goes through the maildrop in order. Drops what is kept, and counts those
  // behind it from now on as if they were.
  std::vector<MessageId> Plan(const Maildrop& maildrop, MessageNumber number);
  void Keep(MessageId id, store::FetchedMessage message);
  void Clear();

 private:
  ByteBudget& budget_;
  // In the order of the maildrop, at most kReadAheadMessages; without memory when empty.
  std::vector<std::pair<MessageId, store::FetchedMessage>> kept_;
  size_t kept_bytes_ = 0;
  // Planned and not kept yet.
  size_t reserved_bytes_ = 0;
  size_t window_ = 1;
  // Where a client that goes in order comes next.
  uint64_t next_number_ = 0;
};

}  // namespace mailstead::pop3
