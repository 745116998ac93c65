// Messages that were fetched together with one that was asked for, because clients take one after the other:
// RETR n+1 is here when it is asked for, and a run of small messages costs the store a call in many.
//
// The maildrop is locked and its messages never change, so what is kept here stays true. Memory is bounded
// for a session (kReadAheadBytes) and for all of them (kReadAheadBytesInAll): beyond it nothing is fetched
// before it is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "pop3d/protocol/command.h"
#include "pop3d/session/maildrop.h"
#include "pop3d/store_client.h"

namespace mailstead::pop3 {

// Of one session; used by one thread at a time.
class ReadAhead {
 public:
  ReadAhead() = default;
  ~ReadAhead() { Clear(); }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // What was kept of this message; gone from here then.
  std::optional<FetchedMessage> Take(uint64_t message_id);
  // The message `number`, which is there and not kept, and those behind it that are to be fetched with it:
  // the more, the longer the client goes through the maildrop in order. Drops what is kept, and counts those
  // behind it from now on as if they were.
  std::vector<uint64_t> Plan(const Maildrop& maildrop, MessageNumber number);
  void Keep(uint64_t message_id, FetchedMessage message);
  void Clear();

 private:
  std::deque<std::pair<uint64_t, FetchedMessage>> kept_;
  size_t kept_bytes_ = 0;
  // Planned and not kept yet.
  size_t reserved_bytes_ = 0;
  size_t window_ = 1;
  // Where a client that goes in order comes next.
  uint64_t next_number_ = 0;
};

}  // namespace mailstead::pop3
