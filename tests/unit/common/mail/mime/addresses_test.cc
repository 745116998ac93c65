#include "common/mail/mime/addresses.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/mail/mime/limits.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

// Groups with their names in front and a semicolon behind; name|address for each mailbox; "!" when malformed.
std::string Shown(absl::string_view value) {
  const Charsets charsets;
  const AddressList list = ParseAddressList(value, charsets);
  std::string shown;
  for (const MailboxGroup& group : list.groups) {
    if (group.is_group) absl::StrAppend(&shown, group.name, ": ");
    absl::StrAppend(&shown,
                    absl::StrJoin(group.mailboxes, ", ", [](std::string* out, const Mailbox& mailbox) {
                      absl::StrAppend(out, mailbox.name, "|", mailbox.address);
                    }));
    absl::StrAppend(&shown, group.is_group ? "; " : " ");
  }
  while (!shown.empty() && shown.back() == ' ') shown.pop_back();
  return absl::StrCat(shown, list.is_malformed ? " !" : "");
}

TEST(AddressList, Reads) {
  struct {
    const char* value;
    const char* shown;
  } cases[] = {
      {"", ""},
      {"a@b.test", "|a@b.test"},
      {"A B <a@b.test>", "A B|a@b.test"},
      {"A\r\n B <a@b.test>", "A B|a@b.test"},
      {"\"A, B\" <a@b.test>, c@d.test", "A, B|a@b.test, |c@d.test"},
      {"\"A \\\"B\\\"\" <a@b.test>", "A \"B\"|a@b.test"},
      {"John Q. Public <a@b.test>", "John Q. Public|a@b.test"},
      {"a@b.test (A B)", "A B|a@b.test"},
      {"A (comment) <a@b.test>", "A|a@b.test"},
      {"<a@b.test>", "|a@b.test"},
      {"=?utf-8?q?=C3=A4?= <a@b.test>", "ä|a@b.test"},
      {"=?utf-8?q?=C3?= =?utf-8?q?=A4?= <a@b.test>", "ä|a@b.test"},
      {"\"=?utf-8?q?=C3=A4?=\" <a@b.test>", "ä|a@b.test"},
      {"=?utf-8?q?a,_<b>?= <a@b.test>", "a, <b>|a@b.test"},
      {"\xe4 <a@b.test>", "ä|a@b.test"},
      {"ä@ö.test", "|ä@ö.test"},
      {"\"a b\"@c.test", "|\"a b\"@c.test"},
      {"<\"a b\"@c.test>", "|\"a b\"@c.test"},
      {"a@[192.0.2.1]", "|a@[192.0.2.1]"},
      // Section 4.4.
      {"a . b @ c . test", "|a.b@c.test"},
      {"A <@r.test,@s.test:a@b.test>", "A|a@b.test"},
      {",, a@b.test,,", "|a@b.test"},
      {"<a@b.test> (c), <d(e)@f.test>", "c|a@b.test, |d@f.test"},
      // Groups.
      {"undisclosed-recipients:;", "undisclosed-recipients: ;"},
      {"G: a@b.test, C <c@d.test>; e@f.test", "G: |a@b.test, C|c@d.test; |e@f.test"},
      {"\"G, H\": a@b.test;, I:;", "G, H: |a@b.test; I: ;"},
      {"G: a@b.test", "G: |a@b.test;"},
      // What is no address.
      {"postmaster", "|postmaster !"},
      {"no address", "no address| !"},
      {"A a@b.test", "A|a@b.test !"},
      {"a@b.test c d", "|a@b.test !"},
      {"<>", "| !"},
      {"A <a@b.test", "A|a@b.test !"},
      {"a@b.test>", "|a@b.test !"},
      {"<a@b.test> <c@d.test>", "|a@b.test, |c@d.test !"},
      {"<a@b.test> x", "|a@b.test !"},
      {"<a@b.test, c@d.test>", "|a@b.test, |c@d.test !"},
      {"\"open <a@b.test>", "|\"open <a@b.test> !"},
      {"(open a@b.test", ""},
      {"a@[open", "|a@[open"},
      {"G: H: a@b.test;", "G: |H, |a@b.test; !"},
      // What could become a line of a reader's.
      {"=?utf-8?q?a=0D=0Ab?= <a@b.test>",
       "a\xef\xbf\xbd\xef\xbf\xbd"
       "b|a@b.test"},
  };
  for (const auto& c : cases) EXPECT_EQ(Shown(c.value), c.shown) << c.value;
}

TEST(AddressList, HasALimit) {
  const Charsets charsets;
  for (const size_t count : {kMaxAddressCount - 1, kMaxAddressCount, kMaxAddressCount + 1}) {
    std::string value;
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&value, "a", i, "@b.test, ");
    const AddressList list = ParseAddressList(value, charsets);
    EXPECT_EQ(list.groups[0].mailboxes.size(), std::min(count, kMaxAddressCount));
    EXPECT_EQ(list.is_malformed, count > kMaxAddressCount) << count;
    std::string groups;
    for (size_t i = 0; i < count; ++i) groups += "g:;";
    EXPECT_EQ(ParseAddressList(groups, charsets).groups.size(), std::min(count, kMaxAddressCount));
  }
}

}  // namespace
}  // namespace mailstead::mime
