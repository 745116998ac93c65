#include "stored/rules/sts.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/mailauth/sts_policy.h"
#include "mailstead/frontend/v1/sts.pb.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace fv1 = frontend::v1;

constexpr char kFile[] = "version: STSv1\r\nmode: enforce\r\nmx: mx.b.test\r\nmax_age: 604800\r\n";

class StsApiTest : public ApiTest {
 protected:
  absl::StatusOr<fv1::StsPolicyState> Get(const std::string& domain) {
    fv1::GetStsPolicyRequest request;
    request.set_domain(domain);
    ASSIGN_OR_RETURN(const auto response,
                     Call<fv1::GetStsPolicyResponse>("mailstead.frontend.v1.StsService/GetStsPolicy",
                                                     {.role = kRelay}, request));
    return response.state();
  }
  absl::StatusOr<fv1::StsPolicyState> Keep(const std::string& domain, const std::string& policy_id,
                                           const std::string& policy) {
    fv1::KeepStsPolicyRequest request;
    request.set_domain(domain);
    request.set_policy_id(policy_id);
    request.set_policy(policy);
    ASSIGN_OR_RETURN(const auto response,
                     Call<fv1::KeepStsPolicyResponse>("mailstead.frontend.v1.StsService/KeepStsPolicy",
                                                      {.role = kRelay}, request));
    return response.state();
  }
};

TEST_P(StsApiTest, APolicyIsKeptForItsTime) {
  EXPECT_EQ(Get("b.test")->ByteSizeLong(), 0u);
  const auto kept = Keep("B.test", "1", kFile);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->policy_id(), "1");
  EXPECT_EQ(kept->policy(), kFile);
  EXPECT_EQ(kept->valid_for().seconds(), 604800);
  EXPECT_EQ(kept->fresh_for().seconds(), 86400);
  EXPECT_FALSE(kept->has_retry_after());
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(Get("b.test")->valid_for().seconds(), 604800 - 86400);
  EXPECT_EQ(Get("b.test")->fresh_for().seconds(), 0);
  Restart();
  EXPECT_EQ(Get("b.test")->policy(), kFile);
  clock_.Advance(absl::Hours(6 * 24));
  EXPECT_EQ(Get("b.test")->ByteSizeLong(), 0u);
}

TEST_P(StsApiTest, AFailedFetchTakesNothingAwayAndIsNotRepeatedAtOnce) {
  EXPECT_EQ(Keep("b.test", "", "")->retry_after().seconds(), 300);
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(Get("b.test")->retry_after().seconds(), 240);
  ASSERT_TRUE(Keep("b.test", "1", kFile).ok());
  const auto failed = Keep("b.test", "", "");
  EXPECT_EQ(failed->policy(), kFile);
  EXPECT_EQ(failed->retry_after().seconds(), 300);
}

TEST_P(StsApiTest, WhatIsNoPolicyIsRefused) {
  const struct {
    std::string domain, policy_id, policy;
  } kRows[] = {{"", "1", kFile},
               {"[192.0.2.1]", "1", kFile},
               {"b.test", "1", ""},
               {"b.test", "", kFile},
               {"b.test", "1-2", kFile},
               {"b.test", "1", "mode: none"},
               {"b.test", std::string(33, 'x'), kFile}};
  for (const auto& row : kRows) {
    EXPECT_EQ(Keep(row.domain, row.policy_id, row.policy).status().code(), absl::StatusCode::kInvalidArgument)
        << row.domain << " " << row.policy_id;
  }
  EXPECT_EQ(Get("[192.0.2.1]").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Get("b.test")->ByteSizeLong(), 0u);
}

TEST_P(StsApiTest, OfAPolicyWhatIsNotReadIsNotKept) {
  EXPECT_EQ(Keep("b.test", "1", absl::StrCat(kFile, "x: ", std::string(60'000, 'y')))->policy(), kFile);
}

INSTANTIATE_TEST_SUITE_P(EveryDoor, StsApiTest,
                         testing::Values(TestDoor::kGrpc, TestDoor::kBatch, TestDoor::kInProcess),
                         NameOfDoor);

}  // namespace
}  // namespace mailstead::stored
