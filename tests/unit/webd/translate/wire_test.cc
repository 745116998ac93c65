#include "webd/translate/wire.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mailstead/store/v1/watch.pb.h"

namespace mailstead::web {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::vector<std::pair<int, std::string>> FieldsOf(absl::string_view message, bool& whole) {
  std::vector<std::pair<int, std::string>> fields;
  whole = ForEachBytesField(message,
                            [&](int number, absl::string_view bytes) { fields.emplace_back(number, bytes); });
  return fields;
}

TEST(Wire, GivesBytesAndPassesOverNumbers) {
  store::v1::WatchRequest request;
  request.set_cursor("abc");
  request.set_start(store::v1::WATCH_START_OLDEST);
  request.set_consumer("me");
  bool whole = false;
  EXPECT_THAT(FieldsOf(request.SerializeAsString(), whole), ElementsAre(Pair(3, "abc"), Pair(4, "me")));
  EXPECT_TRUE(whole);
  EXPECT_THAT(FieldsOf("", whole), ElementsAre());
  EXPECT_TRUE(whole);
}

TEST(Wire, WhatIsNoMessage) {
  store::v1::WatchRequest request;
  request.set_cursor("abc");
  const std::string bytes = request.SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) {
    bool whole = true;
    FieldsOf(absl::string_view(bytes).substr(0, size), whole);
    EXPECT_FALSE(whole) << size;
  }
  bool whole = true;
  FieldsOf("\x1a\xff\xff\xff\xff\x0f", whole);
  EXPECT_FALSE(whole) << "a length of 4 GiB";
}

}  // namespace
}  // namespace mailstead::web
