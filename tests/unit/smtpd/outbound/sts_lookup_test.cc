#include "smtpd/outbound/sts_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "asio/this_coro.hpp"
#include "stored/rules/sts.h"
#include "tests/support/begin.h"
#include "tests/support/fake_resolver.h"
#include "tests/support/fake_time.h"

namespace mailstead::smtp::outbound {
namespace {

using mailauth::StsPolicy;
using mailauth::TlsFailure;
using testing::ElementsAre;
using testing::IsEmpty;

// The store's rules over a map, for any number of relays.
class FakeStsStore final : public store::StsStore {
 public:
  explicit FakeStsStore(FakeTime& time) : time_(time) {}

  asio::awaitable<absl::StatusOr<store::StsState>> Get(std::string domain, store::CallContext) override {
    ++get_count;
    if (!error.ok()) co_return error;
    const auto it = policies_.find(domain);
    co_return it == policies_.end() ? store::StsState() : StateOf(it->second);
  }
  asio::awaitable<absl::StatusOr<store::StsState>> Keep(std::string domain, std::string policy_id,
                                                        std::string policy, store::CallContext) override {
    if (!error.ok()) co_return error;
    const auto it = policies_.find(domain);
    engine::StsFetch fetch{domain, time_.Now(), std::move(policy_id), std::move(policy)};
    policies_[domain] = rules::KeepStsFetch(
        it == policies_.end() ? std::nullopt : std::optional<engine::StsPolicy>(it->second),
        std::move(fetch));
    co_return StateOf(policies_[domain]);
  }

  absl::Status error;
  int get_count = 0;

 private:
  store::StsState StateOf(const engine::StsPolicy& kept) const {
    const absl::StatusOr<StsPolicy> policy = mailauth::ParseStsPolicy(kept.file);
    const rules::StsTimes times =
        rules::StsTimesOf(kept, policy.ok() ? policy->max_age : absl::ZeroDuration(), time_.Now());
    if (times.valid_for <= absl::ZeroDuration()) return {.retry_after = times.retry_after};
    return {kept.policy_id, kept.file, times.valid_for, times.fresh_for, times.retry_after};
  }

  FakeTime& time_;
  std::map<std::string, engine::StsPolicy> policies_;
};

class FakeStsSource final : public StsSource {
 public:
  explicit FakeStsSource(FakeTime& time) : time_(time) {}

  asio::awaitable<Fetched> Fetch(std::string domain) override {
    fetched.push_back(domain);
    if (delay > absl::ZeroDuration()) {
      const std::unique_ptr<Timer> timer = time_.NewTimer(co_await asio::this_coro::executor);
      co_await timer->WaitUntil(time_.Now() + delay);
    }
    Fetched result;
    const auto it = files.find(domain);
    if (it == files.end()) {
      result.failure = StsFetchFailure{TlsFailure::kStsPolicyFetchError, "the server answers 404"};
    } else {
      result.file = it->second;
    }
    co_return result;
  }

  std::map<std::string, std::string> files;
  absl::Duration delay;
  std::vector<std::string> fetched;

 private:
  FakeTime& time_;
};

class FakeStsJournal final : public StsJournal {
 public:
  void PolicyFetched(const std::string& domain, const std::string& policy_id,
                     const StsPolicy& policy) override {
    said.push_back(absl::StrCat(domain, " ", policy_id, " ", mailauth::StsModeText(policy.mode)));
  }
  void PolicyNotFetched(const std::string& domain, const std::string& policy_id,
                        const StsFetchFailure& failure, bool kept) override {
    said.push_back(absl::StrCat(domain, " ", policy_id, " ", mailauth::FailureName(failure.failure),
                                kept ? " kept" : ""));
  }

  std::vector<std::string> said;
};

constexpr absl::Duration kWeek = absl::Hours(7 * 24);

std::string File(absl::string_view mode, absl::string_view host = "mx.test", absl::Duration max_age = kWeek) {
  return absl::StrCat("version: STSv1\nmode: ", mode, "\nmx: ", host,
                      "\nmax_age: ", absl::ToInt64Seconds(max_age), "\n");
}

class StsLookupTest : public testing::Test {
 protected:
  StsLookupTest() { SetRecord("1"); }

  void SetRecord(const std::string& id) {
    dns_.Set("_mta-sts.a.test", dns::Type::kTxt, dns::Answered({dns::Txt{absl::StrCat("v=STSv1; id=", id)}}));
  }
  void TakeRecordAway() { dns_.Set("_mta-sts.a.test", dns::Type::kTxt, dns::Absent(dns::Outcome::kNoName)); }
  void LetDnsFail() { dns_.Set("_mta-sts.a.test", dns::Type::kTxt, dns::Failed(dns::Failure::kServFail)); }

