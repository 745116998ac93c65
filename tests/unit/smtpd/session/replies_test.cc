#include "smtpd/session/replies.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {
namespace {

// Every entry of the catalogue obeys the rules of its fields, so that no reply can break a client.
TEST(Replies, AreWellFormed) {
  std::set<std::string> names;
  for (size_t i = 0; i < kReplyCount; ++i) {
    const Reply& reply = GetReply(static_cast<ReplyId>(i));
    const std::string name(reply.name);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_GE(reply.code, 200) << name;
    EXPECT_LT(reply.code, 600) << name;
    if (!reply.enhanced.empty()) {
      // RFC 2034 section 3: the first digits are the same.
      EXPECT_EQ(reply.enhanced.substr(0, 2), absl::StrCat(reply.code / 100, ".")) << name;
      EXPECT_EQ(std::vector<std::string>(absl::StrSplit(reply.enhanced, '.')).size(), 3u) << name;
    } else {
      EXPECT_LT(reply.code, 400) << name << ": a refusal has an enhanced code";
    }
    std::string wire;
    AppendReply(reply.id, "detail", wire);
    EXPECT_LE(wire.size(), kMaxReplyLineBytes) << name;
    EXPECT_EQ(wire.find('$'), std::string::npos) << name;
    for (unsigned char c : wire.substr(0, wire.size() - 2)) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << name;
  }
}

TEST(Replies, PutTheDetailIn) {
  std::string wire;
  AppendReply(ReplyId::kStored, "abc", wire);
  EXPECT_EQ(wire, "250 2.6.0 abc stored\r\n");
}

}  // namespace
}  // namespace mailstead::smtp
