#include "common/rpc/server/in_process_transport.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/io_context.hpp"
#include "asio/use_future.hpp"
#include "common/base/reason.h"
#include "tests/unit/common/rpc/server/toy.h"

namespace mailstead::rpc {
namespace {

class InProcessTransportTest : public testing::Test {
 protected:
  template <typename T>
  T Wait(asio::awaitable<T> task) {
    io_.restart();
    auto result = asio::co_spawn(io_, std::move(task), asio::use_future);
    io_.run();
    return result.get();
  }
  absl::Status Call(const char* method, const std::string& text, CallOptions options = {}) {
    const Text request = MakeText(text);
    return Wait(transport_.Call(method, request, response_, std::move(options)));
  }

  // Before the server, whose thread wakes who waits here.
  asio::io_context io_;
  ToyServer server_;
  InProcessTransport transport_{server_.service(), server_.loop(), {.credentials = {{"Bearer 1"}, {}, ""}}};
  Text response_;
};

TEST_F(InProcessTransportTest, ACallGivesTheLastResponse) {
  EXPECT_TRUE(Call("toy.Toy/Echo", "hello").ok());
  EXPECT_EQ(response_.value(), "hello");
  EXPECT_TRUE(Call("toy.Toy/Split", "abc").ok());
  EXPECT_EQ(response_.value(), "c");
  EXPECT_TRUE(absl::IsInternal(Call("toy.Toy/Split", "")));
  EXPECT_EQ(ReasonOf(Call("toy.Toy/Echo", "error")), "SOME_REASON");
  EXPECT_TRUE(absl::IsUnimplemented(Call("toy.Toy/Nothing", "")));
}

TEST_F(InProcessTransportTest, ACallForABatchIsLimitedAsThere) {
  EXPECT_TRUE(Call("toy.Toy/Large", std::to_string(500 << 10)).ok());
  EXPECT_EQ(ReasonOf(Call("toy.Toy/Large", std::to_string(512 << 10))), kReasonTooLarge);
  EXPECT_EQ(ReasonOf(Call("toy.Toy/Flood", "9")), kReasonTooLarge);
}

TEST_F(InProcessTransportTest, ACallEndsInTime) {
  Seen& seen = server_.toy().seen();
  // On a machine where a call is late before its method is called, the next one has more time.
  absl::Duration timeout = absl::Milliseconds(25);
  do {
    timeout *= 2;
    ASSERT_LT(timeout, absl::Minutes(1)) << "none was held";
    const absl::Status status = Call("toy.Toy/Hold", "x", {.timeout = timeout});
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  } while (seen.holding == 0);
  EXPECT_TRUE(Eventually([&] { return seen.held == seen.holding; }));
}

TEST_F(InProcessTransportTest, AStreamThatIsDroppedIsCancelled) {
  const auto hold = [](InProcessTransport& transport, Seen& seen) -> asio::awaitable<void> {
    const std::unique_ptr<CallStream> stream = transport.Open("toy.Toy/Hold", {});
    const Text request = MakeText("x");
    EXPECT_TRUE((co_await stream->Write(request, /*last=*/true)).ok());
    EXPECT_TRUE(Eventually([&] { return seen.holding == 1; }));
  };
  asio::co_spawn(io_, hold(transport_, server_.toy().seen()), asio::detached);
  io_.run();
  EXPECT_TRUE(Eventually([&] { return server_.toy().seen().held == 1; }));
}

TEST_F(InProcessTransportTest, AfterTheEndWritingFails) {
  const auto talk = [](InProcessTransport& transport) -> asio::awaitable<absl::Status> {
    const std::unique_ptr<CallStream> stream = transport.Open("toy.Toy/Echo", {});
    const Text request = MakeText("x");
    Text response;
    EXPECT_TRUE((co_await stream->Write(request, /*last=*/false)).ok());
    EXPECT_TRUE(*(co_await stream->Read(response)));
    EXPECT_FALSE(*(co_await stream->Read(response)));
    co_return co_await stream->Write(request, /*last=*/true);
  };
  EXPECT_TRUE(absl::IsCancelled(Wait(talk(transport_))));
}

}  // namespace
}  // namespace mailstead::rpc