  std::unique_ptr<StsLookup> NewRelay(StsOptions options = {}) {
    return std::make_unique<StsLookup>(context_.get_executor(), dns_, store_, source_, journal_, options,
                                       time_);
  }
  Begun<absl::StatusOr<StsKnowledge>> Begin(StsLookup& relay, const std::string& domain = "a.test") {
    auto asked = mailstead::Begin(context_, relay.Ask(domain));
    Poll(context_);
    return asked;
  }
  // "enforce mx.test 1", or "none".
  static std::string Shown(const absl::StatusOr<StsKnowledge>& known) {
    if (!known.ok()) return std::string(known.status().message());
    if (!known->policy.has_value()) return known->failure.has_value() ? "none, fetch failed" : "none";
    return absl::StrCat(mailauth::StsModeText(known->policy->mode), " ", known->policy->mx.front(), " ",
                        known->policy_id);
  }
  std::string Ask(StsLookup& relay) {
    const auto asked = Begin(relay);
    return asked->has_value() ? Shown(asked->value()) : "waits";
  }
  std::string Ask() { return Ask(*relay_); }
  asio::awaitable<bool> Keep() {
    co_await relay_->KeepFresh();
    co_return true;
  }
  void Advance(absl::Duration by) {
    time_.Advance(by);
    Poll(context_);
  }

