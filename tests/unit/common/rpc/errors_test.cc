#include "common/rpc/errors.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>

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
    EXPECT_EQ(FromGrpc(on_the_wire), status);
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
  ASSERT_TRUE(details.details(0).UnpackTo(&bad_request));
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
    EXPECT_EQ(ReasonOf(back), ReasonOf(status));
    EXPECT_EQ(FieldOf(back), FieldOf(status));
  }
  google::rpc::Status proto;
  ToProto(absl::OkStatus(), proto);
  EXPECT_TRUE(FromProto(proto).ok());
  EXPECT_EQ(proto.details_size(), 0);
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
