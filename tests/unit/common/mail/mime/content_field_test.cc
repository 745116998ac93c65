#include "common/mail/mime/content_field.h"

#include "absl/strings/str_cat.h"
#include "common/mail/mime/limits.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

// value; name=value ... [defects]
std::string Shown(absl::string_view value) {
  const Charsets charsets;
  const ContentField field = ParseContentField(value, charsets);
  std::string shown = field.value;
  for (const Parameter& parameter : field.parameters) {
    absl::StrAppend(&shown, "; ", parameter.name, "=", parameter.value);
  }
  if (!field.defects.empty()) absl::StrAppend(&shown, " [", field.defects.ToString(), "]");
  return shown;
}

TEST(ContentField, Reads) {
  struct {
    const char* value;
    const char* shown;
  } cases[] = {
      {" text/plain", "text/plain"},
      {"TEXT/Plain; Charset=UTF-8", "text/plain; charset=UTF-8"},
      {"text/plain; charset=\"utf-8\"", "text/plain; charset=utf-8"},
      {"text/plain;\r\n\tcharset=utf-8", "text/plain; charset=utf-8"},
      {"text/plain (c); (d) charset (e) = (f) utf-8 (g)", "text/plain; charset=utf-8"},
      {"a; x=\"a;\\\"b\\\\\"", "a; x=a;\"b\\"},
      {"a; x=my file.pdf; y=1", "a; x=my file.pdf; y=1"},
      {"a; x=b=c", "a; x=b=c"},
      {"a; x=", "a; x="},
      {"a; x=\"\"", "a; x="},
      {"a;;; x=1;", "a; x=1"},
      {"; x=1", "; x=1"},
      {"", ""},
      {"a; x", "a [bad-parameter]"},
      {"a; =1", "a [bad-parameter]"},
      {"a; x=\"open", "a; x=open [bad-parameter]"},
      {"a; x=\"b\" c; y=1", "a; x=b; y=1 [bad-parameter]"},
      {"a; x=1; X=2", "a; x=1 [duplicate-parameter]"},
      {"a; x=\xe4\xc3\xa4", "a; x=ää"},
      {"a; x=\"=?utf-8?q?=C3=A4?=\"", "a; x=ä [encoded-word-in-parameter]"},
      {"a; x==?utf-8?q?=C3=A4?=", "a; x=ä [encoded-word-in-parameter]"},
      {"a; boundary=\"=?utf-8?q?a?=\"", "a; boundary==?utf-8?q?a?="},
      // RFC 2231.
      {"a; x*=utf-8''%C3%A4", "a; x=ä"},
      {"a; x*=iso-8859-1'de'%E4%zz", "a; x=ä%zz"},
      {"a; x*=''%C3%A4", "a; x=ä"},
      {"a; x*=%C3%A4", "a; x=ä [bad-parameter]"},
      {"a; x*=utf-8'%C3%A4", "a; x=utf-8'ä [bad-parameter]"},
      {"a; x*=x-none''%E4", "a; x=ä [unknown-charset]"},
      {"a; x*0=b; x*1=c", "a; x=bc"},
      {"a; x*1=c; x*0=b; y=1", "a; x=bc; y=1"},
      {"a; x*0*=utf-8''%C3; x*1*=%A4; x*2=%41", "a; x=ä%41"},
      {"a; x*0=b; x*2=c", "a; x=bc [parameter-hole]"},
      {"a; x*1=c", "a; x=c [parameter-hole]"},
      {"a; x*0=b; x*0=c; x*1=d", "a; x=bd [duplicate-parameter]"},
      {"a; x=plain; x*=utf-8''%C3%A4", "a; x=ä [duplicate-parameter]"},
      {"a; x*0=b; x=plain", "a; x=b [duplicate-parameter]"},
      {"a; x*y=b; x**=c; x*99999=d", "a; x*y=b; x**=c; x*99999=d"},
      {"a; x*=utf-8''a%0D%0Ab",
       "a; x=a\xef\xbf\xbd\xef\xbf\xbd"
       "b"},
  };
  for (const auto& c : cases) EXPECT_EQ(Shown(c.value), c.shown) << c.value;
}

TEST(ContentField, BoundsParameters) {
  const Charsets charsets;
  for (const size_t count : {kMaxParameterCount - 1, kMaxParameterCount, kMaxParameterCount + 1}) {
    std::string many = "a", pieces = "a";
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&many, "; x", i, "=1");
      absl::StrAppend(&pieces, "; x*", i, "=1");
    }
    const bool is_over = count > kMaxParameterCount;
    const ContentField field = ParseContentField(many, charsets);
    EXPECT_EQ(field.parameters.size(), std::min(count, kMaxParameterCount));
    EXPECT_EQ(field.defects.Has(Defect::kTooManyParameters), is_over);
    const ContentField continued = ParseContentField(pieces, charsets);
    EXPECT_EQ(continued.Find("x").size(), std::min(count, kMaxParameterCount));
    EXPECT_EQ(continued.defects.Has(Defect::kTooManyParameters), is_over);
  }
}

TEST(ContentField, KnowsMediaTypes) {
  for (const char* type : {"text/plain", "application/vnd.a+b", "a/b.c-d_e"})
    EXPECT_TRUE(IsMediaType(type)) << type;
  for (const char* no : {"", "text", "/", "a/", "/b", "a/b/c", "a b/c", "a/b c", "a/\xe4", "a/b;"}) {
    EXPECT_FALSE(IsMediaType(no)) << no;
  }
}

}  // namespace
}  // namespace mailstead::mime
