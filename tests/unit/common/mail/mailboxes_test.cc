#include "common/mail/mailboxes.h"

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

std::string Shown(absl::string_view value) {
  const absl::StatusOr<std::vector<Address>> mailboxes = ParseMailboxList(value);
  if (!mailboxes.ok()) return "malformed";
  return absl::StrJoin(*mailboxes, " ",
                       [](std::string* out, const Address& address) { *out += address.ToString(); });
}

TEST(ParseMailboxList, FindsTheAddresses) {
  struct {
    const char* value;
    const char* addresses;
  } cases[] = {
      {"a@b.test", "a@b.test"},
      {" <a@b.test> ", "a@b.test"},
      {"A B <a@b.test>", "a@b.test"},
      {"\"A, B\" <a@b.test>", "a@b.test"},
      {"\"c@d.test\" <a@b.test>", "a@b.test"},
      {"\"<c@d.test>\" <a@b.test>", "a@b.test"},
      {"c@d.test <a@b.test>", "a@b.test"},
      {"\"quote \\\" in it\" <a@b.test>", "a@b.test"},
      {"=?utf-8?q?c=40d=2Etest?= <a@b.test>", "a@b.test"},
      {"A. B. <a@b.test>", "a@b.test"},
      {"a@b.test (c@d.test)", "a@b.test"},
      {"(c (nested \\) ) d) a@b.test", "a@b.test"},
      {"A <a(comment)@(comment)b.test>", "a@b.test"},
      {"a@b.test, C <c@d.test>", "a@b.test c@d.test"},
      {", a@b.test,, c@d.test,", "a@b.test c@d.test"},
      {"\"a b\"@c.test", "\"a b\"@c.test"},
      {"<\"a@x\"@c.test>", "\"a@x\"@c.test"},
      {"a@[192.0.2.1]", "a@[192.0.2.1]"},
      {"A <a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
      {"a @ b . test", "a@b.test"},
      {"b\xc3\xb6"
       "b@d.test",
       "b\xc3\xb6"
       "b@d.test"},
      {"B\xc3\xb6se <a@b.test>", "a@b.test"},
      // RFC 6854.
      {"Team: a@b.test, C <c@d.test>;", "a@b.test c@d.test"},
      {"Nobody:;", ""},
      {"Team: a@b.test;, c@d.test", "a@b.test c@d.test"},
      {"", ""},
      {"(nothing)", ""},
      {" , ", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(Shown(c.value), c.addresses) << c.value;
}

// What two programs may read in two ways.
TEST(ParseMailboxList, RefusesEverythingElse) {
  for (const char* value : {"a",
                            "A B",
                            "<>",
                            "A <>",
                            "<a@b.test",
                            "a@b.test>",
                            "<a@b.test> c@d.test",
                            "<a@b.test> <c@d.test>",
                            "<a@b.test>, x",
                            "c@d.test a@b.test",
                            "A B a@b.test",
                            "<@c.test:a@b.test>",
                            "<@c.test,@d.test:a@b.test>",
                            "\"a@b.test",
                            "(a@b.test",
                            "a@[192.0.2.1",
                            "a@b.test\\",
                            "a@b@c.test",
                            "a@",
                            "@b.test",
                            "a;b@c.test",
                            ";",
                            "Team: a@b.test; x",
                            "One: Two: a@b.test;;",
                            "<a b@c.test>",
                            "a@b.test (c) d",
                            "a@b.test\x01"}) {
    EXPECT_EQ(Shown(value), "malformed") << value;
  }
}

}  // namespace
}  // namespace mailstead
