#include "stored/api/metrics.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"

namespace mailstead::stored {
namespace {

class MetricsTest : public testing::Test {
 protected:
  void ExpectLine(const std::string& line) const {
    const std::string text = prometheus::TextSerializer().Serialize(registry_.Collect());
    EXPECT_TRUE(absl::StrContains(text, line + "\n")) << line << "\n" << text;
  }

  prometheus::Registry registry_;
  Metrics metrics_{registry_};
};

TEST_F(MetricsTest, CommitsByTheirTime) {
  ExpectLine("mailstead_store_commit_seconds_count 0");
  metrics_.ObserveCommit(absl::Milliseconds(3));
  metrics_.ObserveCommit(absl::Milliseconds(200));
  ExpectLine("mailstead_store_commit_seconds_count 2");
  ExpectLine("mailstead_store_commit_seconds_bucket{le=\"0.0025\"} 0");
  ExpectLine("mailstead_store_commit_seconds_bucket{le=\"0.005\"} 1");
  ExpectLine("mailstead_store_commit_seconds_bucket{le=\"0.25\"} 2");
}

TEST_F(MetricsTest, StallsByTheTimeThatTheEngineTells) {
  ExpectLine("mailstead_store_stalled 0");
  ExpectLine("mailstead_store_stall_seconds_total 0");
  engine::EngineStatus status;
  status.write_stall = engine::WriteStall::kStopped;
  status.writes_stalled = absl::Milliseconds(1500);
  metrics_.SetEngine(status);
  ExpectLine("mailstead_store_stalled 2");
  ExpectLine("mailstead_store_stall_seconds_total 1.5");
  status.write_stall = engine::WriteStall::kNone;
  status.writes_stalled = absl::Seconds(3);
  metrics_.SetEngine(status);
  ExpectLine("mailstead_store_stalled 0");
  ExpectLine("mailstead_store_stall_seconds_total 3");
}

}  // namespace
}  // namespace mailstead::stored
