#include "common/rpc/errors.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace mailstead::rpc {
namespace {

TEST(Errors, EveryCodeKeepsItsNumberAndText) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    const grpc::Status on_the_wire = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(on_the_wire.error_code()), code);
    EXPECT_EQ(FromGrpc(on_the_wire).code(), status.code());
    EXPECT_EQ(FromGrpc(on_the_wire).message(), "why");
    EXPECT_NE(ReasonOf(FromGrpc(on_the_wire)), "") << "nobody has to read English";
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(Errors, ReasonTravelsAsErrorInfo) {
  const absl::Status status = WithReason(absl::AbortedError("held by pop3d-2"), kReasonMaildropInUse);
  const grpc::Status on_the_wire = ToGrpc(status);

  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(on_the_wire.error_details()));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "MAILDROP_IN_USE");
  EXPECT_EQ(info.domain(), "mailstead.store");

  EXPECT_EQ(ReasonOf(FromGrpc(on_the_wire)), kReasonMaildropInUse);
}

TEST(Errors, FieldTravelsAsBadRequest) {
  const absl::Status status = FieldError("envelope.delivery_id", "must have 16 to 64 characters");
  const grpc::Status on_the_wire = ToGrpc(status);

  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(on_the_wire.error_details()));
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "envelope.delivery_id");
  EXPECT_EQ(bad_request.field_violations(0).description(), "must have 16 to 64 characters");

  EXPECT_EQ(FieldOf(FromGrpc(on_the_wire)), "envelope.delivery_id");
}

TEST(Errors, TravelInAMessageToo) {
  for (const absl::Status& status :
       {absl::NotFoundError("no such mailbox"), WithReason(absl::AbortedError("held"), kReasonMaildropInUse),
        FieldError("token", "must be set"),
        WithField(WithReason(absl::ResourceExhaustedError("both"), kReasonTooLarge), "content")}) {
    google::rpc::Status proto;
    ToProto(status, proto);
    EXPECT_EQ(proto.code(), static_cast<int>(status.code()));
    EXPECT_EQ(proto.message(), status.message());
    const absl::Status back = FromProto(proto);
    EXPECT_EQ(back.code(), status.code());
    EXPECT_EQ(back.message(), status.message());
    EXPECT_EQ(ReasonOf(back), ReasonOf(WithAnyReason(status)));
    EXPECT_EQ(FieldOf(back), FieldOf(status));
  }
  google::rpc::Status proto;
  ToProto(absl::OkStatus(), proto);
  EXPECT_TRUE(FromProto(proto).ok());
  EXPECT_EQ(proto.details_size(), 0);
}

TEST(Errors, AllDetailsTravel) {
  const std::vector<FieldViolation> violations = {
      {"name", "must be set", ""}, {"envelope.recipients[3].address", "unknown", "RECIPIENT_UNKNOWN"}};
  const absl::Status status = WithViolations(
      WithMetadata(
          WithMetadata(WithRetryDelay(WithReason(absl::NotFoundError("two"), kReasonRecipientUnknown),
                                      absl::Milliseconds(1500)),
                       "scope", "mail.read"),
          "key", "k1"),
      violations);
  const grpc::Status on_the_wire = ToGrpc(status);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(on_the_wire.error_details()));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);

  const absl::Status back = FromGrpc(on_the_wire);
  EXPECT_EQ(RetryDelayOf(back), absl::Milliseconds(1500));
  EXPECT_EQ(MetadataOf(back), MetadataOf(status));
  ASSERT_EQ(ViolationsOf(back).size(), 2u);
  EXPECT_EQ(ViolationsOf(back)[1].field, "envelope.recipients[3].address");
  EXPECT_EQ(ViolationsOf(back)[1].description, "unknown");
  EXPECT_EQ(ViolationsOf(back)[1].reason, "RECIPIENT_UNKNOWN");
}

TEST(Errors, TheUsualDelayIsTold) {
  EXPECT_EQ(RetryDelayOf(FromGrpc(ToGrpc(absl::UnavailableError("away")))), absl::Seconds(1));
  EXPECT_EQ(RetryDelayOf(FromGrpc(ToGrpc(absl::NotFoundError("none")))), std::nullopt);
}

// gRPC's clients in C and Java refuse trailers of more than 8 KiB, and show nothing of the error then.
TEST(Errors, WhateverIsInItItFitsIntoTheTrailers) {
  for (const char* piece : {"x", "\xc3\xa4", "%", "\n"}) {
    std::string text;
    while (text.size() < 4000) text += piece;
    for (const size_t count : {size_t{0}, size_t{1}, size_t{20}, kMaxViolations, 10 * kMaxViolations}) {
      absl::Status status = absl::InvalidArgumentError(text);
      for (int i = 0; i < 20; ++i)
        status = WithMetadata(std::move(status), absl::StrCat("key_", i, text), text);
      status = WithViolations(std::move(status), std::vector<FieldViolation>(
                                                     count, {"envelope.recipients[3].address", text, ""}));
      const grpc::Status on_the_wire = ToGrpc(status);
      size_t encoded = (on_the_wire.error_details().size() + 2) / 3 * 4;
      for (const char c : on_the_wire.error_message()) encoded += c < ' ' || c > '~' || c == '%' ? 3 : 1;
      EXPECT_LE(encoded, 7'200u) << count;
      const absl::Status back = FromGrpc(on_the_wire);
      EXPECT_EQ(MetadataOf(back).size(), kMaxMetadata);
      if (count > 20) {
        EXPECT_GT(ViolationsOf(back).size(), 0u);
      }
    }
  }
}

TEST(Errors, WhatIsLeftOutIsCounted) {
  const std::vector<FieldViolation> violations(
      500, {"envelope.recipients[3].address", "there is no such mailbox", ""});
  const absl::Status back = FromGrpc(ToGrpc(WithViolations(absl::NotFoundError("many"), violations)));
  const auto metadata = MetadataOf(back);
  ASSERT_EQ(metadata.size(), 1u);
  EXPECT_EQ(metadata[0].first, "violations_left_out");
  EXPECT_EQ(metadata[0].second, absl::StrCat(500 - ViolationsOf(back).size()));
  EXPECT_GT(ViolationsOf(back).size(), 40u);
}

TEST(Errors, DetailsThatAreNotOursArePassedOver) {
  EXPECT_EQ(ReasonOf(FromGrpc(grpc::Status(grpc::ABORTED, "x", "not a protocol buffer"))), "");

  google::rpc::ErrorInfo info;
  info.set_reason("MAILDROP_IN_USE");
  info.set_domain("elsewhere.example");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  EXPECT_EQ(ReasonOf(FromGrpc(grpc::Status(grpc::ABORTED, "x", details.SerializeAsString()))), "");
}

}  // namespace
}  // namespace mailstead::rpc
