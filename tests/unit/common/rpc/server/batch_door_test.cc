#include "common/rpc/server/batch_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "tests/unit/common/rpc/server/toy.h"

namespace mailstead::rpc {
namespace {

namespace v1 = ::mailstead::frontend::v1;
constexpr char kCalls[] = "mailstead.frontend.v1.BatchService/Calls";

v1::Call MakeCall(const std::string& method, const std::string& text) {
  v1::Call call;
  call.set_method("toy.Toy/" + method);
  call.set_request(MakeText(text).SerializeAsString());
  return call;
}

// What came to one call.
struct Answered {
  absl::Status status;
  std::vector<std::string> responses;
};

// The caller's end of a stream.
class Stream {
 public:
  explicit Stream(ToyServer& server, const std::string& token = "1",
                  absl::Duration timeout = absl::Minutes(5))
      : stream_(server.channel(), kCalls, token, timeout) {}

  // Several in one message. Gives the id of the first; the others count up from it.
  int64_t Send(std::vector<v1::Call> calls) {
    const int64_t first = next_id_;
    v1::CallsRequest request;
    for (v1::Call& call : calls) {
      call.set_call_id(next_id_++);
      *request.add_calls() = std::move(call);
    }
    stream_.Write(request);
    return first;
  }
  Answered Await(int64_t id) {
    v1::CallsResponse response;
    while (!ended_.contains(id) && stream_.Read(response)) Take(response);
    EXPECT_TRUE(ended_.contains(id)) << "no answer";
    return answers_[id];
  }
  Answered Ask(v1::Call call) { return Await(Send({std::move(call)})); }
  absl::Status Try(v1::Call call) { return Ask(std::move(call)).status; }

  void HalfClose() { stream_.HalfClose(); }
  void Cancel() { stream_.Cancel(); }
  // Nothing more comes; why not.
  absl::Status End() {
    v1::CallsResponse response;
    EXPECT_FALSE(stream_.Read(response)) << response.ShortDebugString();
    return stream_.Finish();
  }
  // Whatever else comes is passed over.
  absl::Status EndAtLast() { return stream_.End(); }

  int responses_read() const { return responses_read_; }
  size_t most_answer_bytes() const { return most_answer_bytes_; }

 private:
  void Take(const v1::CallsResponse& response) {
    ++responses_read_;
    most_answer_bytes_ = std::max(most_answer_bytes_, response.ByteSizeLong());
    for (const v1::Answer& answer : response.answers()) {
      EXPECT_FALSE(ended_.contains(answer.call_id())) << "answered twice";
      Answered& so_far = answers_[answer.call_id()];
      if (answer.has_error()) {
        so_far.status = FromProto(answer.error());
        so_far.responses.clear();
      } else if (answer.part() != v1::Answer::PART_END_ONLY) {
        Text text;
        EXPECT_TRUE(text.ParseFromString(answer.response()));
        so_far.responses.push_back(text.value());
      }
      if (answer.part() != v1::Answer::PART_MORE) ended_[answer.call_id()] = true;
    }
  }

  GrpcCaller stream_;
  int64_t next_id_ = 1;
  int responses_read_ = 0;
  size_t most_answer_bytes_ = 0;
  std::map<int64_t, Answered> answers_;
  std::map<int64_t, bool> ended_;
};

class BatchDoorTest : public testing::Test {
 protected:
  bool AwaitHolding(int count) {
    return Eventually([&] { return seen_.holding >= count; });
  }
  int Ended(const std::string& method, absl::StatusCode code) {
    return server_.admission().ended("toy.Toy/" + method, Door::kBatch, code);
  }

