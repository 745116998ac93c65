// The keys of TLS session tickets that replicas of a front-end share. In memory only, so that no disk and no backup has a key
// that opens what was recorded earlier (RFC 9325 section 3.4): a restart of the store makes a new one, and front-ends keep the
// old ones until they end.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace mailstead::stored {

// Used on one thread.
class TicketKeys {
 public:
  // A key seals for `period`. After that it opens tickets for net::kTicketLife more, and no longer than for `period`. `clock`
  // outlives it.
  TicketKeys(const Clock& clock, absl::Duration period);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  struct Key {
    std::string secret;
    absl::Duration open_for;
  };
  struct Listed {
    // The one that seals first.
    std::vector<Key> keys;
    // The time for another one had come, and it was made.
    bool made = false;
  };
  // What the front-ends named `audience` use now. A new key seals a little later than it is made, when all have asked again.
  Listed List(absl::string_view audience);
  // How soon a front-end is to ask again: several times before a new key seals.
  absl::Duration ask_again_after() const { return lead_ / 4; }

 private:
  struct Made {
    std::string secret;
    absl::Time seals_from;
  };

  // Forgets the keys that open nothing any more, and makes the next one when it is time: true.
  bool Turn(absl::Time now);
  // When the key at `place` opens its last ticket, as far as it is known.
  absl::Time OpenUntil(size_t place) const;

  const Clock& clock_;
  const absl::Duration period_;
  const absl::Duration lead_;
  const absl::Duration open_after_;
  // The oldest first. The newest seals, or will.
  std::vector<Made> keys_;
};

}  // namespace mailstead::stored
