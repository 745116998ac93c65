#include "common/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <string>

#include "common/obs/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::rpc {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kPortInUse[] =
    "UNKNOWN:No address added out of total 1 resolved for '127.0.0.1:7070' {file_line:960, "
    "children:[UNKNOWN:Unable to configure socket {fd:23, children:[UNKNOWN:Address already in use "
    "{errno:98, "
    "os_error:\"Address already in use\", syscall:\"bind\"}]}]}";

TEST(GrpcLogTest, TheCauseIsTheInnermostError) {
  EXPECT_EQ(CauseIn(kPortInUse), "Address already in use");
  EXPECT_EQ(CauseIn("UNKNOWN:Name or service not known {grpc_status:2}"), "Name or service not known");
  EXPECT_EQ(CauseIn("UNKNOWN:short"), "short");
  EXPECT_EQ(CauseIn("UNKNOWN:"), "");
  EXPECT_EQ(CauseIn("assertion failed: x"), "");
  EXPECT_EQ(CauseIn(""), "");
}

class GrpcLinesTest : public testing::Test {
 protected:
  GrpcLinesTest() {
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
    TakeGrpcLog();
  }
  ~GrpcLinesTest() override {
    gpr_set_log_function(nullptr);
    obs::SetUpLog("", obs::LogFormat::kLogfmt, obs::LogLevel::kInfo);
  }

  // What is on standard error after a line of each severity.
  static std::string LogAll(obs::LogFormat format, obs::LogLevel level) {
    obs::SetUpLog("stored", format, level);
    testing::internal::CaptureStderr();
    gpr_log("./src/core/a.cc", 1, GPR_LOG_SEVERITY_ERROR, "%s", kPortInUse);
    gpr_log("b.cc", 2, GPR_LOG_SEVERITY_INFO, "two\nlines");
    gpr_log("./src/c.cc", 3, GPR_LOG_SEVERITY_DEBUG, "three");
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(GrpcLinesTest, OnlyErrorsAreSeenAndAsWarnings) {
  const std::string text = LogAll(obs::LogFormat::kLogfmt, obs::LogLevel::kInfo);
  EXPECT_THAT(text,
              AllOf(StartsWith("time="), HasSubstr(" level=warning program=stored event=grpc source=a.cc:1 "),
                    HasSubstr("message=\"UNKNOWN:No address added"), EndsWith("\"\n")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(LogAll(obs::LogFormat::kLogfmt, obs::LogLevel::kError), "");
}

TEST_F(GrpcLinesTest, TheRestIsThereAtLevelDebug) {
  const std::string text = LogAll(obs::LogFormat::kJson, obs::LogLevel::kDebug);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_THAT(text, HasSubstr(R"("level":"warning","program":"stored","event":"grpc","source":"a.cc:1")"));
  EXPECT_THAT(text, HasSubstr(R"("level":"debug","program":"stored","event":"grpc","source":"b.cc:2")"));
  EXPECT_THAT(text, HasSubstr(R"("source":"c.cc:3","message":"three"})"));
}

TEST_F(GrpcLinesTest, TheLastCauseIsKept) {
  // Whether the line is to be seen or not.
  LogAll(obs::LogFormat::kLogfmt, obs::LogLevel::kError);
  EXPECT_EQ(LastGrpcCause(), "Address already in use");
  gpr_log("a.cc", 1, GPR_LOG_SEVERITY_ERROR, "nothing known");
  EXPECT_EQ(LastGrpcCause(), "");
}

}  // namespace
}  // namespace mailstead::rpc
