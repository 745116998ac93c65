#include "common/frontend/login_watch.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/sasl/step.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mailstead/frontend/v1/auth.pb.h"
#include "tests/support/fake_store.h"
#include "tests/support/fake_time.h"
#include "tests/unit/common/store/awaiting.h"

namespace mailstead::frontend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kAsk[] = "ListLoginChanges";
constexpr char kCheck[] = "CheckLogins";
constexpr absl::Duration kPeriod = absl::Milliseconds(500);

// The real store, and time that the test moves on.
class LoginWatchTest : public test::Awaiting {
 protected:
  LoginWatchTest() {
    store_.AddDomain("example.test");
    for (const char* name : {"a", "b"}) store_.AddAccount(Address(name), "secret");
    watch_.Start();
    Pass(absl::ZeroDuration());
  }
  ~LoginWatchTest() override {
    sessions_.clear();
    std::atomic<bool> stopped = false;
    std::thread stopping([this, &stopped] {
      EXPECT_TRUE(watch_.Stop(absl::Seconds(60)));
      stopped = true;
    });
    EXPECT_TRUE(Until([&stopped] { return stopped.load(); }));
    stopping.join();
  }

  static std::string Address(const std::string& name) { return name + "@example.test"; }

  // Lets so much time go by, and all that it wakes come to where it waits again.
  void Pass(absl::Duration time) {
    time_.Advance(time);
    EXPECT_TRUE(Until([this] { return time_.waiting_count() > 0; }));
    io_.restart();
    io_.poll();
  }

  // A session that logs in, and notes its name when its login ends.
  void LogIn(const std::string& name, const std::string& session) {
    const auto login = api_.StartLogin({.session_id = session});
    sasl::Start start{.mechanism = "PLAIN",
                      .initial_response = sasl::PlainMessage(Address(name), "secret"),
                      .client_address = "192.0.2.1"};
    const auto step = Get(login->Begin(std::move(start), std::nullopt));
    ASSERT_TRUE(step.ok()) << step.status();
    const auto& logged_in = std::get<store::LoggedIn>(*step);
    sessions_[session] = watch_.Watch(logged_in.account, logged_in.grant, io_.get_executor(),
                                      [this, session](store::LoginEnd why) { Note(session, why); });
  }

  void Note(const std::string& session, store::LoginEnd why) {
    ended_.push_back(session);
    if (why == store::LoginEnd::kSessionEnded) by_operator_.push_back(session);
  }

  int asked() { return store_.way().calls(kAsk); }
  // How many logins each question was about.
  std::vector<int> Checked() {
    std::vector<int> counts;
    for (const test::SeenCall& call : store_.way().seen(kCheck))
      counts.push_back(call.As<mailstead::frontend::v1::CheckLoginsRequest>().grants_size());
    return counts;
  }

  FakeTime time_;
  test::FakeStore store_{{.role = stored::kSmtp, .timers = &time_}};
  store::StoreApi api_{store_.way(), nullptr, time_};
  LoginWatch watch_{api_, io_.get_executor(), kPeriod, time_};
  std::map<std::string, std::unique_ptr<LoginWatch::Login>> sessions_;
  std::vector<std::string> ended_;
  // Those of them that an operator has ended.
  std::vector<std::string> by_operator_;
};

TEST_F(LoginWatchTest, ASessionThatEndsBeforeTheQuestionCostsNone) {
  for (int i = 0; i < 3; ++i) {
    LogIn("a", "short");
    sessions_.clear();
    Pass(kPeriod);
  }
  EXPECT_EQ(asked(), 0);
  EXPECT_THAT(Checked(), IsEmpty());
}

TEST_F(LoginWatchTest, WhileNothingChangesAQuestionIsAFewBytes) {
  LogIn("a", "one");
  LogIn("b", "two");
  for (int i = 0; i < 10; ++i) Pass(kPeriod);
  EXPECT_EQ(asked(), 10);
  EXPECT_THAT(Checked(), ElementsAre(2))
      << "once for each login, since it may have ended before it was watched";
  LogIn("b", "three");
  for (int i = 0; i < 10; ++i) Pass(kPeriod);
  EXPECT_THAT(Checked(), ElementsAre(2, 1));
  EXPECT_THAT(ended_, IsEmpty());
}

