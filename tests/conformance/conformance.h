// What every engine must do, as tests: stored/engine/engine.h is the contract, and this suite holds for each
// engine.
//
// An engine joins by an EngineUnderTest and one INSTANTIATE_ENGINE_CONFORMANCE line (rocksdb_conformance.cc).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "stored/engine/engine.h"

namespace mailstead::store {

// Moves only when told, and may be told while the engine's threads read it.
class TestClock : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixNanos(nanos_.load()); }
  void Advance(absl::Duration by) { nanos_.fetch_add(absl::ToInt64Nanoseconds(by)); }

 private:
  std::atomic<int64_t> nanos_{1'700'000'000'000'000'000};
};

// An engine on an empty store of its own, which is removed at the end. All its time is the clock's.
class EngineUnderTest {
 public:
  virtual ~EngineUnderTest() = default;
  virtual Engine& engine() = 0;
  // Closed in order, and opened again on the same store.
  virtual void Restart() = 0;

  TestClock& clock() { return clock_; }

 protected:
  TestClock clock_;
};

struct EngineKind {
  std::string name;
  std::function<std::unique_ptr<EngineUnderTest>()> make;
};

std::string Sha256(absl::string_view bytes);
// The same for the same seed; does not compress.
std::string RandomText(size_t size, uint32_t seed);

class EngineConformance : public testing::TestWithParam<EngineKind> {
 protected:
  EngineConformance();

  Engine& engine() { return under_test_->engine(); }
  TestClock& clock() { return under_test_->clock(); }
  void Restart() { under_test_->Restart(); }

  // Domain "example.test" is there. Makes the account and gives its mailbox.
  MailboxId NewMailbox(absl::string_view address, uint64_t quota_bytes = 0, uint64_t quota_messages = 0);

  Delivery NewDelivery(absl::string_view delivery_id, const std::vector<MailboxId>& mailboxes);
  absl::StatusOr<Receipt> Append(Delivery delivery, std::string content);
  // In pieces, through a BodyWriter.
  absl::StatusOr<Receipt> AppendStaged(Delivery delivery, absl::string_view content, size_t piece_bytes);
  // A message of its own delivery id.
  void Put(MailboxId mailbox, std::string content);

  absl::StatusOr<Maildrop> Open(MailboxId mailbox, absl::string_view lease_id,
                                absl::Duration min_interval = absl::ZeroDuration());
  absl::Status Commit(MailboxId mailbox, LeaseToken token, std::vector<MessageId> deletions);
  absl::Status Release(MailboxId mailbox, LeaseToken token);

  // Prefix and content, read in pieces.
  absl::StatusOr<std::string> Fetch(MailboxId mailbox, MessageId message);
  static absl::StatusOr<std::string> ReadAll(MessageReader& reader, size_t piece_bytes);
  std::vector<MessageSummary> List(MailboxId mailbox);
  std::vector<MessageId> Ids(MailboxId mailbox);

  std::unique_ptr<EngineUnderTest> under_test_;

 private:
  std::atomic<int> next_delivery_{1};
};

MATCHER_P(HasCode, code, "") {
  const absl::Status status = arg;
  *result_listener << status;
  return status.code() == code;
}
std::string ReasonOfStatus(const absl::Status& status);
MATCHER_P2(HasReason, code, reason, "") {
  const absl::Status status = arg;
  *result_listener << status << " reason " << ReasonOfStatus(status);
  return status.code() == code && ReasonOfStatus(status) == reason;
}
#define ASSERT_OK(expression) ASSERT_TRUE((expression).ok())
#define EXPECT_OK(expression) EXPECT_THAT((expression), HasCode(absl::StatusCode::kOk))

class DirectoryConformance : public EngineConformance {};
class DeliveryConformance : public EngineConformance {};
class MaildropConformance : public EngineConformance {};
class ReadingConformance : public EngineConformance {};
class UpkeepConformance : public EngineConformance {};

#define INSTANTIATE_ENGINE_CONFORMANCE(kind)                                                     \
  INSTANTIATE_TEST_SUITE_P(Engine, DirectoryConformance, testing::Values(kind), EngineKindName); \
  INSTANTIATE_TEST_SUITE_P(Engine, DeliveryConformance, testing::Values(kind), EngineKindName);  \
  INSTANTIATE_TEST_SUITE_P(Engine, MaildropConformance, testing::Values(kind), EngineKindName);  \
  INSTANTIATE_TEST_SUITE_P(Engine, ReadingConformance, testing::Values(kind), EngineKindName);   \
  INSTANTIATE_TEST_SUITE_P(Engine, UpkeepConformance, testing::Values(kind), EngineKindName)

inline std::string EngineKindName(const testing::TestParamInfo<EngineKind>& info) { return info.param.name; }

}  // namespace mailstead::store
