#include "common/obs/log.h"

#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/obs/log_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::obs {
namespace {

using ::testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1'700'000'000'123);

std::string Logfmt(std::initializer_list<Field> fields) {
  return FormatLogLine(LogFormat::kLogfmt, kTime, LogLevel::kInfo, "smtpd", "x", fields);
}
std::string Json(std::initializer_list<Field> fields) {
  return FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, "smtpd", "x", fields);
}

constexpr absl::string_view kLogfmtStart = "time=2023-11-14T22:13:20.123Z level=info program=smtpd event=x";
constexpr absl::string_view kJsonStart =
    R"({"time":"2023-11-14T22:13:20.123Z","level":"info","program":"smtpd","event":"x")";

TEST(LogFormatTest, Logfmt) {
  EXPECT_EQ(Logfmt({}), kLogfmtStart);
  EXPECT_EQ(Logfmt({{"session", "abc"}, {"bytes", 4096}, {"tls", true}, {"client", "2001:db8::1"}}),
            absl::StrCat(kLogfmtStart, " session=abc bytes=4096 tls=true client=2001:db8::1"));
  EXPECT_EQ(Logfmt({{"a", ""}, {"b", "two words"}, {"c", "x=y"}, {"d", "say \"hi\""}, {"e", "back\\slash"}}),
            absl::StrCat(kLogfmtStart, R"( b="two words" c="x=y" d="say \"hi\"" e="back\\slash")"));
}

TEST(LogFormatTest, Json) {
  EXPECT_EQ(Json({}), absl::StrCat(kJsonStart, "}"));
  EXPECT_EQ(
      Json({{"session", "abc"}, {"bytes", 4096}, {"tls", false}, {"n", "7"}, {"minus", -1}, {"half", 0.5}}),
      absl::StrCat(kJsonStart,
                   R"(,"session":"abc","bytes":4096,"tls":false,"n":"7","minus":-1,"half":0.5})"));
}

TEST(LogFormatTest, NumbersThatJsonDoesNotKnowAreQuoted) {
  EXPECT_EQ(
      Json({{"a", std::numeric_limits<double>::infinity()}, {"b", std::numeric_limits<double>::quiet_NaN()}}),
      absl::StrCat(kJsonStart, R"(,"a":"inf","b":"nan"})"));
}

TEST(LogFormatTest, LevelsAndNoProgram) {
  EXPECT_EQ(FormatLogLine(LogFormat::kLogfmt, kTime, LogLevel::kError, "", "x", {}),
            "time=2023-11-14T22:13:20.123Z level=error event=x");
  EXPECT_EQ(LevelName(LogLevel::kDebug), "debug");
  EXPECT_EQ(LevelName(LogLevel::kWarning), "warning");
}

TEST(LogFormatTest, APeerCannotMakeASecondLineOrField) {
  const std::string attack = "a\r\ntime=2026-01-01T00:00:00.000Z level=info event=login account=admin";
  EXPECT_EQ(
      Logfmt({{"helo", attack}}),
      absl::StrCat(kLogfmtStart,
                   R"( helo="a\r\ntime=2026-01-01T00:00:00.000Z level=info event=login account=admin")"));
  EXPECT_EQ(Json({{"helo", "a\",\"event\":\"login"}}),
            absl::StrCat(kJsonStart, R"(,"helo":"a\",\"event\":\"login"})"));
}

TEST(LogFormatTest, ControlCharactersAreShown) {
  EXPECT_EQ(Logfmt({{"v", absl::string_view("\0\x1b[2J\x7f\t", 7)}}),
            absl::StrCat(kLogfmtStart, R"( v="\u0000\u001b[2J\u007f\t")"));
  // As UTF-8: a C1 control (CSI), a line separator, a right-to-left override, a byte order mark.
  EXPECT_EQ(Json({{"v", "\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xef\xbb\xbf"}}),
            absl::StrCat(kJsonStart, R"(,"v":"\u009b\u2028\u202e\ufeff"})"));
}

TEST(LogFormatTest, Utf8StaysAndTheRestIsReplaced) {
  EXPECT_EQ(Logfmt({{"v", "gr\xc3\xbc\xc3\x9f"}}), absl::StrCat(kLogfmtStart, " v=\"gr\xc3\xbc\xc3\x9f\""));
  EXPECT_EQ(Json({{"v", "\xf0\x9f\x93\xac"}}), absl::StrCat(kJsonStart, ",\"v\":\"\xf0\x9f\x93\xac\"}"));
  // Latin-1, a cut character, an overlong slash, a surrogate, beyond Unicode.
  EXPECT_EQ(Json({{"a", "\xfc"},
                  {"b", "x\xe2\x82"},
                  {"c", "\xc0\xaf"},
                  {"d", "\xed\xa0\x80"},
                  {"e", "\xf4\x90\x80\x80"}}),
            absl::StrCat(kJsonStart, R"(,"a":"\ufffd","b":"x\ufffd\ufffd","c":"\ufffd\ufffd",)",
                         R"("d":"\ufffd\ufffd\ufffd","e":"\ufffd\ufffd\ufffd\ufffd"})"));
}

TEST(LogFormatTest, LongValuesAreCutAtACharacter) {
  const std::string just_fits(kMaxLogValueBytes, 'a');
  EXPECT_EQ(Logfmt({{"v", just_fits}}), absl::StrCat(kLogfmtStart, " v=", just_fits));
  EXPECT_EQ(Logfmt({{"v", just_fits + "a"}}),
            absl::StrCat(kLogfmtStart, " v=\"", just_fits, "\xe2\x80\xa6\""));
  const std::string before(kMaxLogValueBytes - 1, 'a');
  EXPECT_EQ(Json({{"v", before + "\xc3\xbc and more"}}),
            absl::StrCat(kJsonStart, ",\"v\":\"", before, "\xe2\x80\xa6\"}"));
  const std::string junk(100'000, '\x80');
  EXPECT_LT(Json({{"v", junk}}).size(), kMaxLogValueBytes * 6 + 200);
}

TEST(LogFormatTest, KeysAreAlwaysKeys) {
  EXPECT_EQ(Logfmt({{"a b=\"", 1}}), absl::StrCat(kLogfmtStart, " a_b__=1"));
}

// Reads a JSON string literal at `at`; false when there is none.
bool SkipJsonString(absl::string_view text, size_t& at) {
  if (at >= text.size() || text[at++] != '"') return false;
  while (at < text.size() && text[at] != '"') {
    if (static_cast<unsigned char>(text[at]) < 0x20) return false;
    if (text[at++] != '\\') continue;
    if (at >= text.size()) return false;
    const char escape = text[at++];
    if (escape == 'u') {
      for (int i = 0; i < 4; ++i, ++at) {
        if (at >= text.size() || !absl::ascii_isxdigit(text[at])) return false;
      }
    } else if (absl::string_view("\"\\/bfnrt").find(escape) == absl::string_view::npos) {
      return false;
    }
  }
  return at++ < text.size();
}

// An object whose values are all strings.
bool IsFlatJson(absl::string_view text) {
  size_t at = 0;
  if (text.empty() || text[at++] != '{') return false;
  for (;;) {
    if (!SkipJsonString(text, at) || at >= text.size() || text[at++] != ':') return false;
    if (!SkipJsonString(text, at) || at >= text.size()) return false;
    const char next = text[at++];
    if (next == '}') return at == text.size();
    if (next != ',') return false;
  }
}

TEST(LogFormatTest, AnyBytesGiveOneValidLine) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string value(random() % 40, '\0');
    // Mostly bytes that mean something to UTF-8, JSON or logfmt.
    static constexpr absl::string_view kNasty(
        "\"\\=\r\n\t \0\x1b\x7f\x80\x9b\xbf\xc2\xc3\xe2\xed\xf0\xf4\xff/u{}", 25);
    for (char& c : value)
      c = random() % 2 == 0 ? kNasty[random() % kNasty.size()] : static_cast<char>(random());
    const std::string json = Json({{"v", value}});
    ASSERT_TRUE(IsFlatJson(json)) << json;
    const std::string logfmt = Logfmt({{"v", value}});
    for (const std::string& line : {json, logfmt}) {
      for (const char c : line) ASSERT_GE(static_cast<unsigned char>(c), 0x20) << line;
    }
  }
}

TEST(LogTest, WorksBeforeItIsSetUpAndHonoursTheLevel) {
  ::testing::internal::CaptureStderr();
  LogInfo("early", {{"a", 1}});
  SetUpLog("pop3d", LogFormat::kJson, LogLevel::kWarning);
  LogInfo("not_shown", {});
  LogDebug("not_shown", {});
  LogWarning("shown", {{"a", 1}});
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  SetUpLog("", LogFormat::kLogfmt, LogLevel::kInfo);
  const std::string text = ::testing::internal::GetCapturedStderr();
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  ASSERT_EQ(lines.size(), 3u) << text;
  EXPECT_THAT(lines[0], HasSubstr("level=info event=early a=1"));
  EXPECT_THAT(lines[1], HasSubstr(R"("level":"warning","program":"pop3d","event":"shown","a":1})"));
  EXPECT_EQ(lines[2], "");
}

TEST(LogTest, ThreadsDoNotMixTheirLines) {
  ::testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const std::string value(200, static_cast<char>('a' + t));
      for (int i = 0; i < 200; ++i) LogInfo("line", {{"v", value}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = absl::StrSplit(::testing::internal::GetCapturedStderr(), '\n');
  ASSERT_EQ(lines.size(), 801u);
  for (size_t i = 0; i < 800; ++i) {
    ASSERT_THAT(lines[i], ::testing::MatchesRegex("time=.* level=info event=line v=(a+|b+|c+|d+)"))
        << lines[i];
    ASSERT_EQ(lines[i].size() - lines[i].rfind('='), 201u);
  }
}

TEST(LogFormat, TimesAreThoseOfTheirMoment) {
  const auto time_of = [](absl::Time time) {
    return FormatLogLine(LogFormat::kLogfmt, time, LogLevel::kInfo, "", "x", {}).substr(5, 24);
  };
  const absl::Time second = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(time_of(second), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(time_of(second + absl::Nanoseconds(999'999'999)), "2023-11-14T22:13:20.999Z");
  EXPECT_EQ(time_of(second + absl::Milliseconds(1007)), "2023-11-14T22:13:21.007Z");
  // The clock was set back, and far ahead.
  EXPECT_EQ(time_of(second - absl::Milliseconds(1)), "2023-11-14T22:13:19.999Z");
  EXPECT_EQ(time_of(absl::FromUnixSeconds(4'102'444'799)), "2099-12-31T23:59:59.000Z");
  EXPECT_EQ(time_of(absl::FromUnixMillis(-1)), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace mailstead::obs
