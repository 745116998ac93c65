// What pop3d counts, for Prometheus. Names, labels and meanings stand at the definitions in metrics.cc.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "pop3d/session/replies.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace mailstead::pop3 {

// Thread-safe.
class Metrics {
 public:
  // The metrics live in `registry`, which outlives this.
  explicit Metrics(prometheus::Registry& registry);

  void CountReply(ReplyId id) { replies_[static_cast<size_t>(id)]->Increment(); }
  void CountLogin(absl::string_view mechanism, absl::string_view result);
  void CountCommit(absl::string_view result);
  void CountClosed(absl::string_view reason);

  prometheus::Gauge& connections;
  prometheus::Gauge& maildrops_open;
  prometheus::Counter& maildrops_truncated;
  prometheus::Gauge& listing_bytes;
  prometheus::Counter& tls_failures;
  prometheus::Counter& messages_retrieved;
  prometheus::Counter& messages_broken_off;
  prometheus::Counter& bytes_retrieved;
  prometheus::Counter& messages_deleted;

 private:
  prometheus::Family<prometheus::Counter>& replies_family_;
  prometheus::Family<prometheus::Counter>& logins_family_;
  prometheus::Family<prometheus::Counter>& commits_family_;
  prometheus::Family<prometheus::Counter>& closed_family_;
  // By ReplyId: found without a lock, once for each command.
  std::vector<prometheus::Counter*> replies_;
};

}  // namespace mailstead::pop3
