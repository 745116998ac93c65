// Watch and its consumers, by the doors that streams have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "mailstead/store/v1/watch.pb.h"
#include "stored/core/feed_cursor.h"
#include "stored/engine/change.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kWatch[] = "mailstead.store.v1.WatchService/Watch";

// "delivered 3", "deleted 1,2 API", "RENAMED b@example.test", "heartbeat".
std::string Text(const v1::WatchEvent& event) {
  switch (event.event_case()) {
    case v1::WatchEvent::kStarted:
      return "started";
    case v1::WatchEvent::kDelivered:
      return absl::StrCat("delivered ", event.delivered().message_id(),
                          event.delivered().has_message() ? "" : " gone");
    case v1::WatchEvent::kDeleted:
      return absl::StrCat("deleted ",
                          event.deleted().all() ? "all" : absl::StrJoin(event.deleted().message_ids(), ","),
                          " ", v1::WatchDeleted::Cause_Name(event.deleted().cause()).substr(6));
    case v1::WatchEvent::kAccountChanged:
      return absl::StrCat(v1::WatchAccountChanged::Change_Name(event.account_changed().change()).substr(7),
                          " ", event.account_changed().address());
    case v1::WatchEvent::kHeartbeat:
      return event.heartbeat().standby()         ? "standby"
             : event.heartbeat().waits_for_ack() ? "waits for ack"
                                                 : "heartbeat";
    default:
      return "?";
  }
}

// One stream, event by event.
class Watching {
 public:
  Watching(std::unique_ptr<Dialog> dialog, const v1::WatchRequest& request) : dialog_(std::move(dialog)) {
    EXPECT_TRUE(dialog_->Write(request, /*last=*/true));
  }
  // Empty: the stream has ended.
  std::string Next() {
    while (next_ == static_cast<size_t>(response_.events_size())) {
      next_ = 0;
      response_.Clear();
      if (!dialog_->Read(response_)) return "";
    }
    last_ = response_.events(static_cast<int>(next_++));
    return Text(last_);
  }
  // What comes up to this one, without heartbeats.
  std::vector<std::string> UpTo(const std::string& end) {
    std::vector<std::string> texts;
    while (true) {
      const std::string text = Next();
      if (text != "heartbeat" || end == "heartbeat") texts.push_back(text);
      if (text.empty() || text == end) return texts;
    }
  }
  const v1::WatchEvent& last() const { return last_; }
  std::string cursor() const { return last_.cursor(); }
  absl::Status Finish() { return dialog_->Finish(); }
  void Cancel() { dialog_->Cancel(); }

 private:
  std::unique_ptr<Dialog> dialog_;
  v1::WatchResponse response_;
  size_t next_ = 0;
  v1::WatchEvent last_;
};

class WatchTest : public ApiTest {
 protected:
  WatchTest() : a_(AddAccount("a@example.test")), b_(AddAccount("b@example.test")) {}

  static v1::WatchRequest Of(const std::vector<int64_t>& accounts) {
    v1::WatchRequest request;
    for (const int64_t account : accounts) request.mutable_filter()->add_accounts(absl::StrCat(account));
    request.mutable_heartbeat_interval()->set_seconds(1);
    return request;
  }
  static v1::WatchRequest As(const std::string& consumer) {
    v1::WatchRequest request;
    request.set_consumer(consumer);
    request.mutable_heartbeat_interval()->set_seconds(1);
    return request;
  }
  Watching Watch(const v1::WatchRequest& request) { return Watching(Open(kWatch, {}), request); }
  // What a request that is refused ends with.
  absl::Status Refusal(const v1::WatchRequest& request) {
    Watching watching = Watch(request);
    EXPECT_EQ(watching.Next(), "");
    return watching.Finish();
  }
  void Put(int64_t account) {
    Deliver(account, absl::StrCat("delivery-of-a-test-", ++count_), "Subject: x\r\n\r\nx\r\n");
  }
  void Delete(int64_t account, std::vector<int64_t> messages) {
    v1::DeleteMessagesRequest request;
    request.set_account(absl::StrCat(account));
    for (const int64_t message : messages) request.add_message_ids(message);
    ASSERT_TRUE(AsOperator<v1::DeleteMessagesResponse>("MessageService/DeleteMessages", request).ok());
  }
  v1::ListMessagesResponse List(int64_t account) {
    v1::ListMessagesRequest request;
    request.set_account(absl::StrCat(account));
    return *AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", request);
  }
  template <typename Request>
  absl::StatusOr<v1::Consumer> Consumer(const std::string& method, const Request& request) {
    return AsOperator<v1::Consumer>(absl::StrCat("WatchService/", method), request);
  }
  absl::StatusOr<v1::Consumer> Create(const std::string& name, int64_t account) {
    v1::CreateConsumerRequest request;
    request.set_name(name);
    request.mutable_filter()->add_accounts(absl::StrCat(account));
    request.mutable_ack_timeout()->set_seconds(5);
    return Consumer("CreateConsumer", request);
  }
  absl::StatusOr<v1::Consumer> Get(const std::string& name) {
    v1::GetConsumerRequest request;
    request.set_name(name);
    return Consumer("GetConsumer", request);
  }
  absl::Status Ack(const std::string& name, const std::string& cursor) {
    v1::AckConsumerRequest request;
    request.set_name(name);
    request.set_cursor(cursor);
    return AsOperator<v1::AckConsumerResponse>("WatchService/AckConsumer", request).status();
  }

