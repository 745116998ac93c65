#include "pop3d/session/replies.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "common/text/utf8.h"
#include "gtest/gtest.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {
namespace {

std::string Wire(const Reply& reply, Language language = Language::kDefault) {
  std::string out;
  AppendReply(reply, language, out);
  return out;
}

std::vector<ReplyId> AllIds() {
  std::vector<ReplyId> ids;
  for (size_t i = 0; i <= static_cast<size_t>(kLastReplyId); ++i) ids.push_back(static_cast<ReplyId>(i));
  return ids;
}

TEST(Reply, FormsOfTheThreeKinds) {
  EXPECT_EQ(Wire({.id = ReplyId::kNumbers, .arguments = {"2", "320"}}), "+OK 2 320\r\n");
  EXPECT_EQ(Wire({.id = ReplyId::kChallenge, .arguments = {"cHJvb2Y="}}), "+ cHJvb2Y=\r\n");
  // RFC 5034 section 4: an empty challenge still has its space.
  EXPECT_EQ(Wire({.id = ReplyId::kChallenge, .arguments = {""}}), "+ \r\n");
  EXPECT_EQ(Wire({.id = ReplyId::kNoSuchMessage, .arguments = {"2"}}),
            "-ERR no such message, only 2 messages in maildrop\r\n");
}

TEST(Reply, ResponseCodesInEveryLanguage) {
  for (const Language language : {Language::kDefault, Language::kEnglish, Language::kGerman}) {
    EXPECT_TRUE(absl::StartsWith(Wire({.id = ReplyId::kInUse}, language), "-ERR [IN-USE] "));
    EXPECT_TRUE(absl::StartsWith(Wire({.id = ReplyId::kBadCredentials}, language), "-ERR [AUTH] "));
    EXPECT_TRUE(absl::StartsWith(Wire({.id = ReplyId::kStoreUnavailable}, language), "-ERR [SYS/TEMP] "));
    EXPECT_TRUE(absl::StartsWith(Wire({.id = ReplyId::kMailboxUnusable}, language), "-ERR [SYS/PERM] "));
    EXPECT_TRUE(absl::StartsWith(Wire({.id = ReplyId::kLoginDelay, .arguments = {"60"}}, language),
                                 "-ERR [LOGIN-DELAY] "));
  }
}

TEST(Reply, MultiLineEndsWithADot) {
  EXPECT_EQ(Wire({.id = ReplyId::kCapabilities, .lines = {"TOP", "UIDL"}}),
            "+OK capability list follows\r\nTOP\r\nUIDL\r\n.\r\n");
}

TEST(Reply, EveryTextIsFitForTheWireInEveryLanguage) {
  std::set<absl::string_view> names;
  for (const ReplyId id : AllIds()) {
    EXPECT_TRUE(names.insert(NameOf(id)).second) << NameOf(id);
    const Reply reply{.id = id, .arguments = {"1", "2"}};
    for (const Language language : {Language::kDefault, Language::kEnglish, Language::kGerman}) {
      const std::string wire = Wire(reply, language);
      EXPECT_LE(wire.size(), kMaxReplyLineBytes);
      EXPECT_EQ(wire.find_first_of("\r\n"), wire.size() - 2) << NameOf(id);
      EXPECT_TRUE(IsValidUtf8(wire)) << NameOf(id);
      EXPECT_EQ(wire.find('$'), std::string::npos) << NameOf(id);
    }
    // A client that never said LANG gets ASCII (RFC 1939 section 3).
    EXPECT_TRUE(IsAscii(Wire(reply))) << NameOf(id);
    EXPECT_EQ(Wire(reply), Wire(reply, Language::kEnglish));
    const bool translated = Wire(reply) != Wire(reply, Language::kGerman);
    EXPECT_EQ(translated, id != ReplyId::kNumbers && id != ReplyId::kChallenge) << NameOf(id);
  }
}

TEST(Reply, NoGreetingOffersApop) {
  EXPECT_EQ(Wire({.id = ReplyId::kGreeting, .arguments = {"mail.example.test"}}).find_first_of("<>"),
            std::string::npos);
}

TEST(Reply, OnlyCredentialsAreAuth) {
  for (const ReplyId id : AllIds()) {
    const bool says_auth = absl::StrContains(Wire({.id = id, .arguments = {"1", "2"}}), "[AUTH]");
    const bool is_credentials = id == ReplyId::kBadCredentials || id == ReplyId::kBadCredentialsClosing ||
                                id == ReplyId::kAccountDisabled || id == ReplyId::kLoginEnded;
    EXPECT_EQ(says_auth, is_credentials) << NameOf(id);
  }
}

}  // namespace
}  // namespace mailstead::pop3
