// What is the same by every door.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/use_future.hpp"
#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "common/rpc/server/in_process_transport.h"
#include "tests/unit/common/rpc/server/toy.h"

namespace mailstead::rpc {
namespace {

namespace v1 = ::mailstead::frontend::v1;
using testing::ElementsAre;

struct Options {
  std::string token = "1";
  std::string session;
  absl::Duration timeout = absl::Seconds(30);
};

// How a call ended, and what it gave before.
struct Outcome {
  absl::Status status;
  std::vector<std::string> responses;
};

// A call under way.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual Outcome Await() = 0;
  virtual void Cancel() = 0;
};

// A way to call the toy.
class Way {
 public:
  virtual ~Way() = default;
  virtual std::unique_ptr<Caller> Begin(std::string method, std::vector<std::string> requests,
                                        Options options) = 0;
};

// ---- By gRPC

class OwnCall final : public Caller {
 public:
  OwnCall(ToyServer& server, const std::string& method, const std::vector<std::string>& requests,
          const Options& options)
      : caller_(server.channel(), method, options.token, options.timeout, options.session) {
    for (size_t i = 0; i < requests.size(); ++i) {
      if (!caller_.Write(MakeText(requests[i]), i + 1 == requests.size())) return;
    }
    if (requests.empty()) caller_.HalfClose();
  }
  Outcome Await() override {
    Outcome outcome;
    Text response;
    while (caller_.Read(response)) outcome.responses.push_back(response.value());
    outcome.status = caller_.Finish();
    return outcome;
  }
  void Cancel() override { caller_.Cancel(); }

 private:
  GrpcCaller caller_;
};

class ByGrpc final : public Way {
 public:
  explicit ByGrpc(ToyServer& server) : server_(server) {}
  std::unique_ptr<Caller> Begin(std::string method, std::vector<std::string> requests,
                                Options options) override {
    return std::make_unique<OwnCall>(server_, method, requests, options);
  }

 private:
  ToyServer& server_;
};

// ---- In a batch, each call in one of its own

class CallOfBatch final : public Caller {
 public:
  CallOfBatch(ToyServer& server, const std::string& method, const std::vector<std::string>& requests,
              const Options& options)
      : stream_(server.channel(), "mailstead.frontend.v1.BatchService/Calls",
                // The stream itself is for roles 1 and 2; the call has the stream's caller.
                options.token) {
    v1::CallsRequest request;
    v1::Call& call = *request.add_calls();
    call.set_call_id(7);
    call.set_method(method);
    EXPECT_EQ(requests.size(), 1u);
    call.set_request(MakeText(requests[0]).SerializeAsString());
    call.set_session_id(options.session);
    call.set_timeout_ms(static_cast<int32_t>(absl::ToInt64Milliseconds(options.timeout)));
    stream_.Write(request, /*last=*/true);
  }
  Outcome Await() override {
    Outcome outcome;
    v1::CallsResponse response;
    bool answered = false;
    while (stream_.Read(response)) {
      for (const v1::Answer& answer : response.answers()) {
        EXPECT_FALSE(answered);
        EXPECT_EQ(answer.call_id(), 7);
        answered = answer.part() != v1::Answer::PART_MORE;
        if (answer.has_error()) {
          outcome.status = FromProto(answer.error());
        } else if (answer.part() != v1::Answer::PART_END_ONLY) {
          Text text;
          EXPECT_TRUE(text.ParseFromString(answer.response()));
          outcome.responses.push_back(text.value());
        }
      }
    }
    const absl::Status ended = stream_.Finish();
    if (!answered) {
      outcome.status = ended;
    } else {
      EXPECT_TRUE(ended.ok()) << ended;
    }
    return outcome;
  }
  void Cancel() override { stream_.Cancel(); }