  const int64_t a_;
  const int64_t b_;
  int count_ = 0;
};

MATCHER_P2(Is, code, reason, "") {
  const absl::Status status = arg;
  *result_listener << status << " " << ReasonOf(status) << " " << FieldOf(status);
  return status.code() == code && ReasonOf(status) == reason;
}
MATCHER_P(IsField, field, "") {
  const absl::Status status = arg;
  *result_listener << status << " " << FieldOf(status);
  return status.code() == StatusCode::kInvalidArgument && FieldOf(status) == field;
}

TEST_P(WatchTest, TellsWhatComesFromNowOn) {
  Put(a_);
  Watching watching = Watch(Of({a_}));
  ASSERT_EQ(watching.Next(), "started");
  EXPECT_EQ(watching.last().started().incarnation(), engine().upkeep().Incarnation());
  Put(b_);
  Put(a_);
  EXPECT_EQ(watching.Next(), "delivered 2");
  EXPECT_EQ(watching.last().account_id(), absl::StrCat(a_));
  EXPECT_EQ(watching.last().address(), "a@example.test");
  EXPECT_EQ(watching.last().delivered().message().summary().unique_id(),
            List(a_).messages(1).summary().unique_id());
  Delete(a_, {1, 2});
  EXPECT_EQ(watching.Next(), "deleted 1,2 API");
}

TEST_P(WatchTest, TellsAsMuchOfAMessageAsIsAskedFor) {
  v1::WatchRequest request = Of({a_});
  request.set_start(v1::WATCH_START_OLDEST);
  Put(a_);
  for (const v1::MessageView view :
       {v1::MESSAGE_VIEW_UNSPECIFIED, v1::MESSAGE_VIEW_SUMMARY, v1::MESSAGE_VIEW_HEADERS,
        v1::MESSAGE_VIEW_PARSED, v1::MESSAGE_VIEW_RAW}) {
    SCOPED_TRACE(v1::MessageView_Name(view));
    request.set_view(view);
    Watching watching = Watch(request);
    EXPECT_EQ(watching.UpTo("delivered 1").back(), "delivered 1");
    const v1::Message& message = watching.last().delivered().message();
    EXPECT_FALSE(message.summary().unique_id().empty());
    EXPECT_EQ(message.has_header(), view == v1::MESSAGE_VIEW_HEADERS || view == v1::MESSAGE_VIEW_PARSED);
    EXPECT_EQ(message.has_parsed(), view == v1::MESSAGE_VIEW_PARSED);
    EXPECT_EQ(message.raw().empty(), view != v1::MESSAGE_VIEW_RAW);
  }
  request.set_view(static_cast<v1::MessageView>(99));
  Watching refused = Watch(request);
  EXPECT_EQ(refused.Next(), "");
  EXPECT_TRUE(absl::IsInvalidArgument(refused.Finish()));
}

