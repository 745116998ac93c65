#include "smtpd/outbound/signing_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mailstead::smtp::outbound {
namespace {

store::QueueAttempt Attempt() {
  store::QueueAttempt attempt;
  attempt.message = QueueId{7};
  attempt.recipient_numbers = {3, 4};
  return attempt;
}

absl::StatusOr<std::optional<store::SigningRequest>> Read(absl::string_view message,
                                                          size_t piece_bytes = 1000) {
  SigningInput input;
  for (; !message.empty(); message.remove_prefix(std::min(message.size(), piece_bytes))) {
    input.Feed(message.substr(0, piece_bytes));
  }
  return input.Finish(Attempt());
}

TEST(SigningInput, NamesTheAttemptAndWhatIsSigned) {
  for (const size_t piece_bytes : {1, 2, 7, 1000}) {
    const auto request =
        Read("Received: x\r\nFrom: a@b.test\r\nSubject:  s\r\n\r\nbody \t z \r\n\r\n", piece_bytes);
    ASSERT_TRUE(request.ok() && request->has_value());
    EXPECT_EQ((*request)->message, QueueId{7});
    EXPECT_EQ((*request)->recipient_number, 3);
    EXPECT_EQ((*request)->canonical_header, "from:a@b.test\r\nsubject:s\r\n");
    EXPECT_EQ((*request)->names.front(), "from");
    // printf 'body z\r\n' | sha256sum
    EXPECT_EQ(absl::BytesToHexString((*request)->body_sha256),
              "c2ec430324eb4030bf6e4f32678fb8d2c0553409352f71a277d7b91b9b55d253");
  }
}

// RFC 6376 section 3.4.4: the hash of nothing.
TEST(SigningInput, AnEmptyBodyHasTheHashOfNothing) {
  for (const char* message :
       {"From: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n\r\n\r\n", "From: a@b.test\r\n", "From: a@b.test"}) {
    const auto request = Read(message);
    ASSERT_TRUE(request.ok() && request->has_value());
    EXPECT_EQ(absl::Base64Escape((*request)->body_sha256), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
        << message;
  }
}

TEST(SigningInput, NobodyVouchesForAMessageWithoutOneFrom) {
  for (const char* message :
       {"To: x\r\n\r\nFrom: a@b.test\r\n", "From: a@b.test\r\nfrom: c@d.test\r\n\r\n", "", "\r\n"}) {
    const auto request = Read(message);
    ASSERT_TRUE(request.ok()) << message;
    EXPECT_FALSE(request->has_value()) << message;
  }
}

TEST(SigningInput, AFromThatIsTooLargeIsAnError) {
  const auto request = Read(absl::StrCat("From: a@b.test (", std::string(70'000, 'x'), ")\r\n\r\n"));
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mailstead::smtp::outbound
