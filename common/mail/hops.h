// Counts the hosts that a message has come through (RFC 5321 section 6.3). Pure.
#pragma once

#include <cstddef>

#include "common/mail/header_reader.h"

namespace mailstead {

// More count as a loop; section 6.3 asks for 100 at least.
inline constexpr size_t kMaxHops = 100;

class HopCounter : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override {
    if (field.Is("Received")) ++count_;
  }
  // Of the part of the header that has been seen.
  size_t count() const { return count_; }

 private:
  size_t count_ = 0;
};

}  // namespace mailstead
