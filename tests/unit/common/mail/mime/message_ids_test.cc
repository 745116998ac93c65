#include "common/mail/mime/message_ids.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/mail/mime/limits.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

TEST(ParseMessageIds, Reads) {
  struct {
    const char* value;
    const char* ids;
  } cases[] = {
      {"", ""},
      {" <a@b.test>", "a@b.test"},
      {"<a@b.test>\r\n\t<c@d.test><e@f.test>", "a@b.test c@d.test e@f.test"},
      {"<a@b.test>, <c@d.test>", "a@b.test c@d.test"},
      {"Your \"<quoted>\" message (of <x@y.test>) <a@b.test>", "a@b.test"},
      {"< a @ b.test >", "a@b.test"},
      {"<no at sign>", "noatsign"},
      {"<a@b.test", "a@b.test"},
      {"<a@b.te<c@d.test>", "a@b.te c@d.test"},
      {"<>", ""},
      {"a@b.test", "a@b.test"},
      {"a@b.test, (c) d@e.test words", "a@b.test d@e.test"},
      {"words", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(absl::StrJoin(ParseMessageIds(c.value), " "), c.ids) << c.value;
}

TEST(ParseMessageIds, HasALimit) {
  for (const size_t count : {kMaxMessageIdCount - 1, kMaxMessageIdCount, kMaxMessageIdCount + 1}) {
    std::string bracketed, bare;
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&bracketed, "<a", i, "@b>");
      absl::StrAppend(&bare, "a", i, "@b ");
    }
    EXPECT_EQ(ParseMessageIds(bracketed).size(), std::min(count, kMaxMessageIdCount));
    EXPECT_EQ(ParseMessageIds(bare).size(), std::min(count, kMaxMessageIdCount));
  }
}

}  // namespace
}  // namespace mailstead::mime
