// What MailboxService.Deliver and a delivery in an Exchange have in common. Only .cc files of this
// folder include this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mailstead/store/v1/mailbox.pb.h"
#include "stored/core/delivery.h"

namespace mailstead::store {

struct Environment;

// A message up to here is hashed and compressed on the thread that serves the calls; all others wait for it.
inline constexpr size_t kMaxHashedAtOnce = 8 << 10;

struct DeliveryFacts {
  size_t mailbox_count;
  uint64_t size_bytes;
  absl::Duration took;
};

void LogRefusal(const Envelope& envelope, const absl::Status& status);
// Fills the response, counts and logs.
void TakeReceipt(Environment& environment, const Envelope& envelope, const DeliveryFacts& facts,
                 const Receipt& receipt, v1::DeliverResponse& response);

}  // namespace mailstead::store
