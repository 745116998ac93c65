#include "common/mail/dsn/due.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::dsn {
namespace {

constexpr DsnNotify kAbsent{};
constexpr DsnNotify kNever{.given = true};
constexpr DsnNotify kSuccess{.given = true, .success = true};
constexpr DsnNotify kFailure{.given = true, .failure = true};
constexpr DsnNotify kDelay{.given = true, .delay = true};
constexpr DsnNotify kAll{.given = true, .success = true, .failure = true, .delay = true};

// RFC 3461 sections 5.2.2 to 5.2.7: the columns are what NOTIFY was.
TEST(IsDue, IsTheTableOfTheRfc) {
  struct {
    NoticeKind kind;
    bool next_hop_tells;
    bool absent, never, success, failure, delay, all;
  } rows[] = {
      //                             absent never  SUCCESS FAILURE DELAY  all
      {NoticeKind::kFailed, false, /**/ true, false, false, true, false, true},
      {NoticeKind::kDelayed, false, /**/ true, false, false, false, true, true},
      {NoticeKind::kDelivered, false, /**/ false, false, true, false, false, true},
      {NoticeKind::kRelayed, false, /**/ false, false, true, false, false, true},
      {NoticeKind::kRelayed, true, /**/ false, false, false, false, false, false},
      {NoticeKind::kExpanded, false, /**/ false, false, true, false, false, true},
      // Of a failure nobody else tells.
      {NoticeKind::kFailed, true, /**/ true, false, false, true, false, true},
  };
  for (const auto& row : rows) {
    const std::pair<DsnNotify, bool> columns[] = {{kAbsent, row.absent},   {kNever, row.never},
                                                  {kSuccess, row.success}, {kFailure, row.failure},
                                                  {kDelay, row.delay},     {kAll, row.all}};
    for (size_t i = 0; i < std::size(columns); ++i) {
      Outcome outcome{.kind = row.kind, .notify = columns[i].first, .next_hop_tells = row.next_hop_tells};
      const std::string what = absl::StrCat(NoticeKindName(row.kind), " column ", i);
      EXPECT_EQ(IsDue("a@b.test", outcome), columns[i].second) << what;
      EXPECT_FALSE(IsDue("", outcome)) << what << ": the null reverse-path is never answered";
      outcome.told = true;
      EXPECT_FALSE(IsDue("a@b.test", outcome)) << what << ": nobody is told twice";
    }
  }
}

TEST(NoticesDue, AreOneForEachAction) {
  const std::vector<Outcome> outcomes = {
      {.kind = NoticeKind::kDelivered, .notify = kAll}, {.kind = NoticeKind::kFailed},
      {.kind = NoticeKind::kFailed, .notify = kNever},  {.kind = NoticeKind::kDelivered, .notify = kAbsent},
      {.kind = NoticeKind::kFailed, .notify = kAll},    {.kind = NoticeKind::kDelayed},
      {.kind = NoticeKind::kDelayed, .told = true},
  };
  const std::vector<DueNotice> due = NoticesDue("a@b.test", outcomes);
  ASSERT_EQ(due.size(), 3u);
  EXPECT_EQ(due[0].kind, NoticeKind::kFailed);
  EXPECT_EQ(due[0].recipients, (std::vector<size_t>{1, 4}));
  EXPECT_EQ(due[1].kind, NoticeKind::kDelayed);
  EXPECT_EQ(due[1].recipients, (std::vector<size_t>{5}));
  EXPECT_EQ(due[2].kind, NoticeKind::kDelivered);
  EXPECT_EQ(due[2].recipients, (std::vector<size_t>{0}));
  EXPECT_TRUE(NoticesDue("", outcomes).empty());
  EXPECT_TRUE(NoticesDue("a@b.test", {}).empty());
}

TEST(NoticesDue, HaveABoundOnTheirRecipients) {
  for (const size_t count : {kMaxNoticeRecipients - 1, kMaxNoticeRecipients, kMaxNoticeRecipients + 1}) {
    const std::vector<DueNotice> due = NoticesDue("a@b.test", std::vector<Outcome>(count));
    ASSERT_EQ(due.size(), count <= kMaxNoticeRecipients ? 1u : 2u);
    EXPECT_EQ(due.front().recipients.size(), std::min(count, kMaxNoticeRecipients));
    EXPECT_EQ(due.back().recipients.back(), count - 1);
  }
}

// RFC 3461 sections 5.2.7.2 and 5.2.7.3 (c).
TEST(MemberNotify, LosesSuccessWhereAnAliasHasMoreMembers) {
  EXPECT_EQ(MemberNotify(kAll, 1), kAll);
  EXPECT_EQ(MemberNotify(kSuccess, 1), kSuccess);
  EXPECT_EQ(MemberNotify(kAbsent, 2), kAbsent);
  EXPECT_EQ(MemberNotify(kAll, 2), (DsnNotify{.given = true, .failure = true, .delay = true}));
  // Who asked for success only is told of nothing else.
  EXPECT_EQ(MemberNotify(kSuccess, 2), kNever);
  EXPECT_EQ(MemberNotify(kNever, 2), kNever);
}

}  // namespace
}  // namespace mailstead::dsn
