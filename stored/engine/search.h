// A search in one mailbox, in bounded steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

// Which messages: those for which all that is set is so (rules/search.h).
struct MessageFilter {
  // Stored at this time or later, and before that one.
  absl::Time since = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  int64_t min_size_bytes = 0;
  int64_t max_size_bytes = std::numeric_limits<int64_t>::max();
  // The whole address; empty: the null reverse-path.
  std::optional<std::string> reverse_path;
  // One of the envelope's that led here, whole; empty: any.
  std::string recipient;
  // A part of an address or name; of the subject. Empty: any.
  std::string from;
  std::string subject;
  // The whole one; empty: any.
  std::string message_id;
  std::optional<bool> has_attachment;
  bool operator==(const MessageFilter&) const = default;
};

struct MessageSearch {
  // Between these two, both left out. `before` 0: up to the last.
  MessageId after;
  MessageId before;
  bool newest_first = false;
  // In the trash, in place of the mailbox.
  bool in_trash = false;
  MessageFilter filter;
  // At most so many are found, and so many looked at; both at least 1.
  size_t limit = 1;
  size_t look_limit = 1;
};

struct FoundMessages {
  // In the order that was asked for. Those whose SearchedFields are not known are among them when all else is so.
  std::vector<MessageSummary> messages;
  // The last one that was looked at: the next step goes on behind it. 0: there was none.
  MessageId last;
  // All were looked at.
  bool done = false;
};

}  // namespace mailstead::engine
