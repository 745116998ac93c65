#include "webd/http/event_stream.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(EventStream, AsItIsWritten) {
  EXPECT_EQ(Write({.event = "delivered", .id = "abc", .data = "{}"}),
            "event: delivered\nid: abc\ndata: {}\n\n");
  EXPECT_EQ(Write({.event = "end", .data = "{}"}), "event: end\ndata: {}\n\n");
  EXPECT_EQ(Write({.event = "end", .id = "", .data = "{}"}), "event: end\nid: \ndata: {}\n\n");
  EXPECT_EQ(Write({.event = "x", .data = "a\nb"}), "event: x\ndata: a\ndata: b\n\n");
  EXPECT_EQ(WriteSignOfLife("abc", "heartbeat"), ": heartbeat\nid: abc\n\n");
}

}  // namespace
}  // namespace mailstead::web