  ToyServer server_;
  Seen& seen_ = server_.toy().seen();
};

TEST_F(BatchDoorTest, WhatIsThereAtOneMomentIsAnsweredTogether) {
  Stream streams[] = {Stream(server_), Stream(server_)};
  for (Stream& stream : streams) {
    for (int i = 0; i < 3; ++i) stream.Send({MakeCall("Hold", "x")});
  }
  ASSERT_TRUE(AwaitHolding(6));
  // As the engine resumes all that waits for one commit.
  server_.toy().Release();
  for (Stream& stream : streams) {
    for (int64_t id = 1; id <= 3; ++id) EXPECT_TRUE(stream.Await(id).status.ok());
    EXPECT_EQ(stream.responses_read(), 1);
  }
  // So is what is answered at once.
  Stream stream(server_);
  const int64_t first = stream.Send(std::vector<v1::Call>(50, MakeCall("Echo", "x")));
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(stream.Await(first + i).status.ok());
  EXPECT_EQ(stream.responses_read(), 1);
}

TEST_F(BatchDoorTest, OneThatHasGoneMeanwhileIsPassedOver) {
  Stream goes(server_);
  Stream stays(server_);
  goes.Send({MakeCall("Hold", "x")});
  const int64_t id = stays.Send({MakeCall("Hold", "x")});
  ASSERT_TRUE(AwaitHolding(2));
  goes.Cancel();
  EXPECT_TRUE(absl::IsCancelled(goes.EndAtLast()));
  server_.toy().Release();
  EXPECT_TRUE(stays.Await(id).status.ok());
}

TEST_F(BatchDoorTest, AnErrorIsOfItsCallOnly) {
  Stream stream(server_);
  v1::Call garbled = MakeCall("Echo", "x");
  garbled.set_request("\xff\xff\xff");
  const int64_t first = stream.Send(
      {MakeCall("Echo", "x"), v1::Call(), MakeCall("Echo", "error"), garbled, MakeCall("Echo", "y")});
  EXPECT_TRUE(stream.Await(first).status.ok());
  const absl::Status unset = stream.Await(first + 1).status;
  EXPECT_TRUE(absl::IsInvalidArgument(unset)) << unset;
  EXPECT_EQ(FieldOf(unset), "method");
  EXPECT_TRUE(absl::IsAborted(stream.Await(first + 2).status));
  EXPECT_TRUE(stream.Await(first + 2).responses.empty());
  EXPECT_TRUE(absl::IsInvalidArgument(stream.Await(first + 3).status));
  EXPECT_TRUE(stream.Await(first + 4).status.ok());
  stream.Send({});
  EXPECT_TRUE(stream.Try(MakeCall("Echo", "z")).ok());
}

TEST_F(BatchDoorTest, WhatIsNotForBatchesIsRefused) {
  Stream stream(server_);
  EXPECT_EQ(FieldOf(stream.Try(MakeCall("Own", "x"))), "method");
  v1::Call itself;
  itself.set_method(kCalls);
  EXPECT_EQ(FieldOf(stream.Try(itself)), "method");
  EXPECT_TRUE(stream.Try(MakeCall("Echo", "x")).ok());
}

TEST_F(BatchDoorTest, IsForItsRoles) {
  EXPECT_TRUE(absl::IsPermissionDenied(Stream(server_, "4").End()));
  EXPECT_TRUE(absl::IsUnauthenticated(Stream(server_, "").End()));
  EXPECT_TRUE(absl::IsUnauthenticated(Stream(server_, "wrong").End()));
}

TEST_F(BatchDoorTest, WhatIsAskedByOneWithoutTheRoleDoesNotHappen) {
  Stream stream(server_, "4");
  stream.Send({MakeCall("Echo", "x")});
  EXPECT_TRUE(absl::IsPermissionDenied(stream.End()));
  absl::MutexLock lock(&seen_.mutex);
  EXPECT_TRUE(seen_.echoed.empty());
}

TEST_F(BatchDoorTest, ATokenThatIsWithdrawnEndsAtOnce) {
  Stream stream(server_);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(stream.Try(MakeCall("Echo", "before")).ok());
  EXPECT_EQ(server_.admission().identified(), 1) << "as long as nothing changes";
  server_.admission().Withdraw("1");
  EXPECT_TRUE(absl::IsUnauthenticated(stream.Try(MakeCall("Echo", "after"))));
  absl::MutexLock lock(&seen_.mutex);
  EXPECT_EQ(seen_.echoed.size(), 10u);
}

TEST_F(BatchDoorTest, ManyCallsAtOnceAreAllAnswered) {
  Stream stream(server_);
  std::vector<int64_t> ids;
  for (int round = 0; round < 20; ++round) {
    std::vector<v1::Call> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(MakeCall("Echo", std::to_string(i)));
    ids.push_back(stream.Send(std::move(calls)));
  }
  for (const int64_t first : ids) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_THAT(stream.Await(first + i).responses, testing::ElementsAre(std::to_string(i)));
    }
  }
  EXPECT_EQ(Ended("Echo", absl::StatusCode::kOk), 400);
}