TEST_P(WatchTest, ListThenWatchHasNoGap) {
  Put(a_);
  const v1::ListMessagesResponse page = List(a_);
  Put(a_);
  Delete(a_, {1});
  v1::WatchRequest request = Of({a_});
  request.set_cursor(page.cursor());
  Watching watching = Watch(request);
  EXPECT_THAT(watching.UpTo("deleted 1 API"), ElementsAre("started", "delivered 2", "deleted 1 API"));
  // And on from each event.
  request.set_cursor(watching.cursor());
  Put(a_);
  EXPECT_THAT(Watch(request).UpTo("delivered 3"), ElementsAre("started", "delivered 3"));
}

TEST_P(WatchTest, FromTheOldestThatIsKept) {
  Put(a_);
  Delete(a_, {1});
  v1::WatchRequest request = Of({a_});
  request.set_start(v1::WATCH_START_OLDEST);
  EXPECT_THAT(Watch(request).UpTo("deleted 1 API"),
              ElementsAre("started", "CREATED a@example.test", "delivered 1 gone", "deleted 1 API"));
  request.mutable_filter()->add_kinds(v1::WATCH_KIND_DELETED);
  EXPECT_THAT(Watch(request).UpTo("deleted 1 API"), ElementsAre("started", "deleted 1 API"));
}

// Pages are read while the ones before them are sent.
TEST_P(WatchTest, OneThatIsFarBehindMissesNothing) {
  constexpr int kMessages = 1800;
  std::vector<std::string> all = {"started"};
  ASSERT_TRUE(Create("desk", a_).ok());
  for (int i = 1; i <= kMessages; ++i) {
    Put(a_);
    all.push_back(absl::StrCat("delivered ", i));
  }
  v1::WatchRequest request = Of({a_});
  request.set_start(v1::WATCH_START_OLDEST);
  request.mutable_filter()->add_kinds(v1::WATCH_KIND_DELIVERED);
  EXPECT_EQ(Watch(request).UpTo(all.back()), all);
  // They may go at any time.
  for (int i = 0; i < 20; ++i) {
    Watching watching = Watch(request);
    for (int k = 0; k < 30 * i; ++k) watching.Next();
    watching.Cancel();
  }
  // A consumer is never sent more than it may have unacknowledged.
  v1::WatchRequest as_desk = As("desk");
  as_desk.set_max_unacknowledged(600);
  Watching desk = Watch(as_desk);
  for (int part = 0; part < 3; ++part) {
    const std::vector<std::string> texts = desk.UpTo("waits for ack");
    std::vector<std::string> expected(all.begin() + 600 * part + 1, all.begin() + 600 * (part + 1) + 1);
    if (part == 0) expected.insert(expected.begin(), "started");
    expected.push_back("waits for ack");
    EXPECT_EQ(texts, expected);
    EXPECT_TRUE(Ack("desk", desk.cursor()).ok());
  }
}

TEST_P(WatchTest, OfADomainAndOfAll) {
  v1::WatchRequest of_domain;
  of_domain.mutable_filter()->set_domain("EXAMPLE.test");
  v1::WatchRequest of_all;
  of_all.mutable_filter()->set_all(true);
  Watching domain = Watch(of_domain);
  Watching all = Watch(of_all);
  ASSERT_EQ(domain.Next(), "started");
  ASSERT_EQ(all.Next(), "started");
  v1::CreateDomainRequest other;
  other.mutable_domain()->set_name("other.test");
  ASSERT_TRUE(AsOperator<v1::Domain>("DirectoryService/CreateDomain", other).ok());
  const int64_t c = AddAccount("c@other.test");
  Put(c);
  Put(a_);
  EXPECT_EQ(domain.Next(), "delivered 1");
  EXPECT_EQ(domain.last().address(), "a@example.test");
  EXPECT_THAT(all.UpTo("delivered 1"), ElementsAre("CREATED c@other.test", "delivered 1"));
  EXPECT_EQ(all.Next(), "delivered 1");
  // Both domains hear of a move, and the new one of what comes then.
  v1::UpdateAccountRequest move;
  move.set_account(absl::StrCat(c));
  move.mutable_update()->set_address("c@example.test");
  move.mutable_update_mask()->add_paths("address");
  ASSERT_TRUE(AsOperator<v1::Account>("DirectoryService/UpdateAccount", move).ok());
  EXPECT_EQ(domain.Next(), "RENAMED c@example.test");
  EXPECT_EQ(domain.last().account_changed().old_address(), "c@other.test");
  addresses_[c] = "c@example.test";
  Put(c);
  EXPECT_EQ(domain.Next(), "delivered 2");
}