 private:
  GrpcCaller stream_;
};

class ByBatch final : public Way {
 public:
  explicit ByBatch(ToyServer& server) : server_(server) {}
  std::unique_ptr<Caller> Begin(std::string method, std::vector<std::string> requests,
                                Options options) override {
    return std::make_unique<CallOfBatch>(server_, method, requests, options);
  }

 private:
  ToyServer& server_;
};

// ---- In the same process

asio::awaitable<Outcome> Talk(std::shared_ptr<CallStream> stream, std::vector<std::string> requests) {
  Outcome outcome;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Text request = MakeText(requests[i]);
    const absl::Status written = co_await stream->Write(request, i + 1 == requests.size());
    if (!written.ok()) break;
  }
  while (true) {
    Text response;
    const absl::StatusOr<bool> read = co_await stream->Read(response);
    outcome.status = read.status();
    if (!read.ok() || !*read) co_return outcome;
    outcome.responses.push_back(response.value());
  }
}

class InProcess final : public Way {
 public:
  // `io` outlives the server.
  InProcess(ToyServer& server, asio::io_context& io) : server_(server), io_(io) {}
  // All calls end first.
  ~InProcess() override {
    work_.reset();
    thread_.join();
  }
  std::unique_ptr<Caller> Begin(std::string method, std::vector<std::string> requests,
                                Options options) override {
    InProcessOptions in_process;
    if (!options.token.empty()) in_process.credentials.authorizations = {"Bearer " + options.token};
    transports_.push_back(
        std::make_unique<InProcessTransport>(server_.service(), server_.loop(), in_process));
    std::shared_ptr<CallStream> stream =
        transports_.back()->Open(method, {.timeout = options.timeout, .session_id = options.session});
    class Running final : public Caller {
     public:
      Running(asio::io_context& io, std::shared_ptr<CallStream> stream, std::vector<std::string> requests)
          : io_(io),
            stream_(std::move(stream)),
            outcome_(asio::co_spawn(io, Talk(stream_, std::move(requests)), asio::use_future)) {}
      Outcome Await() override { return outcome_.get(); }
      void Cancel() override {
        asio::post(io_, [stream = stream_] { stream->Cancel(); });
      }

     private:
      asio::io_context& io_;
      std::shared_ptr<CallStream> stream_;
      std::future<Outcome> outcome_;
    };
    return std::make_unique<Running>(io_, std::move(stream), std::move(requests));
  }

 private:
  ToyServer& server_;
  asio::io_context& io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::vector<std::unique_ptr<InProcessTransport>> transports_;
  std::thread thread_{[this] { io_.run(); }};
};

// ---- The tests

class DoorsTest : public testing::TestWithParam<Door> {
 protected:
  std::unique_ptr<Caller> Begin(const std::string& method, std::vector<std::string> requests,
                                Options options = {}) {
    return way_->Begin("toy.Toy/" + method, std::move(requests), std::move(options));
  }
  Outcome Run(const std::string& method, std::vector<std::string> requests, Options options = {}) {
    return Begin(method, std::move(requests), std::move(options))->Await();
  }
  int Ended(const std::string& method, absl::StatusCode code) {
    return server_.admission().ended("toy.Toy/" + method, GetParam(), code);
  }
  std::unique_ptr<Way> MakeWay() {
    switch (GetParam()) {
      case Door::kGrpc:
        return std::make_unique<ByGrpc>(server_);
      case Door::kBatch:
        return std::make_unique<ByBatch>(server_);
      case Door::kInProcess:
        return std::make_unique<InProcess>(server_, io_);
    }
    return nullptr;
  }

  // Where calls in the same process wait: before the server, whose thread wakes them.
  asio::io_context io_;
  ToyServer server_;
  Seen& seen_ = server_.toy().seen();
  const std::unique_ptr<Way> way_ = MakeWay();
};

INSTANTIATE_TEST_SUITE_P(All, DoorsTest, testing::Values(Door::kGrpc, Door::kBatch, Door::kInProcess),
                         [](const auto& info) { return std::string(DoorName(info.param)); });

