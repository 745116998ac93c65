#include <string>
#include <vector>

#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_P(AuditConformance, EntriesAreKeptAsGivenTheNewestFirst) {
  AuditEntry entry;
  entry.kind = AuditKind::kRefusal;
  entry.time = absl::FromUnixMicros(1'700'000'000'000'001);
  entry.actor = "key:desk";
  entry.peer = "ipv4:192.0.2.1:5";
  entry.action = "mailstead.store.v1.DirectoryService/DeleteAccount";
  entry.target = "account 7";
  entry.result = "OK";
  entry.session_id = "s";
  entry.call_count = 12;
  AuditEntry second = entry;
  second.target = "account 8";
  ASSERT_OK(BlockOn(audit().Append({entry, second})));
  Restart();
  entry.number = 1;
  second.number = 2;
  EXPECT_THAT(*BlockOn(audit().List(AuditKind::kRefusal, kNewestAudit, 10)), ElementsAre(second, entry));
  EXPECT_THAT(Numbers(AuditKind::kChange), IsEmpty());
}

TEST_P(AuditConformance, KindsAreNumberedByThemselves) {
  for (int i = 0; i < 3; ++i) Append(AuditKind::kMail, 100 + i);
  Append(AuditKind::kChange, 101);
  Restart();
  Append(AuditKind::kMail, 110);
  EXPECT_THAT(Numbers(AuditKind::kMail), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(Numbers(AuditKind::kMail, 4, 2), ElementsAre(3, 2));
  EXPECT_THAT(Numbers(AuditKind::kMail, 1), IsEmpty());
  EXPECT_THAT(Numbers(AuditKind::kChange), ElementsAre(1));
  EXPECT_THAT(Numbers(AuditKind::kRefusal), IsEmpty());
}

TEST_P(AuditConformance, TheOldestAreForgottenByAgeAndByNumber) {
  const auto forget = [this](int64_t second, int64_t count, size_t limit) {
    const auto forgotten =
        BlockOn(audit().Forget(AuditKind::kChange, absl::FromUnixSeconds(second), count, limit));
    EXPECT_OK(forgotten.status());
    return forgotten.ok() ? *forgotten : 0;
  };
  for (int i = 1; i <= 6; ++i) Append(AuditKind::kChange, 100 + i);
  Append(AuditKind::kMail, 1);
  EXPECT_EQ(forget(0, 6, 10), 0u);
  EXPECT_EQ(forget(103, 100, 1), 1u) << "at most so many";
  EXPECT_EQ(forget(103, 100, 10), 1u);
  EXPECT_THAT(Numbers(AuditKind::kChange), ElementsAre(6, 5, 4, 3));
  EXPECT_EQ(forget(0, 3, 10), 1u);
  EXPECT_THAT(Numbers(AuditKind::kChange), ElementsAre(6, 5, 4));
  EXPECT_THAT(Numbers(AuditKind::kChange, 5), ElementsAre(4));
  EXPECT_EQ(forget(1000, 0, 10), 3u);
  EXPECT_THAT(Numbers(AuditKind::kChange), IsEmpty());
  EXPECT_THAT(Numbers(AuditKind::kMail), ElementsAre(1)) << "of its kind only";
  Restart();
  Append(AuditKind::kChange, 200);
  EXPECT_THAT(Numbers(AuditKind::kChange), ElementsAre(7)) << "no number is given twice";
}

}  // namespace
}  // namespace mailstead::engine