TEST_P(WatchTest, HeartbeatsMoveTheCursorOfAQuietStream) {
  Watching watching = Watch(Of({b_}));
  ASSERT_EQ(watching.Next(), "started");
  const std::string before = watching.cursor();
  Put(a_);
  Put(a_);
  std::string after = before;
  while (after == before) {
    ASSERT_EQ(watching.Next(), "heartbeat");
    after = watching.cursor();
  }
  const auto read = [&](const std::string& cursor) {
    return ReadFeedCursor(engine().upkeep().Incarnation(), WatchScope({AccountId{b_}}, ""), cursor);
  };
  EXPECT_EQ(read(after)->at.position, engine().changes().Bounds().last);
  EXPECT_LT(read(before)->at.position, read(after)->at.position);
}

TEST_P(WatchTest, EndsWithItsLastAccount) {
  Put(a_);
  Watching watching = Watch(Of({a_}));
  ASSERT_EQ(watching.Next(), "started");
  v1::DeleteAccountRequest request;
  request.set_account(absl::StrCat(a_));
  ASSERT_TRUE(AsOperator<v1::DeleteAccountResponse>("DirectoryService/DeleteAccount", request).ok());
  EXPECT_THAT(watching.UpTo(""), ElementsAre("deleted all ACCOUNT_REMOVED", "REMOVED a@example.test", ""));
  EXPECT_THAT(watching.Finish(), Is(StatusCode::kNotFound, "ACCOUNT_NOT_FOUND"));
}

TEST_P(WatchTest, WhatIsAskedForWronglyIsRefused) {
  EXPECT_THAT(Refusal({}), IsField("filter"));
  v1::WatchRequest both = Of({a_});
  both.mutable_filter()->set_all(true);
  EXPECT_THAT(Refusal(both), IsField("filter"));
  v1::WatchRequest kind = Of({a_});
  kind.mutable_filter()->add_kinds(v1::WATCH_KIND_UNSPECIFIED);
  EXPECT_THAT(Refusal(kind), IsField("filter.kinds"));
  v1::WatchRequest many = Of(std::vector<int64_t>(1001, a_));
  EXPECT_THAT(Refusal(many), IsField("filter.accounts"));
  for (const int64_t seconds : {-1, 0, 301}) {
    v1::WatchRequest request = Of({a_});
    request.mutable_heartbeat_interval()->set_seconds(seconds);
    EXPECT_THAT(Refusal(request), IsField("heartbeat_interval")) << seconds;
  }
  v1::WatchRequest nobody = Of({a_});
  nobody.mutable_filter()->add_accounts("nobody@example.test");
  const absl::Status status = Refusal(nobody);
  EXPECT_THAT(status, Is(StatusCode::kNotFound, "ACCOUNT_NOT_FOUND"));
  EXPECT_EQ(FieldOf(status), "filter.accounts[1]");
  v1::WatchRequest nowhere;
  nowhere.mutable_filter()->set_domain("nowhere.test");
  EXPECT_THAT(Refusal(nowhere), Is(StatusCode::kNotFound, "DOMAIN_NOT_FOUND"));
  EXPECT_THAT(Refusal(As("desk")), Is(StatusCode::kNotFound, "CONSUMER_NOT_FOUND"));
  EXPECT_THAT(Refusal(As("No Name")), IsField("consumer"));
  v1::WatchRequest consumer = As("desk");
  consumer.set_start(v1::WATCH_START_NOW);
  EXPECT_THAT(Refusal(consumer), IsField("start"));
}

