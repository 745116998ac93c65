#include "stored/core/audit_trail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "stored/engine/engine.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {
namespace {

using engine::AuditEntry;
using engine::AuditKind;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class AuditTrailTest : public testing::Test {
 protected:
  AuditEntry Entry(const std::string& target, AuditKind kind = AuditKind::kChange) {
    AuditEntry entry;
    entry.kind = kind;
    entry.time = clock_.Now();
    entry.actor = "operator";
    entry.action = "mailstead.store.v1.DirectoryService/DeleteAccount";
    entry.target = target;
    entry.result = "OK";
    clock_.Advance(absl::Seconds(1));
    return entry;
  }
  // A stranger's, from this host and a port of its own.
  AuditEntry Refusal(const std::string& host, const std::string& actor = "nobody") {
    AuditEntry entry;
    entry.time = clock_.Now();
    entry.actor = actor;
    entry.peer = absl::StrCat("ipv4:", host, ":", ++port_);
    entry.action = "method";
    entry.result = "UNAUTHENTICATED/NO_CREDENTIAL";
    return entry;
  }
  std::vector<AuditEntry> List(const AuditFilter& filter = {}) {
    std::vector<AuditEntry> all;
    AuditPosition behind;
    while (true) {
      auto page = BlockOn(trail_.List(filter, behind, 3));
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return all;
      EXPECT_LE(page->entries.size(), 3u);
      for (AuditEntry& entry : page->entries) all.push_back(std::move(entry));
      if (!page->more) return all;
      behind = page->next;
    }
  }
  std::vector<std::string> Targets(const AuditFilter& filter = {}) {
    std::vector<std::string> targets;
    for (const AuditEntry& entry : List(filter)) targets.push_back(entry.target);
    return targets;
  }

  FakeClock clock_;
  std::unique_ptr<engine::Engine> engine_ = engine::OpenMemoryEngine({.clock = &clock_});
  AuditTrail trail_{engine_->audit(), clock_, {.age = absl::Hours(1), .entries = 20}};
  int port_ = 0;
};

TEST_F(AuditTrailTest, KindsAreListedTogetherTheNewestFirst) {
  trail_.Note(Entry("1"));
  trail_.Note(Entry("2", AuditKind::kMail));
  trail_.Note(Entry("3"));
  trail_.Note(Entry("4", AuditKind::kMail));
  trail_.NoteRefusal(Refusal("192.0.2.1"), false);
  EXPECT_THAT(Targets(), ElementsAre("", "4", "3", "2", "1")) << "what waits is in it";
}

TEST_F(AuditTrailTest, FiltersAndPagesGoTogether) {
  const absl::Time begin = clock_.Now();
  for (int i = 0; i < 10; ++i)
    trail_.Note(Entry(absl::StrCat("account ", i, i % 2 == 0 ? " ann@a.test" : " bob@a.test")));
  EXPECT_THAT(Targets({.target = "ANN@"}), SizeIs(5));
  EXPECT_THAT(Targets({.target = "nobody"}), IsEmpty());
  EXPECT_THAT(Targets({.since = begin + absl::Seconds(8)}), SizeIs(2));
  EXPECT_THAT(Targets({.until = begin + absl::Seconds(3)}), SizeIs(3));
  EXPECT_THAT(Targets({.actor = "operator"}), SizeIs(10));
  EXPECT_THAT(Targets({.actor = "op*"}), SizeIs(10));
  EXPECT_THAT(Targets({.actor = "op"}), IsEmpty());
  for (const char* action : {"DeleteAccount", "DirectoryService/DeleteAccount",
                             "mailstead.store.v1.DirectoryService/DeleteAccount"}) {
    EXPECT_THAT(Targets({.action = action}), SizeIs(10)) << action;
  }
  EXPECT_THAT(Targets({.action = "Account"}), IsEmpty());
}

TEST_F(AuditTrailTest, RefusalsOfTheSameKindAreOneEntry) {
  for (int i = 0; i < 100; ++i) trail_.NoteRefusal(Refusal("192.0.2.1"), false);
  ASSERT_TRUE(BlockOn(trail_.Write(/*even_young=*/false)).ok());
  EXPECT_THAT(*BlockOn(engine_->audit().List(AuditKind::kRefusal, engine::kNewestAudit, 10)), IsEmpty())
      << "a minute is waited for";
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(BlockOn(trail_.Write(/*even_young=*/false)).ok());
  const auto entries = *BlockOn(engine_->audit().List(AuditKind::kRefusal, engine::kNewestAudit, 10));
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].call_count, 100);
  EXPECT_EQ(entries[0].peer, "ipv4:192.0.2.1:1");
}

TEST_F(AuditTrailTest, StrangersFillNothingAndCoverNobody) {
  for (int host = 0; host < 1000; ++host)
    trail_.NoteRefusal(Refusal(absl::StrCat("10.0.", host / 250, ".", host % 250)), false);
  for (const char* name : {"key:a", "key:b"}) trail_.NoteRefusal(Refusal("192.0.2.9", name), true);
  const std::vector<AuditEntry> entries = List();
  ASSERT_THAT(entries, SizeIs(13)) << "ten, two that are known, and all others";
  int64_t calls = 0;
  int known = 0;
  for (const AuditEntry& entry : entries) {
    calls += entry.call_count;
    known += entry.actor != "nobody";
  }
  EXPECT_EQ(calls, 1002) << "each is counted";
  EXPECT_EQ(known, 2);
}

TEST_F(AuditTrailTest, OldEntriesAreForgottenByKind) {
  for (int i = 0; i < 30; ++i) trail_.Note(Entry(absl::StrCat(i)));
  trail_.Note(Entry("mail", AuditKind::kMail));
  ASSERT_TRUE(BlockOn(trail_.Write(true)).ok());
  ASSERT_TRUE(BlockOn(trail_.Forget()).ok());
  const std::vector<std::string> targets = Targets();
  ASSERT_THAT(targets, SizeIs(21)) << "20 changes, and the mail's";
  EXPECT_EQ(targets.front(), "mail");
  EXPECT_EQ(targets.back(), "10");
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(BlockOn(trail_.Forget()).ok());
  EXPECT_THAT(Targets(), IsEmpty());
}

TEST_F(AuditTrailTest, WhatWaitsIsBounded) {
  const AuditEntry entry = Entry("x");
  for (int i = 0; i < 10'005; ++i) trail_.Note(entry);
  EXPECT_EQ(trail_.left_out(), 5);
}

}  // namespace
}  // namespace mailstead::stored