TEST_P(DoorsTest, AUnaryCallHasOneResponse) {
  const Outcome outcome = Run("Echo", {"hello"});
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.responses, ElementsAre("hello"));
  // An empty message is one, too.
  EXPECT_THAT(Run("Echo", {""}).responses, ElementsAre(""));
}

TEST_P(DoorsTest, ErrorsKeepReasonAndField) {
  const Outcome reason = Run("Echo", {"error"});
  EXPECT_TRUE(absl::IsAborted(reason.status)) << reason.status;
  EXPECT_EQ(ReasonOf(reason.status), "SOME_REASON");
  EXPECT_TRUE(reason.responses.empty());
  const Outcome field = Run("Echo", {"field"});
  EXPECT_TRUE(absl::IsInvalidArgument(field.status));
  EXPECT_EQ(FieldOf(field.status), "value");
  EXPECT_EQ(ReasonOf(field.status), kReasonInvalidField) << "every error has a reason";
}

TEST_P(DoorsTest, SeveralResponsesComeInOrder) {
  for (const char* text : {"abc", "abc."}) {
    const Outcome outcome = Run("Split", {text});
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    std::string all;
    for (const std::string& piece : outcome.responses) all += piece;
    EXPECT_EQ(all, text);
  }
  const Outcome none = Run("Split", {""});
  EXPECT_TRUE(none.status.ok());
  EXPECT_TRUE(none.responses.empty());
}

TEST_P(DoorsTest, OneRequestIsAllOfAStream) {
  EXPECT_THAT(Run("Join", {"a"}).responses, ElementsAre("a"));
  EXPECT_THAT(Run("Talk", {"a"}).responses, ElementsAre("a!"));
}

TEST_P(DoorsTest, SeveralRequestsComeInOrder) {
  if (GetParam() == Door::kBatch) return;  // a call of a batch has one
  EXPECT_THAT(Run("Join", {"a", "b", "", "c"}).responses, ElementsAre("abc"));
  EXPECT_THAT(Run("Talk", {"a", "b", "c"}).responses, ElementsAre("a!", "b!", "c!"));
}

TEST_P(DoorsTest, TheCallerIsChecked) {
  // Role 2 may open a batch, but not call the toy.
  EXPECT_TRUE(absl::IsPermissionDenied(Run("Echo", {"x"}, {.token = "2"}).status));
  EXPECT_TRUE(absl::IsUnauthenticated(Run("Echo", {"x"}, {.token = "nobody"}).status));
  EXPECT_TRUE(absl::IsUnauthenticated(Run("Echo", {"x"}, {.token = ""}).status));
  absl::MutexLock lock(&seen_.mutex);
  EXPECT_TRUE(seen_.echoed.empty());
}

TEST_P(DoorsTest, AnUnknownMethodIsAnError) {
  const Outcome outcome = Run("Nothing", {"x"});
  if (GetParam() == Door::kBatch) {
    EXPECT_TRUE(absl::IsInvalidArgument(outcome.status)) << outcome.status;
    EXPECT_EQ(FieldOf(outcome.status), "method");
  } else {
    EXPECT_TRUE(absl::IsUnimplemented(outcome.status)) << outcome.status;
  }
}

TEST_P(DoorsTest, TheSessionIsTold) {
  EXPECT_TRUE(Run("Echo", {"x"}, {.session = "session-1"}).status.ok());
  {
    absl::MutexLock lock(&seen_.mutex);
    EXPECT_EQ(seen_.session, "session-1");
  }
  const Outcome bad = Run("Echo", {"x"}, {.session = std::string(129, 's')});
  EXPECT_EQ(FieldOf(bad.status), "session_id");
  if (GetParam() != Door::kGrpc) {  // gRPC sends no such metadata
    EXPECT_EQ(FieldOf(Run("Echo", {"x"}, {.session = "two words"}).status), "session_id");
  }
  absl::MutexLock lock(&seen_.mutex);
  EXPECT_EQ(seen_.echoed.size(), 1u);
}