TEST_P(WatchTest, CursorsAreToldApart) {
  v1::WatchRequest request = Of({a_});
  Watching watching = Watch(request);
  ASSERT_EQ(watching.Next(), "started");
  const std::string good = watching.cursor();
  const auto refusal = [&](std::string cursor, int64_t account = 0) {
    v1::WatchRequest with = Of({account == 0 ? a_ : account});
    with.set_cursor(std::move(cursor));
    return Refusal(with);
  };
  EXPECT_THAT(refusal("x"), IsField("cursor"));
  std::string changed = good;
  changed[20] = static_cast<char>(changed[20] ^ 1);
  EXPECT_THAT(refusal(changed), IsField("cursor"));
  EXPECT_THAT(refusal(good + "x"), IsField("cursor"));
  EXPECT_THAT(refusal(good, b_), IsField("cursor"));
  const auto expired = Is(StatusCode::kOutOfRange, "CURSOR_EXPIRED");
  const std::string scope = WatchScope({AccountId{a_}}, "");
  EXPECT_THAT(refusal(MakeFeedCursor("another store", scope, {{1, MessageId{0}}, 0})), expired);
  const std::string incarnation = engine().upkeep().Incarnation();
  const int64_t last = engine().changes().Bounds().last;
  EXPECT_THAT(refusal(MakeFeedCursor(incarnation, scope, {{last + 1, MessageId{0}}, 0})), expired);
  clock_.Advance(absl::Hours(2));
  Put(a_);
  ASSERT_TRUE(BlockOn(engine().changes().Trim(absl::Hours(1), 1000)).ok());
  EXPECT_THAT(refusal(MakeFeedCursor(incarnation, scope, {{1, MessageId{0}}, 0})), expired);
  request.set_cursor(good);
  request.set_start(v1::WATCH_START_NOW);
  EXPECT_THAT(Refusal(request), IsField("start"));
}

// ---- Consumers

TEST_P(WatchTest, AConsumerGoesOnBehindWhatWasAcknowledged) {
  ASSERT_TRUE(Create("desk", a_).ok());
  Put(a_);
  Put(a_);
  {
    Watching worker = Watch(As("desk"));
    EXPECT_THAT(worker.UpTo("delivered 1"), ElementsAre("started", "delivered 1"));
    EXPECT_TRUE(Ack("desk", worker.cursor()).ok());
    EXPECT_EQ(worker.Next(), "delivered 2");
    EXPECT_EQ(Get("desk")->active_worker(), "operator");
    worker.Cancel();
  }
  ASSERT_TRUE(Eventually([&] { return Get("desk")->active_peer().empty(); }));
  EXPECT_EQ(Get("desk")->lag_count(), 1);
  Watching worker = Watch(As("desk"));
  EXPECT_THAT(worker.UpTo("delivered 2"), ElementsAre("started", "delivered 2"));
  EXPECT_TRUE(Ack("desk", worker.cursor()).ok());
  EXPECT_EQ(Get("desk")->lag_count(), 0);
  EXPECT_TRUE(Get("desk")->has_ack_time());
}

TEST_P(WatchTest, AnotherWorkerTakesOverAndTheOldOneIsFenced) {
  ASSERT_TRUE(Create("desk", a_).ok());
  Put(a_);
  Watching first = Watch(As("desk"));
  ASSERT_THAT(first.UpTo("delivered 1"), ElementsAre("started", "delivered 1"));
  const std::string cursor = first.cursor();
  Watching second = Watch(As("desk"));
  ASSERT_EQ(second.Next(), "standby");
  EXPECT_EQ(Get("desk")->waiting_count(), 1);
  first.Cancel();
  EXPECT_THAT(second.UpTo("delivered 1").back(), "delivered 1");
  EXPECT_THAT(Ack("desk", cursor), Is(StatusCode::kAborted, "CONSUMER_FENCED"));
  EXPECT_TRUE(Ack("desk", second.cursor()).ok());
}

// It holds its connection, and does nothing.
TEST_P(WatchTest, ASilentWorkerLosesItsPlaceToOneThatWaits) {
  ASSERT_TRUE(Create("desk", a_).ok());
  Put(a_);
  Watching first = Watch(As("desk"));
  ASSERT_THAT(first.UpTo("delivered 1"), ElementsAre("started", "delivered 1"));
  Watching second = Watch(As("desk"));
  std::string next;
  while ((next = second.Next()) == "standby") {
  }
  EXPECT_EQ(next, "started");
  EXPECT_EQ(second.Next(), "delivered 1");
  while (first.Next() == "heartbeat") {
  }
  EXPECT_THAT(first.Finish(), Is(StatusCode::kAborted, "CONSUMER_FENCED"));
}

