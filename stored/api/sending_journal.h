// What accounts were kept from sending, for the log and the metrics.
#pragma once

#include "stored/api/method_counter.h"
#include "stored/core/sending.h"

namespace mailstead::stored {

class SendingJournal final : public SendingObserver {
 public:
  explicit SendingJournal(MethodCounter& counter) : counter_(counter) {}
  void Refused(AccountId account, const absl::Status& why) override;
  void Paused(AccountId account, engine::SendingPause::Why why, const engine::SendingSlot& hour,
              const engine::SendingSlot& day) override;
  void Resumed(AccountId account) override;

 private:
  MethodCounter& counter_;
};

}  // namespace mailstead::stored
