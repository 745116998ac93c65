// What becomes of keys that sign mail, and of what they sign, for the log and the metrics.
#pragma once

#include <string>

#include "stored/api/method_counter.h"
#include "stored/core/dkim_keys.h"

namespace mailstead::stored {

class DkimJournal final : public DkimObserver {
 public:
  explicit DkimJournal(MethodCounter& counter) : counter_(counter) {}
  void Activated(const std::string& domain, const std::string& selector) override;
  void CannotOpen(const std::string& domain, const absl::Status& why) override;
  void Signed(Outcome outcome) override { counter_.CountSigned(outcome); }

 private:
  MethodCounter& counter_;
};

}  // namespace mailstead::stored