TEST_P(DoorsTest, EveryCallIsCountedOnce) {
  Run("Echo", {"x"});
  Run("Echo", {"error"});
  Run("Echo", {"x"}, {.token = "2"});
  Run("Split", {"abc"});
  Run("Split", {"abc."});
  Run("Join", {"abc"});
  EXPECT_EQ(Ended("Echo", absl::StatusCode::kOk), 1);
  EXPECT_EQ(Ended("Echo", absl::StatusCode::kAborted), 1);
  EXPECT_EQ(Ended("Echo", absl::StatusCode::kPermissionDenied), 1);
  EXPECT_TRUE(Eventually([&] { return Ended("Split", absl::StatusCode::kOk) == 2; }));
  EXPECT_EQ(Ended("Join", absl::StatusCode::kOk), 1);
}

TEST_P(DoorsTest, AMethodThatWaitsHearsThatItsCallerHasGone) {
  const auto caller = Begin("Hold", {"x"});
  ASSERT_TRUE(Eventually([&] { return seen_.holding == 1; }));
  caller->Cancel();
  EXPECT_TRUE(absl::IsCancelled(caller->Await().status));
  ASSERT_TRUE(Eventually([&] { return seen_.held == 1; }));
  absl::MutexLock lock(&seen_.mutex);
  EXPECT_TRUE(absl::IsCancelled(seen_.gone)) << seen_.gone;
}

TEST_P(DoorsTest, ACallThatIsHeldIsAnsweredAtLast) {
  const auto caller = Begin("Hold", {"x"});
  ASSERT_TRUE(Eventually([&] { return seen_.holding == 1; }));
  EXPECT_THAT(Run("Echo", {"y"}).responses, ElementsAre("y")) << "others do not wait for it";
  server_.toy().Release();
  const Outcome outcome = caller->Await();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.responses, ElementsAre("x"));
}

TEST_P(DoorsTest, ALateCallIsTold) {
  // On a machine where a call is late before its method is called, the next one has more time.
  absl::Duration timeout = absl::Milliseconds(50);
  int tries = 0;
  do {
    timeout *= 2;
    ASSERT_LT(timeout, absl::Minutes(1)) << "none was held";
    const auto caller = Begin("Hold", {"x"}, {.timeout = timeout});
    ++tries;
    if (GetParam() == Door::kBatch) {
      // Its time begins where it is served, and it is late when it goes on; by the other doors both ends hear of it while
      // it waits.
      const auto refused = [&] { return Ended("Hold", absl::StatusCode::kDeadlineExceeded) == tries; };
      ASSERT_TRUE(Eventually([&] { return seen_.holding == 1 || refused(); }));
      if (seen_.holding == 1) {
        absl::SleepFor(timeout);
        server_.toy().Release();
      }
    }
    EXPECT_TRUE(absl::IsDeadlineExceeded(caller->Await().status));
  } while (seen_.holding == 0);
  ASSERT_TRUE(Eventually([&] { return seen_.held == seen_.holding; }));
  absl::MutexLock lock(&seen_.mutex);
  // Whichever it hears of first.
  EXPECT_TRUE(absl::IsDeadlineExceeded(seen_.gone) || absl::IsCancelled(seen_.gone)) << seen_.gone;
}

TEST_P(DoorsTest, AMethodWaitsForACallerThatReadsLate) {
  if (GetParam() == Door::kBatch) return;  // has a bound for each call
  const auto caller = Begin("Flood", {"400"});
  if (GetParam() == Door::kGrpc) {
    absl::SleepFor(absl::Milliseconds(200));
    EXPECT_LT(seen_.written, 100) << "more than the windows of gRPC hold";
  }
  const Outcome outcome = caller->Await();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.responses.size(), 400u);
  EXPECT_EQ(seen_.written, 400);
}

}  // namespace
}  // namespace mailstead::rpc
