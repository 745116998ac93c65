#include "stored/rules/lock.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/details.h"
#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

using absl::StatusCode;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const Lock kLock{engine::LockToken{5}, "mine", "lease", 3, kNow - absl::Minutes(1), 9};

LockState Free() { return {}; }
LockState Held(LeaseState lease) { return {kLock, lease}; }

engine::OpenRequest Request(const char* session) {
  engine::OpenRequest request;
  request.account = AccountId{1};
  request.session_id = session;
  request.lease_id = "lease";
  request.min_interval = absl::Seconds(30);
  return request;
}

// "OK" for a lock of its own, "again", or the reason of the refusal.
std::string Open(const engine::OpenRequest& request, const Mailbox* mailbox, const LockState& state,
                 int64_t lease_number = 3) {
  const auto decision = DecideOpen({request, mailbox, state, lease_number, kNow, engine::LockToken{6}});
  if (!decision.ok()) {
    const std::string reason = ReasonOf(decision.status());
    return reason.empty() ? absl::StatusCodeToString(decision.status().code()) : reason;
  }
  if (decision->again) return decision->lock.token == kLock.token ? "again" : "again with another token";
  EXPECT_EQ(decision->lock, (Lock{engine::LockToken{6}, request.session_id, "lease", 3, kNow,
                                  mailbox->next_message, "", mailbox->removal_count}));
  return "OK";
}

TEST(Lock, WhoGetsIt) {
  Mailbox mailbox;
  mailbox.next_message = 12;
  mailbox.removal_count = 4;
  struct Case {
    const char* what;
    const char* session;
    LockState state;
    const char* expected;
  };
  for (const Case& c : {
           Case{"free", "other", Free(), "OK"},
           Case{"held by another", "other", Held(LeaseState::kLive), "MAILDROP_IN_USE"},
           Case{"held by one whose front-end is late", "other", Held(LeaseState::kOverdue), "OK"},
           Case{"of one whose front-end is gone", "other", Held(LeaseState::kGone), "OK"},
           Case{"its own, after a lost answer", "mine", Held(LeaseState::kLive), "again"},
           Case{"its own, its front-end was late", "mine", Held(LeaseState::kOverdue), "again"},
           Case{"was its own before its front-end was given up", "mine", Held(LeaseState::kGone), "OK"},
       }) {
    EXPECT_EQ(Open(Request(c.session), &mailbox, c.state), c.expected) << c.what;
  }
}

TEST(Lock, WhatIsRefusedFirst) {
  const Mailbox mailbox;
  EXPECT_EQ(Open(Request("mine"), &mailbox, Held(LeaseState::kLive), 0), "NO_LEASE");
  EXPECT_EQ(Open(Request("mine"), nullptr, Free(), 0), "NO_LEASE");
  EXPECT_EQ(Open(Request("mine"), nullptr, Free()), "NOT_FOUND");
}

TEST(Lock, WhoseSessionCanBeEnded) {
  const auto may_end = [](const LockState& state, const char* session) {
    const absl::Status status = CheckEnd(state, session);
    EXPECT_EQ(ReasonOf(status), status.ok() ? "" : kReasonSessionNotFound);
    EXPECT_EQ(absl::IsNotFound(status), !status.ok());
    return status.ok();
  };
  for (const char* session : {"mine", ""}) {
    EXPECT_TRUE(may_end(Held(LeaseState::kLive), session)) << session;
    EXPECT_TRUE(may_end(Held(LeaseState::kOverdue), session)) << "it could still commit";
    EXPECT_FALSE(may_end(Held(LeaseState::kGone), session)) << session;
    EXPECT_FALSE(may_end(Free(), session)) << session;
  }
  EXPECT_FALSE(may_end(Held(LeaseState::kLive), "other"));
}

TEST(Lock, KeepsWhereItsSessionCameFrom) {
  const Mailbox mailbox;
  engine::OpenRequest request = Request("mine");
  request.client_address = "192.0.2.1";
  const auto decision = DecideOpen({request, &mailbox, Free(), 3, kNow, engine::LockToken{6}});
  ASSERT_TRUE(decision.ok());
  EXPECT_EQ(InfoOf(AccountId{1}, decision->lock).client_address, "192.0.2.1");
}

TEST(Lock, KnowsWhetherOthersHaveDeletedSince) {
  Mailbox mailbox;
  mailbox.removal_count = 4;
  const auto decision = DecideOpen({Request("mine"), &mailbox, Free(), 3, kNow, engine::LockToken{6}});
  ASSERT_TRUE(decision.ok());
  EXPECT_TRUE(IsAsLocked(mailbox, decision->lock));
  ++mailbox.removal_count;
  EXPECT_FALSE(IsAsLocked(mailbox, decision->lock));
  EXPECT_FALSE(IsAsLocked(Mailbox(), kLock)) << "a lock of an earlier store does not say";
}

