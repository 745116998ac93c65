#include "common/mail/originators.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Originators Of(absl::string_view header) {
  Originators originators;
  HeaderReader reader({&originators});
  reader.Feed(header);
  reader.Finish();
  return originators;
}

TEST(Originators, AreThoseOfFromAndSender) {
  const Originators some =
      Of("Subject: x\r\nfrom : A <a@b.test>,\r\n c@d.test\r\nSENDER: e@f.test\r\nReply-To: "
         "g@h.test\r\nX-From: i@j.test\r\n\r\n"
         "From: k@l.test\r\n");
  EXPECT_TRUE(some.readable());
  EXPECT_THAT(some.addresses(), ElementsAre("a@b.test", "c@d.test", "e@f.test"));
  EXPECT_THAT(Of("Subject: x\r\n\r\n").addresses(), IsEmpty());
  EXPECT_TRUE(Of("Subject: x\r\n\r\n").readable());
}

// SECURITY: some programs show the first From, others the last.
TEST(Originators, AreThoseOfEachField) {
  EXPECT_THAT(Of("From: a@b.test\r\nFrom: c@d.test\r\nFrom: a@b.test\r\n\r\n").addresses(),
              ElementsAre("a@b.test", "c@d.test"));
}

TEST(Originators, AreReadOrNot) {
  for (const char* value : {"", "nobody", "Nobody:;", "<a@b.test", "a@b.test x"}) {
    EXPECT_FALSE(Of(absl::StrCat("From: ", value, "\r\n\r\n")).readable()) << value;
    EXPECT_FALSE(Of(absl::StrCat("From: a@b.test\r\nSender: ", value, "\r\n\r\n")).readable()) << value;
  }
  // What was cut off is not known.
  EXPECT_FALSE(
      Of(absl::StrCat("From: a@b.test (", std::string(kMaxHeaderFieldBytes, 'x'), ")\r\n\r\n")).readable());
}

TEST(Originators, HaveABound) {
  for (const size_t count : {kMaxOriginators - 1, kMaxOriginators, kMaxOriginators + 1}) {
    std::string header = "From: ";
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&header, "a", i, "@b.test, ");
    const Originators many = Of(absl::StrCat(header, "\r\n\r\n"));
    EXPECT_EQ(many.readable(), count <= kMaxOriginators);
    EXPECT_EQ(many.addresses().size(), std::min(count, kMaxOriginators));
  }
}

}  // namespace
}  // namespace mailstead
