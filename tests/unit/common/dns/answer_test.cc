#include "common/dns/answer.h"

#include <string>
#include <utility>
#include <vector>

#include "common/dns/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::dns {
namespace {

// A good answer of a validating resolver.
Response Good() {
  Response response;
  response.authentic_data = true;
  response.recursion_available = true;
  response.has_edns = true;
  response.canonical_name = "mx.test";
  response.records = {Ipv4Bytes{192, 0, 2, 1}};
  response.ttl_seconds = 300;
  return response;
}

Response Empty(uint16_t rcode) {
  Response response = Good();
  response.rcode = rcode;
  response.records.clear();
  response.ttl_seconds.reset();
  response.negative_ttl_seconds = 60;
  return response;
}

TEST(MakeAnswerTest, Outcomes) {
  Answer answer = MakeAnswer(Good(), /*trusted=*/true);
  EXPECT_EQ(answer.outcome, Outcome::kAnswer);
  EXPECT_TRUE(answer.secure);
  EXPECT_EQ(answer.canonical_name, "mx.test");
  EXPECT_EQ(answer.records.size(), 1u);
  EXPECT_EQ(answer.ttl, absl::Seconds(300));

  answer = MakeAnswer(Empty(kNoError), true);
  EXPECT_EQ(answer.outcome, Outcome::kNoData);
  EXPECT_TRUE(answer.secure);
  EXPECT_EQ(answer.ttl, absl::Seconds(60));

  EXPECT_EQ(MakeAnswer(Empty(kNxDomain), true).outcome, Outcome::kNoName);
}

TEST(MakeAnswerTest, SecureIsWhatATrustedServerHasValidated) {
  EXPECT_FALSE(MakeAnswer(Good(), /*trusted=*/false).secure);
  Response response = Good();
  response.authentic_data = false;
  EXPECT_FALSE(MakeAnswer(response, true).secure);
  response = Good();
  response.has_edns = false;
  EXPECT_FALSE(MakeAnswer(response, true).secure);
}

TEST(MakeAnswerTest, FailuresAreNeverAbsence) {
  Response truncated = Good();
  truncated.truncated = true;
  Response no_recursion = Empty(kNxDomain);
  no_recursion.recursion_available = false;
  const std::pair<absl::StatusOr<Response>, Failure> kRows[] = {
      {Empty(kServFail), Failure::kServFail},
      {Empty(kRefused), Failure::kRefused},
      {Empty(1), Failure::kErrorCode},
      {Empty(4), Failure::kErrorCode},
      {Empty(16), Failure::kErrorCode},
      {truncated, Failure::kTooLarge},
      {no_recursion, Failure::kNoRecursion},
      {absl::InvalidArgumentError("x"), Failure::kGarbled},
      {absl::ResourceExhaustedError("x"), Failure::kTooLarge},
  };
  for (const auto& [response, failure] : kRows) {
    const Answer answer = MakeAnswer(response, true);
    EXPECT_EQ(answer.outcome, Outcome::kFailed) << FailureText(failure);
    EXPECT_EQ(answer.failure, failure);
    EXPECT_FALSE(answer.secure);
    EXPECT_TRUE(answer.records.empty());
    EXPECT_EQ(answer.ttl, kFailureTtl);
  }
}

TEST(MakeAnswerTest, TimesAreClamped) {
  const std::pair<uint32_t, absl::Duration> kPositive[] = {
      {0, kMinTtl},    {5, absl::Seconds(5)}, {6, absl::Seconds(6)}, {3599, absl::Seconds(3599)},
      {3601, kMaxTtl}, {0x7fffffff, kMaxTtl},
  };
  for (const auto& [seconds, ttl] : kPositive) {
    Response response = Good();
    response.ttl_seconds = seconds;
    EXPECT_EQ(MakeAnswer(response, true).ttl, ttl) << seconds;
  }
  const std::pair<uint32_t, absl::Duration> kNegative[] = {
      {0, kMinTtl}, {6, absl::Seconds(6)}, {899, absl::Seconds(899)}, {901, kMaxNegativeTtl}};
  for (const auto& [seconds, ttl] : kNegative) {
    Response response = Empty(kNxDomain);
    response.negative_ttl_seconds = seconds;
    EXPECT_EQ(MakeAnswer(response, true).ttl, ttl) << seconds;
  }
  // No longer than the alias that leads to what is absent; without a SOA at the least.
  Response aliased = Empty(kNoError);
  aliased.ttl_seconds = 20;
  EXPECT_EQ(MakeAnswer(aliased, true).ttl, absl::Seconds(20));
  aliased.negative_ttl_seconds.reset();
  EXPECT_EQ(MakeAnswer(aliased, true).ttl, kMinTtl);
}

TEST(AnswerTest, CostsWhatItKeeps) {
  Answer answer;
  const size_t empty = answer.memory_bytes();
  answer.records = {Txt{std::string(10'000, 'x')}};
  EXPECT_GE(answer.memory_bytes(), empty + 10'000);
  EXPECT_LT(answer.memory_bytes(), empty + 10'500);
}

}  // namespace
}  // namespace mailstead::dns