TEST(Lock, FollowsItsSessionToAnotherLease) {
  const Mailbox mailbox;
  engine::OpenRequest request = Request("mine");
  request.lease_id = "new lease";
  const LockState state = Held(LeaseState::kOverdue);
  const auto decision = DecideOpen({request, &mailbox, state, 4, kNow, engine::LockToken{6}});
  ASSERT_TRUE(decision.ok());
  EXPECT_TRUE(decision->again);
  Lock expected = kLock;
  expected.lease_id = "new lease";
  expected.lease_number = 4;
  EXPECT_EQ(decision->lock, expected);
}

TEST(Lock, TheLoginDelaySaysHowLong) {
  Mailbox mailbox;
  mailbox.last_open_time = kNow - absl::Seconds(10);
  mailbox.last_open_session = "other";
  const engine::OpenRequest request = Request("mine");
  const LockState state = Free();
  const auto decision = DecideOpen({request, &mailbox, state, 4, kNow, engine::LockToken{6}});
  EXPECT_EQ(RetryDelayOf(decision.status()), absl::Seconds(20));
}

TEST(Lock, TheLoginDelay) {
  struct Case {
    const char* what;
    absl::Time last_open_time;
    const char* last_session;
    const char* expected;
  };
  for (const Case& c : {
           Case{"never opened", absl::InfinitePast(), "", "OK"},
           Case{"just now", kNow, "other", "LOGIN_DELAY"},
           Case{"a moment too soon", kNow - absl::Seconds(30) + absl::Microseconds(1), "other",
                "LOGIN_DELAY"},
           Case{"long enough ago", kNow - absl::Seconds(30), "other", "OK"},
           Case{"by the same session", kNow, "mine", "OK"},
           Case{"in the future: a clock was wrong", kNow + absl::Hours(1), "other", "OK"},
       }) {
    Mailbox mailbox;
    mailbox.last_open_time = c.last_open_time;
    mailbox.last_open_session = c.last_session;
    EXPECT_EQ(Open(Request("mine"), &mailbox, Free()), c.expected) << c.what;
  }
  // Who holds it is told first.
  Mailbox mailbox;
  mailbox.last_open_time = kNow;
  EXPECT_EQ(Open(Request("other"), &mailbox, Held(LeaseState::kLive)), "MAILDROP_IN_USE");
}

TEST(Lock, OpeningIsNoted) {
  Mailbox mailbox;
  MarkOpened(mailbox, kLock);
  EXPECT_EQ(mailbox.last_open_time, kLock.open_time);
  EXPECT_EQ(mailbox.last_open_session, "mine");
}

TEST(Lock, WhoMayCommit) {
  Mailbox mailbox;
  mailbox.last_committed_token = engine::LockToken{4};
  struct Case {
    const char* what;
    const char* session;
    int64_t token;
    LockState state;
    const char* expected;
  };
  for (const Case& c : {
           Case{"the holder", "mine", 5, Held(LeaseState::kLive), "commit"},
           Case{"the holder, late, and nobody took it over", "mine", 5, Held(LeaseState::kOverdue), "commit"},
           Case{"its front-end was given up", "mine", 5, Held(LeaseState::kGone), "FENCED"},
           Case{"another session with the token", "other", 5, Held(LeaseState::kLive), "FENCED"},
           Case{"the session with another token", "mine", 6, Held(LeaseState::kLive), "FENCED"},
           Case{"without a lock", "mine", 5, Free(), "FENCED"},
           Case{"the token 0", "mine", 0, Free(), "FENCED"},
           Case{"what has committed, again", "mine", 4, Free(), "repeated"},
           Case{"again, while another has it", "before", 4, Held(LeaseState::kLive), "repeated"},
       }) {
    engine::CommitRequest request;
    request.session_id = c.session;
    request.token = engine::LockToken{c.token};
    const auto decision = DecideCommit(&mailbox, c.state, request);
    const std::string got = !decision.ok()                           ? ReasonOf(decision.status())
                            : *decision == CommitDecision::kRepeated ? "repeated"
                                                                     : "commit";
    EXPECT_EQ(got, c.expected) << c.what;
  }
  engine::CommitRequest request;
  request.token = engine::LockToken{4};
  EXPECT_EQ(DecideCommit(nullptr, Free(), request).status().code(), StatusCode::kAborted)
      << "the account is gone";
  MarkCommitted(mailbox, engine::LockToken{9});
  EXPECT_EQ(mailbox.last_committed_token.value, 9);
}

TEST(Lock, HoldingAndHeld) {
  struct Case {
    LockState state;
    bool held;
    bool mine;
  };
  for (const Case& c :
       {Case{Free(), false, false}, Case{Held(LeaseState::kLive), true, true},
        Case{Held(LeaseState::kOverdue), false, true}, Case{Held(LeaseState::kGone), false, false}}) {
    EXPECT_EQ(IsHeld(c.state), c.held);
    EXPECT_EQ(HoldsIt(c.state, "mine"), c.mine);
    EXPECT_FALSE(HoldsIt(c.state, "other"));
  }
}

}  // namespace
}  // namespace mailstead::rules