TEST_F(LoginWatchTest, ASessionIsToldAtTheNextQuestion) {
  LogIn("a", "one");
  LogIn("b", "two");
  LogIn("a", "three");
  Pass(kPeriod);
  store_.SetDisabled(Address("a"), true);
  Pass(kPeriod);
  EXPECT_THAT(ended_, UnorderedElementsAre("one", "three"));
  EXPECT_THAT(Checked(), ElementsAre(3, 2));
  store_.SetDisabled(Address("a"), false);
  for (int i = 0; i < 3; ++i) Pass(kPeriod);
  EXPECT_THAT(ended_, UnorderedElementsAre("one", "three")) << "once";
}

TEST_F(LoginWatchTest, ASessionIsToldThatAnOperatorHasEndedIt) {
  LogIn("a", "one");
  LogIn("a", "two");
  Pass(kPeriod);
  store_.EndSession(Address("a"), "two");
  Pass(kPeriod);
  EXPECT_THAT(ended_, ElementsAre("two"));
  EXPECT_THAT(by_operator_, ElementsAre("two"));
  store_.SetDisabled(Address("a"), true);
  Pass(kPeriod);
  EXPECT_THAT(ended_, ElementsAre("two", "one"));
  EXPECT_THAT(by_operator_, ElementsAre("two"));
}

TEST_F(LoginWatchTest, AnotherAccountsChangeIsNobodysAffair) {
  LogIn("b", "two");
  Pass(kPeriod);
  store_.SetDisabled(Address("a"), true);
  Pass(kPeriod);
  EXPECT_THAT(Checked(), ElementsAre(1));
  EXPECT_THAT(ended_, IsEmpty());
}

TEST_F(LoginWatchTest, AChangeBeforeTheLoginWasWatchedIsFound) {
  LogIn("b", "two");
  Pass(kPeriod);
  LogIn("a", "one");
  store_.SetDisabled(Address("a"), true);
  Pass(kPeriod);
  EXPECT_THAT(ended_, ElementsAre("one"));
}

TEST_F(LoginWatchTest, WhatCannotBeAskedIsAskedAgain) {
  LogIn("a", "one");
  Pass(kPeriod);
  store_.SetDisabled(Address("a"), true);
  for (const char* method : {kAsk, kCheck, kAsk}) {
    store_.way().Fail(method, test::When::kBefore, absl::UnavailableError("restarting"));
    Pass(kPeriod);
    EXPECT_THAT(ended_, IsEmpty()) << method;
  }
  Pass(kPeriod);
  EXPECT_THAT(ended_, ElementsAre("one"));
}

TEST_F(LoginWatchTest, ManyLoginsAreAskedAboutInSeveralQuestions) {
  LogIn("a", "first");
  for (int i = 0; i < 1000; ++i) {
    const std::string session = absl::StrCat("session-", i);
    sessions_[session] = watch_.Watch(AccountId{9}, "no grant", io_.get_executor(),
                                      [this, session](store::LoginEnd why) { Note(session, why); });
  }
  Pass(kPeriod);
  EXPECT_THAT(Checked(), ElementsAre(500, 500, 1));
  EXPECT_EQ(ended_.size(), 1000u);
}

TEST_F(LoginWatchTest, WhoIsGoneIsNotTold) {
  LogIn("a", "one");
  store_.SetDisabled(Address("a"), true);
  store_.way().Hold(kCheck, test::When::kAfter);
  time_.Advance(kPeriod);
  EXPECT_TRUE(Until([this] { return store_.way().held_count(kCheck) == 1; }));
  sessions_.clear();
  store_.way().Release(kCheck);
  Pass(kPeriod);
  Pass(kPeriod);
  EXPECT_THAT(ended_, IsEmpty());
}

}  // namespace
}  // namespace mailstead::frontend