  FakeTime time_;
  asio::io_context context_{1};
  dns::FakeResolver dns_{time_};
  FakeStsStore store_{time_};
  FakeStsSource source_{time_};
  FakeStsJournal journal_;
  std::unique_ptr<StsLookup> relay_ = NewRelay();
};

TEST_F(StsLookupTest, TheFirstMailWaitsForThePolicyAndTheNextDoesNot) {
  source_.files["a.test"] = File("enforce");
  source_.delay = absl::Seconds(3);
  const auto first = Begin(*relay_);
  const auto second = Begin(*relay_);
  EXPECT_FALSE(first->has_value());
  Advance(absl::Seconds(3));
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_EQ(Shown(first->value()), "enforce mx.test 1");
  EXPECT_EQ(Shown(second->value()), "enforce mx.test 1");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_THAT(source_.fetched, ElementsAre("a.test"));
  EXPECT_EQ(store_.get_count, 2) << "only before it was known";
  EXPECT_THAT(journal_.said, ElementsAre("a.test 1 enforce"));
}

TEST_F(StsLookupTest, WithoutARecordNothingIsFetchedAndTheStoreIsAskedNowAndThen) {
  TakeRecordAway();
  EXPECT_EQ(Ask(), "none");
  EXPECT_EQ(Ask(), "none");
  EXPECT_EQ(store_.get_count, 1);
  Advance(absl::Minutes(5));
  EXPECT_EQ(Ask(), "none");
  EXPECT_EQ(store_.get_count, 2);
  EXPECT_THAT(source_.fetched, IsEmpty());
}

TEST_F(StsLookupTest, OtherDomainsDoNotWait) {
  source_.delay = absl::Minutes(1);
  const auto slow = Begin(*relay_);
  const auto other = Begin(*relay_, "b.test");
  EXPECT_FALSE(slow->has_value());
  ASSERT_TRUE(other->has_value());
  EXPECT_EQ(Shown(other->value()), "none");
  Advance(absl::Minutes(1));
  EXPECT_TRUE(slow->has_value());
}

TEST_F(StsLookupTest, AnAddressLiteralHasNoPolicy) {
  const auto asked = Begin(*relay_, "[192.0.2.1]");
  ASSERT_TRUE(asked->has_value());
  EXPECT_EQ(Shown(asked->value()), "none");
  EXPECT_THAT(dns_.asked(), IsEmpty());
}

TEST_F(StsLookupTest, WhereTheFirstFetchFailsMailGoesWithoutAndItIsTriedAgainAfterFiveMinutes) {
  EXPECT_EQ(Ask(), "none, fetch failed");
  for (int i = 0; i < 4; ++i) {
    Advance(absl::Seconds(74));
    EXPECT_EQ(Ask(), "none, fetch failed");
  }
  EXPECT_EQ(source_.fetched.size(), 1u);
  source_.files["a.test"] = File("enforce");
  Advance(absl::Seconds(4));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_THAT(journal_.said, ElementsAre("a.test 1 sts-policy-fetch-error", "a.test 1 enforce"));
}

TEST_F(StsLookupTest, AFileThatIsNoPolicyIsAFailedFetch) {
  source_.files["a.test"] = "<html>";
  EXPECT_EQ(Ask(), "none, fetch failed");
  EXPECT_THAT(journal_.said, ElementsAre("a.test 1 sts-policy-invalid"));
}

TEST_F(StsLookupTest, AnotherIdIsAnotherPolicyAtOnce) {
  source_.files["a.test"] = File("enforce");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  source_.files["a.test"] = File("testing", "new.test");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  SetRecord("2");
  EXPECT_EQ(Ask(), "testing new.test 2");
}

TEST_F(StsLookupTest, APolicyThatCannotBeFetchedAnewIsKeptUntilItsEnd) {
  source_.files["a.test"] = File("enforce");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  source_.files.clear();
  SetRecord("2");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(source_.fetched.size(), 2u) << "not again within five minutes";
  EXPECT_THAT(journal_.said, ElementsAre("a.test 1 enforce", "a.test 2 sts-policy-fetch-error kept"));
  Advance(kWeek - absl::Seconds(1));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  Advance(absl::Seconds(1));
  EXPECT_EQ(Ask(), "none, fetch failed");
}

TEST_F(StsLookupTest, ARecordThatIsGoneOrCannotBeLookedUpTakesNothingAway) {
  source_.files["a.test"] = File("enforce");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  TakeRecordAway();
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(Ask(*NewRelay()), "enforce mx.test 1") << "nor for a relay that has just begun";
  LetDnsFail();
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(Ask(*NewRelay()), "enforce mx.test 1");
  TakeRecordAway();
  Advance(kWeek - absl::Seconds(1));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  Advance(absl::Seconds(1));
  EXPECT_EQ(Ask(), "none");
  EXPECT_EQ(source_.fetched.size(), 1u) << "nothing is fetched for a record that is not there";
}

TEST_F(StsLookupTest, ItIsFetchedAnewEachDayWithoutThatAnyoneWaits) {
  source_.files["a.test"] = File("enforce");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  Advance(absl::Hours(24) - absl::Seconds(1));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(source_.fetched.size(), 1u);
  Advance(absl::Seconds(1));
  source_.delay = absl::Seconds(10);
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(source_.fetched.size(), 2u);
  Advance(absl::Seconds(10));
  // From then on it holds for another week.
  source_.files.clear();
  TakeRecordAway();
  Advance(kWeek - absl::Seconds(1));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
}

TEST_F(StsLookupTest, AShortLifeIsMadeLongerInItsSecondHalfAlsoWhileTheDnsFails) {
  source_.files["a.test"] = File("enforce", "mx.test", absl::Hours(1));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  LetDnsFail();
  Advance(absl::Minutes(31));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(source_.fetched.size(), 2u);
  Advance(absl::Minutes(59));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
}

TEST_F(StsLookupTest, APolicyDoesNotEndWhileNobodyWrites) {
  source_.files["a.test"] = File("enforce", "mx.test", absl::Hours(24));
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  const Begun<bool> keeping = mailstead::Begin(context_, Keep());
  for (int i = 0; i < 13 * 24; ++i) Advance(absl::Hours(1));
  EXPECT_GT(source_.fetched.size(), 13u);
  TakeRecordAway();
  EXPECT_EQ(Ask(), "enforce mx.test 1") << "after many of its lives";
  // Nobody has written for long: it may end.
  SetRecord("1");
  for (int i = 0; i < 16 * 24; ++i) Advance(absl::Hours(1));
  TakeRecordAway();
  EXPECT_EQ(Ask(), "none");
  relay_->Stop();
  Poll(context_);
  EXPECT_TRUE(keeping->has_value());
}

TEST_F(StsLookupTest, RelaysShareWhatOneHasFetched) {
  source_.files["a.test"] = File("enforce");
  const std::unique_ptr<StsLookup> other = NewRelay();
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  EXPECT_EQ(Ask(*other), "enforce mx.test 1");
  EXPECT_EQ(source_.fetched.size(), 1u);
  SetRecord("2");
  source_.files["a.test"] = File("none");
  EXPECT_EQ(Ask(*other), "none mx.test 2");
  EXPECT_EQ(Ask(), "none mx.test 2");
  EXPECT_EQ(source_.fetched.size(), 2u);
  // Failures, too.
  SetRecord("3");
  source_.files.clear();
  EXPECT_EQ(Ask(), "none mx.test 2");
  EXPECT_EQ(Ask(*other), "none mx.test 2");
  EXPECT_EQ(source_.fetched.size(), 3u);
}

TEST_F(StsLookupTest, AStoreThatIsAwayIsNoStoreWithoutAPolicy) {
  store_.error = absl::UnavailableError("away");
  EXPECT_EQ(Ask(), "away");
  EXPECT_THAT(source_.fetched, IsEmpty());
  store_.error = absl::OkStatus();
  source_.files["a.test"] = File("enforce");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
  // What is known here needs no store.
  store_.error = absl::UnavailableError("away");
  EXPECT_EQ(Ask(), "enforce mx.test 1");
}

TEST_F(StsLookupTest, MailWaitsNoLongerThanItMay) {
  source_.files["a.test"] = File("enforce");
  source_.delay = absl::Minutes(3);
  const std::unique_ptr<StsLookup> relay = NewRelay({.wait = absl::Minutes(1)});
  const auto asked = Begin(*relay);
  Advance(absl::Minutes(1) - absl::Seconds(1));
  EXPECT_FALSE(asked->has_value());
  Advance(absl::Seconds(1));
  ASSERT_TRUE(asked->has_value());
  EXPECT_EQ(Shown(asked->value()), "none");
  Advance(absl::Minutes(2));
  EXPECT_EQ(Ask(*relay), "enforce mx.test 1");
  EXPECT_EQ(source_.fetched.size(), 1u);
}

TEST_F(StsLookupTest, WhatIsRememberedIsBoundedAndWhatIsForgottenIsAskedFor) {
  source_.files["a.test"] = File("enforce");
  const std::unique_ptr<StsLookup> relay = NewRelay({.max_bytes = 2000});
  EXPECT_EQ(Ask(*relay), "enforce mx.test 1");
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Begin(*relay, absl::StrCat("d", i, ".test"))->has_value());
  const int before = store_.get_count;
  EXPECT_EQ(Ask(*relay), "enforce mx.test 1");
  EXPECT_EQ(store_.get_count, before + 1);
  EXPECT_EQ(source_.fetched.size(), 1u);
  // One that is larger than all there may be is looked at all the same.
  const std::unique_ptr<StsLookup> tiny = NewRelay({.max_bytes = 1});
  EXPECT_EQ(Ask(*tiny), "enforce mx.test 1");
}

TEST_F(StsLookupTest, SoManyFetchesAreUnderWayAtATime) {
  source_.delay = absl::Seconds(10);
  const std::unique_ptr<StsLookup> relay = NewRelay({.max_fetches = 1});
  dns_.Set("_mta-sts.b.test", dns::Type::kTxt, dns::Answered({dns::Txt{"v=STSv1; id=1"}}));
  const auto first = Begin(*relay);
  const auto second = Begin(*relay, "b.test");
  ASSERT_TRUE(second->has_value());
  EXPECT_EQ(Shown(second->value()), "none");
  Advance(absl::Seconds(10));
  EXPECT_TRUE(first->has_value());
  EXPECT_EQ(relay->fetch_count(), 0u);
}

TEST_F(StsLookupTest, StopLetsNobodyWait) {
  source_.delay = absl::Minutes(1);
  const auto asked = Begin(*relay_);
  relay_->Stop();
  Poll(context_);
  EXPECT_TRUE(asked->has_value());
  EXPECT_EQ(Ask(), "shutting down");
  Advance(absl::Minutes(1));
  EXPECT_EQ(relay_->fetch_count(), 0u);
}

TEST(StsAnswerFor, SaysWhatThePolicySaysOfAHost) {
  StsKnowledge knowledge;
  EXPECT_EQ(StsAnswerFor(knowledge, "mx.test").mode, StsAnswer::Mode::kNone);
  for (const auto& [mode, answered] : {std::pair{StsPolicy::Mode::kNone, StsAnswer::Mode::kNone},
                                       std::pair{StsPolicy::Mode::kTesting, StsAnswer::Mode::kTesting},
                                       std::pair{StsPolicy::Mode::kEnforce, StsAnswer::Mode::kEnforce}}) {
    knowledge.policy = StsPolicy{mode, absl::Hours(1), {"*.test"}};
    knowledge.policy_id = "1";
    EXPECT_EQ(StsAnswerFor(knowledge, "mx.test").mode, answered);
    EXPECT_FALSE(StsAnswerFor(knowledge, "mx.other").host_matches);
    if (answered == StsAnswer::Mode::kNone) continue;
    EXPECT_TRUE(StsAnswerFor(knowledge, "MX.test").host_matches);
    EXPECT_EQ(StsAnswerFor(knowledge, "mx.test").policy_id, "1");
    EXPECT_EQ(StsAnswerFor(knowledge, "mx.test").policy_lines,
              (std::vector<std::string>{"version: STSv1", absl::StrCat("mode: ", mailauth::StsModeText(mode)),
                                        "mx: *.test", "max_age: 3600"}));
  }
}

TEST(StsAnswerFor, SaysWhyThereIsNoPolicy) {
  StsKnowledge knowledge;
  knowledge.failure = StsFetchFailure{mailauth::TlsFailure::kStsWebpkiInvalid, "expired"};
  EXPECT_EQ(StsAnswerFor(knowledge, "mx.test").fetch_failure, mailauth::TlsFailure::kStsWebpkiInvalid);
  // One that is kept holds.
  knowledge.policy = StsPolicy{StsPolicy::Mode::kEnforce, absl::Hours(1), {"*.test"}};
  EXPECT_EQ(StsAnswerFor(knowledge, "mx.test").fetch_failure, std::nullopt);
}

}  // namespace
}  // namespace mailstead::smtp::outbound
