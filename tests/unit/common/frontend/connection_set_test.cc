#include "common/frontend/connection_set.h"

#include <memory>

#include "asio/io_context.hpp"
#include "gtest/gtest.h"

namespace mailstead::frontend {
namespace {

class FakeConnection : public Connection {
 public:
  explicit FakeConnection(asio::io_context& io) : io_(io) {}
  asio::any_io_executor executor() override { return io_.get_executor(); }
  void Drain() override { ++drained; }
  void Close() override { ++closed; }

  int drained = 0;
  int closed = 0;

 private:
  asio::io_context& io_;
};

class ConnectionSetTest : public ::testing::Test {
 protected:
  // What was posted to the connections' thread.
  void Run() {
    io.restart();
    io.run();
  }

  asio::io_context io;
  ConnectionSet set;
  FakeConnection first{io};
  FakeConnection second{io};
};

TEST_F(ConnectionSetTest, TellsEachConnectionOnItsThread) {
  const ConnectionSet::Place one(set, first);
  const ConnectionSet::Place two(set, second);
  EXPECT_EQ(set.count(), 2u);
  EXPECT_FALSE(set.draining());
  set.Drain();
  EXPECT_TRUE(set.draining());
  EXPECT_EQ(first.drained, 0) << "not within the call";
  Run();
  EXPECT_EQ(first.drained, 1);
  EXPECT_EQ(second.drained, 1);
  EXPECT_EQ(first.closed, 0);
  set.CloseAll();
  Run();
  EXPECT_EQ(first.closed, 1);
  EXPECT_EQ(second.closed, 1);
  EXPECT_EQ(second.drained, 1);
}

TEST_F(ConnectionSetTest, OneThatComesLateIsToldToo) {
  set.Drain();
  const ConnectionSet::Place one(set, first);
  Run();
  EXPECT_EQ(first.drained, 1);
}

TEST_F(ConnectionSetTest, OneThatHasGoneIsNotCalled) {
  auto one = std::make_unique<ConnectionSet::Place>(set, first);
  const ConnectionSet::Place two(set, second);
  set.Drain();
  one.reset();
  Run();
  EXPECT_EQ(first.drained, 0);
  EXPECT_EQ(second.drained, 1);
}

TEST_F(ConnectionSetTest, WaitsUntilTheLastHasGone) {
  EXPECT_TRUE(set.WaitUntilEmpty(absl::ZeroDuration()));
  {
    const ConnectionSet::Place one(set, first);
    EXPECT_FALSE(set.WaitUntilEmpty(absl::Milliseconds(1)));
  }
  EXPECT_TRUE(set.WaitUntilEmpty(absl::ZeroDuration()));
  EXPECT_EQ(set.count(), 0u);
}

}  // namespace
}  // namespace mailstead::frontend