TEST_P(WatchTest, WhatWasNotSentIsNotAcknowledged) {
  ASSERT_TRUE(Create("desk", a_).ok());
  Put(a_);
  Put(a_);
  v1::WatchRequest request = As("desk");
  request.set_max_unacknowledged(1);
  Watching worker = Watch(request);
  ASSERT_THAT(worker.UpTo("delivered 1"), ElementsAre("started", "delivered 1"));
  const std::string incarnation = engine().upkeep().Incarnation();
  const std::string scope = WatchScope({AccountId{a_}}, "");
  FeedCursor cursor = *ReadFeedCursor(incarnation, scope, worker.cursor());
  ++cursor.at.position;
  EXPECT_THAT(Ack("desk", MakeFeedCursor(incarnation, scope, cursor)), IsField("cursor"));
  cursor.at.position += 100;
  EXPECT_THAT(Ack("desk", MakeFeedCursor(incarnation, scope, cursor)), IsField("cursor"));
  cursor.at.position = 1;
  cursor.fence = 0;
  EXPECT_THAT(Ack("desk", MakeFeedCursor(incarnation, scope, cursor)), IsField("cursor"));
  EXPECT_EQ(worker.Next(), "waits for ack");
  ASSERT_TRUE(Ack("desk", worker.cursor()).ok());
  EXPECT_THAT(worker.UpTo("delivered 2").back(), "delivered 2");
}

TEST_P(WatchTest, AConsumerIsResetAndDeleted) {
  ASSERT_TRUE(Create("desk", a_).ok());
  EXPECT_THAT(Create("desk", a_).status(), Is(StatusCode::kAlreadyExists, "CONSUMER_EXISTS"));
  Put(a_);
  Watching worker = Watch(As("desk"));
  ASSERT_THAT(worker.UpTo("delivered 1"), ElementsAre("started", "delivered 1"));
  ASSERT_TRUE(Ack("desk", worker.cursor()).ok());
  v1::ResetConsumerRequest reset;
  reset.set_name("desk");
  reset.set_start(v1::WATCH_START_OLDEST);
  ASSERT_TRUE(Consumer("ResetConsumer", reset).ok());
  EXPECT_THAT(Ack("desk", worker.cursor()), Is(StatusCode::kAborted, "CONSUMER_FENCED"));
  Watching again = Watch(As("desk"));
  EXPECT_THAT(again.UpTo("delivered 1"), ElementsAre("started", "CREATED a@example.test", "delivered 1"));
  const auto listed =
      AsOperator<v1::ListConsumersResponse>("WatchService/ListConsumers", v1::ListConsumersRequest());
  ASSERT_EQ(listed->consumers_size(), 1);
  EXPECT_THAT(listed->consumers(0).filter().accounts(), ElementsAre(absl::StrCat(a_)));
  v1::DeleteConsumerRequest remove;
  remove.set_name("desk");
  ASSERT_TRUE(AsOperator<v1::DeleteConsumerResponse>("WatchService/DeleteConsumer", remove).ok());
  EXPECT_THAT(Get("desk").status(), Is(StatusCode::kNotFound, "CONSUMER_NOT_FOUND"));
}

TEST_P(WatchTest, AConsumerThatIsTooFarBehindIsToldSo) {
  ASSERT_TRUE(Create("desk", a_).ok());
  Put(a_);
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Get("desk")->lag().seconds(), 7200);
  Put(a_);
  ASSERT_TRUE(BlockOn(engine().changes().Trim(absl::Hours(1), 1000)).ok());
  EXPECT_TRUE(Get("desk")->expired());
  EXPECT_THAT(Refusal(As("desk")), Is(StatusCode::kOutOfRange, "CURSOR_EXPIRED"));
  v1::ResetConsumerRequest reset;
  reset.set_name("desk");
  ASSERT_TRUE(Consumer("ResetConsumer", reset).ok());
  EXPECT_EQ(Watch(As("desk")).Next(), "started");
}

INSTANTIATE_TEST_SUITE_P(Doors, WatchTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

}  // namespace
}  // namespace mailstead::stored