TEST_F(BatchDoorTest, ACallerThatReadsLateGetsAllThatItAskedFor) {
  // Much more than a stream may hold: the server stops reading, and goes on when answers go.
  Stream stream(server_);
  std::vector<int64_t> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(stream.Send(std::vector<v1::Call>(100, MakeCall("Large", "60000"))));
  }
  for (const int64_t first : ids) {
    for (int i = 0; i < 100; ++i) {
      const Answered answered = stream.Await(first + i);
      ASSERT_EQ(answered.responses.size(), 1u);
      ASSERT_EQ(answered.responses[0].size(), 60'000u);
    }
  }
  EXPECT_LE(stream.most_answer_bytes(), (256u << 10) + 61'000);
}

TEST_F(BatchDoorTest, OverItsBudgetAStreamIsNotRead) {
  // Each call holds more than all may: the second one waits for the first.
  ToyServer small({}, {.max_stream_bytes = 1000});
  Seen& seen = small.toy().seen();
  Stream stream(small);
  const std::string kilobyte(1024, 'x');
  const int64_t first = stream.Send({MakeCall("Hold", kilobyte)});
  ASSERT_TRUE(Eventually([&] { return seen.holding == 1; }));
  const int64_t second = stream.Send({MakeCall("Hold", kilobyte)});
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(seen.holding, 1);
  // What must not wait has a call of its own (heartbeats): it is answered meanwhile.
  GrpcCaller apart(small.channel(), "toy.Toy/Echo");
  apart.Write(MakeText("alive"), /*last=*/true);
  EXPECT_TRUE(apart.End().ok());
  EXPECT_EQ(seen.holding, 1);
  small.toy().Release();
  EXPECT_TRUE(stream.Await(first).status.ok());
  EXPECT_TRUE(stream.Await(second).status.ok());
}

TEST_F(BatchDoorTest, AnAnswerThatIsTooLargeIsAnErrorOfItsCall) {
  Stream stream(server_);
  EXPECT_TRUE(stream.Try(MakeCall("Large", std::to_string((512 << 10) - 4))).ok());
  const absl::Status large = stream.Try(MakeCall("Large", std::to_string(512 << 10)));
  EXPECT_TRUE(absl::IsResourceExhausted(large)) << large;
  EXPECT_EQ(ReasonOf(large), kReasonTooLarge);
  const Answered flood = stream.Ask(MakeCall("Flood", "9"));
  EXPECT_EQ(ReasonOf(flood.status), kReasonTooLarge) << "also in parts";
  EXPECT_EQ(stream.Ask(MakeCall("Flood", "7")).responses.size(), 7u);
}

TEST_F(BatchDoorTest, AMessageThatIsTooLargeEndsItsStream) {
  Stream stream(server_);
  EXPECT_TRUE(stream.Try(MakeCall("Echo", std::string(511 << 10, 'x'))).ok());
  stream.Send({MakeCall("Echo", std::string(2 << 20, 'a'))});
  EXPECT_TRUE(absl::IsResourceExhausted(stream.End()));
  EXPECT_TRUE(Stream(server_).Try(MakeCall("Echo", "x")).ok());
}

TEST_F(BatchDoorTest, HalfCloseAnswersWhatWasTakenAndEndsInOrder) {
  Stream stream(server_);
  const int64_t id = stream.Send({MakeCall("Hold", "x")});
  stream.HalfClose();
  ASSERT_TRUE(AwaitHolding(1));
  server_.toy().Release();
  EXPECT_TRUE(stream.Await(id).status.ok());
  EXPECT_EQ(stream.End(), absl::OkStatus());

  Stream idle(server_);
  idle.HalfClose();
  EXPECT_EQ(idle.End(), absl::OkStatus());
}

TEST_F(BatchDoorTest, ACallerThatLeftIsNotAnswered) {
  {
    Stream stream(server_);
    stream.Send({MakeCall("Hold", "x"), MakeCall("Hold", "y")});
    ASSERT_TRUE(AwaitHolding(2));
    stream.Cancel();
    EXPECT_TRUE(absl::IsCancelled(stream.EndAtLast()));
  }
  EXPECT_TRUE(Eventually([&] { return Ended("Hold", absl::StatusCode::kCancelled) == 2; }));
  // The server ends the stream when it hears of that.
  EXPECT_TRUE(Eventually(
      [&] { return server_.admission().ended(kCalls, Door::kGrpc, absl::StatusCode::kCancelled) == 1; }));
}

TEST_F(BatchDoorTest, EachCallHasATimeOfItsOwn) {
  Stream stream(server_);
  v1::Call hurried = MakeCall("Hold", "x");
  hurried.set_timeout_ms(1);
  v1::Call patient = MakeCall("Hold", "y");
  patient.set_timeout_ms(60'000);
  const int64_t first = stream.Send({hurried, patient, MakeCall("Hold", "z")});
  ASSERT_TRUE(Eventually([&] { return seen_.holding + seen_.held >= 2; }));
  absl::SleepFor(absl::Milliseconds(10));
  server_.toy().Release();
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream.Await(first).status));
  EXPECT_TRUE(stream.Await(first + 1).status.ok());
  EXPECT_TRUE(stream.Await(first + 2).status.ok()) << "none given: a minute";
}

