#include "stored/core/consumers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {
namespace {

using engine::ChangeCursor;

ChangeCursor At(int64_t position) { return {position, MessageId{0}}; }

class ConsumersTest : public testing::Test {
 protected:
  std::unique_ptr<Consumers::Worker> Join() {
    return std::make_unique<Consumers::Worker>(consumers_, "desk",
                                               Consumers::Worker::Options{waker_, "key", "peer"});
  }
  static void Activate(Consumers::Worker& worker, int64_t fence) {
    engine::FeedConsumer consumer;
    consumer.fence = fence;
    consumer.ack_timeout = absl::Seconds(30);
    consumer.acked = At(5);
    worker.Activate(consumer);
  }

  FakeClock clock_{absl::UnixEpoch()};
  TimerQueue timers_;
  ThreadExecutor executor_;
  Waker waker_{timers_, executor_};
  Consumers consumers_{clock_};
};

TEST_F(ConsumersTest, TheNextInTheQueueIsFirstWhenTheFirstGoes) {
  auto a = Join();
  auto b = Join();
  auto c = Join();
  EXPECT_TRUE(a->IsFirst());
  EXPECT_FALSE(b->IsFirst());
  Activate(*a, 1);
  EXPECT_EQ(consumers_.StatusOf("desk").waiting_count, 2);
  EXPECT_EQ(consumers_.StatusOf("desk").caller, "key");
  b.reset();
  a.reset();
  EXPECT_TRUE(c->IsFirst());
  EXPECT_EQ(consumers_.StatusOf("desk").caller, "");
  EXPECT_EQ(consumers_.StatusOf("desk").waiting_count, 1);
}

TEST_F(ConsumersTest, OnlyWhatWasSentIsAcknowledged) {
  auto worker = Join();
  Activate(*worker, 7);
  EXPECT_FALSE(consumers_.CheckSent("desk", 7, At(6)).ok());
  worker->Sent(At(6));
  worker->Sent({6, MessageId{4}});
  worker->Moved(At(9));
  EXPECT_TRUE(consumers_.CheckSent("desk", 7, At(9)).ok());
  EXPECT_FALSE(consumers_.CheckSent("desk", 7, At(10)).ok());
  EXPECT_EQ(worker->unacknowledged_count(), 2u);
  consumers_.Acknowledged("desk", 7, At(6));
  EXPECT_EQ(worker->unacknowledged_count(), 1u);
  consumers_.Acknowledged("desk", 6, At(9));
  EXPECT_EQ(worker->unacknowledged_count(), 1u) << "of another worker";
  consumers_.Acknowledged("desk", 7, At(9));
  EXPECT_EQ(worker->unacknowledged_count(), 0u);
}

TEST_F(ConsumersTest, ASilentFirstIsFencedByOneThatWaits) {
  auto first = Join();
  Activate(*first, 1);
  auto second = Join();
  clock_.Advance(absl::Hours(1));
  second->CheckFirst();
  EXPECT_FALSE(first->fenced()) << "it was sent nothing";
  first->Sent(At(6));
  clock_.Advance(absl::Seconds(30));
  second->CheckFirst();
  EXPECT_FALSE(first->fenced());
  clock_.Advance(absl::Seconds(1));
  second->CheckFirst();
  EXPECT_TRUE(first->fenced());
  EXPECT_TRUE(second->IsFirst());
  EXPECT_FALSE(second->fenced());
}

TEST_F(ConsumersTest, NobodyWaitsNobodyIsFenced) {
  auto only = Join();
  Activate(*only, 1);
  only->Sent(At(6));
  clock_.Advance(absl::Hours(1));
  only->CheckFirst();
  EXPECT_FALSE(only->fenced());
}

TEST_F(ConsumersTest, FencingEndsTheActiveOneOrAll) {
  auto first = Join();
  auto second = Join();
  consumers_.FenceActive("desk");
  EXPECT_FALSE(first->fenced()) << "it is not active yet";
  Activate(*first, 1);
  consumers_.FenceActive("desk");
  EXPECT_TRUE(first->fenced());
  EXPECT_TRUE(first->IsFirst()) << "so that it looks";
  consumers_.FenceAll("desk");
  EXPECT_TRUE(second->fenced());
  consumers_.FenceAll("nobody");
}

}  // namespace
}  // namespace mailstead::stored
