#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "mailstead/frontend/v1/signing.pb.h"
#include "mailstead/store/v1/dkim.pb.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace fv1 = frontend::v1;
namespace v1 = store::v1;

class DkimApiTest : public ApiTest {
 protected:
  DkimApiTest() { AddAccount("u@example.test", "secret"); }

  absl::StatusOr<v1::DkimKey> Create(const std::string& selector, bool activate = false) {
    v1::CreateDkimKeyRequest request;
    request.set_domain("example.test");
    request.set_selector(selector);
    request.set_type(v1::DKIM_KEY_TYPE_ED25519);
    request.set_activate(activate);
    return AsOperator<v1::DkimKey>("DkimService/CreateDkimKey", request);
  }
  v1::ListDkimKeysResponse List() {
    const auto response =
        AsOperator<v1::ListDkimKeysResponse>("DkimService/ListDkimKeys", v1::ListDkimKeysRequest());
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(v1::ListDkimKeysResponse());
  }
  template <typename Response>
  absl::StatusOr<Response> AsRelay(const std::string& method, const google::protobuf::MessageLite& request) {
    return Call<Response>(absl::StrCat("mailstead.frontend.v1.SigningService/", method), {.role = kRelay},
                          request);
  }
  absl::Status Report(const fv1::KeyRecords& records) {
    fv1::ReportKeyRecordsRequest request;
    *request.add_keys() = records;
    return AsRelay<fv1::ReportKeyRecordsResponse>("ReportKeyRecords", request).status();
  }
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, DkimApiTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(DkimApiTest, AKeyFromItsMakingToItsEnd) {
  const auto made = Create("s");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->state(), v1::DkimKey::STATE_PENDING);
  EXPECT_EQ(made->record().name(), "s._domainkey.example.test");
  EXPECT_TRUE(absl::StartsWith(made->record().value(), "v=DKIM1; k=ed25519; p="));
  EXPECT_FALSE(made->has_activate_time() || made->has_retire_time() || made->has_record_end_time());

  const auto pending =
      AsRelay<fv1::ListPendingKeysResponse>("ListPendingKeys", fv1::ListPendingKeysRequest());
  ASSERT_TRUE(pending.ok()) << pending.status();
  ASSERT_EQ(pending->keys_size(), 1);
  EXPECT_EQ(pending->keys(0).record_name(), made->record().name());

  fv1::KeyRecords seen;
  seen.set_domain("example.test");
  seen.set_selector("s");
  ASSERT_TRUE(Report(seen).ok());
  EXPECT_EQ(List().keys(0).sighting(), v1::DkimKey::SIGHTING_MISSING);
  EXPECT_TRUE(List().keys(0).has_sighting_time());
  seen.add_records(made->record().value());
  ASSERT_TRUE(Report(seen).ok());
  EXPECT_EQ(List().keys(0).state(), v1::DkimKey::STATE_ACTIVE);
  EXPECT_EQ(List().keys(0).sighting(), v1::DkimKey::SIGHTING_UNSPECIFIED);

  v1::RotateDkimKeysRequest rotate;
  rotate.set_domain("example.test");
  const auto rotated = AsOperator<v1::RotateDkimKeysResponse>("DkimService/RotateDkimKeys", rotate);
  ASSERT_TRUE(rotated.ok() && rotated->keys_size() == 1) << rotated.status();
  v1::ActivateDkimKeyRequest activate;
  activate.set_domain("example.test");
  activate.set_selector(rotated->keys(0).selector());
  const auto active = AsOperator<v1::DkimKey>("DkimService/ActivateDkimKey", activate);
  ASSERT_TRUE(active.ok()) << active.status();
  EXPECT_EQ(active->state(), v1::DkimKey::STATE_ACTIVE);
  const v1::DkimKey retired = List().keys(0);
  EXPECT_EQ(retired.state(), v1::DkimKey::STATE_RETIRED);
  EXPECT_EQ(retired.record_end_time().seconds() - retired.retire_time().seconds(), 7 * 24 * 3600);

  v1::DeleteDkimKeyRequest remove;
  remove.set_domain("example.test");
  remove.set_selector(active->selector());
  EXPECT_EQ(ReasonOf(AsOperator<v1::DeleteDkimKeyResponse>("DkimService/DeleteDkimKey", remove).status()),
            kReasonDkimKeyActive);
  remove.set_even_active(true);
  EXPECT_TRUE(AsOperator<v1::DeleteDkimKeyResponse>("DkimService/DeleteDkimKey", remove).ok());
  EXPECT_EQ(List().keys_size(), 1);
}

TEST_P(DkimApiTest, WhatARelaySaysIsBounded) {
  ASSERT_TRUE(Create("s").ok());
  fv1::KeyRecords seen;
  seen.set_domain("example.test");
  seen.set_selector("s");
  for (int i = 0; i < 10; ++i) seen.add_records(std::string(16'384, 'x'));
  EXPECT_TRUE(Report(seen).ok());
  EXPECT_EQ(List().keys(0).sighting(), v1::DkimKey::SIGHTING_SEVERAL);
  seen.add_records("x");
  EXPECT_EQ(FieldOf(Report(seen)), "keys.records");
  seen.mutable_records()->Clear();
  seen.add_records(std::string(16'385, 'x'));
  EXPECT_EQ(FieldOf(Report(seen)), "keys.records");
  seen.mutable_records()->Clear();
  seen.set_selector("a b");
  EXPECT_EQ(FieldOf(Report(seen)), "keys.selector");
  fv1::ReportKeyRecordsRequest request;
  EXPECT_EQ(FieldOf(AsRelay<fv1::ReportKeyRecordsResponse>("ReportKeyRecords", request).status()), "keys");
  for (int i = 0; i < 21; ++i) *request.add_keys() = seen;
  EXPECT_EQ(FieldOf(AsRelay<fv1::ReportKeyRecordsResponse>("ReportKeyRecords", request).status()), "keys");
}

TEST_P(DkimApiTest, WhatIsNotOnItsWayIsNotSigned) {
  ASSERT_TRUE(Create("s", /*activate=*/true).ok());
  fv1::SignMessageRequest request;
  request.set_queue_id(1);
  request.add_names("from");
  request.set_canonical_header("from:u@example.test\r\n");
  request.set_body_sha256(std::string(32, 'b'));
  EXPECT_EQ(ReasonOf(AsRelay<fv1::SignMessageResponse>("SignMessage", request).status()), kReasonNotInFlight);
  request.clear_names();
  EXPECT_EQ(FieldOf(AsRelay<fv1::SignMessageResponse>("SignMessage", request).status()), "names");
}

}  // namespace
}  // namespace mailstead::stored