// ---- The end

TEST_F(BatchDoorTest, DrainEndsIdleStreamsAtOnce) {
  Stream stream(server_);
  EXPECT_TRUE(stream.Try(MakeCall("Echo", "x")).ok());
  const absl::Time begin = absl::Now();
  std::thread drain([this] { server_.Drain(absl::Minutes(2)); });
  EXPECT_TRUE(absl::IsUnavailable(stream.End()));
  drain.join();
  EXPECT_LT(absl::Now() - begin, absl::Minutes(1));
}

TEST_F(BatchDoorTest, DrainLetsCallsBeAnswered) {
  Stream idle(server_);
  EXPECT_TRUE(idle.Try(MakeCall("Echo", "x")).ok());
  Stream stream(server_);
  const int64_t id = stream.Send({MakeCall("Hold", "x")});
  ASSERT_TRUE(AwaitHolding(1));
  std::thread drain([this] { server_.Drain(absl::Minutes(2)); });
  EXPECT_TRUE(absl::IsUnavailable(idle.End()));
  server_.toy().Release();
  EXPECT_TRUE(stream.Await(id).status.ok());
  EXPECT_TRUE(absl::IsUnavailable(stream.End()));
  drain.join();
}

TEST_F(BatchDoorTest, WhatHasNotEndedWhenTheDrainIsOverIsUnavailable) {
  Stream stream(server_);
  stream.Send({MakeCall("Hold", "x")});
  ASSERT_TRUE(AwaitHolding(1));
  server_.Drain(absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsUnavailable(stream.EndAtLast()));
  EXPECT_TRUE(Eventually([&] { return Ended("Hold", absl::StatusCode::kUnavailable) == 1; }));
}

TEST_F(BatchDoorTest, AServerThatEndsAtOnceWaitsForItsCalls) {
  Stream stream(server_);
  stream.Send({MakeCall("Hold", "x")});
  ASSERT_TRUE(AwaitHolding(1));
  server_.End();
  EXPECT_FALSE(stream.EndAtLast().ok());
  EXPECT_EQ(Ended("Hold", absl::StatusCode::kCancelled), 1);
}

}  // namespace
}  // namespace mailstead::rpc
