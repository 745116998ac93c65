// What becomes of mail for other hosts, for the log and the metrics.
#pragma once

#include "stored/api/method_counter.h"
#include "stored/core/queue.h"

namespace mailstead::stored {

class QueueJournal final : public QueueObserver {
 public:
  explicit QueueJournal(MethodCounter& counter) : counter_(counter) {}
  void Happened(const QueueEvent& event) override;
  void NoticeDropped(QueueId message, const std::string& reverse_path, const absl::Status& why) override;

 private:
  MethodCounter& counter_;
};

}  // namespace mailstead::stored
