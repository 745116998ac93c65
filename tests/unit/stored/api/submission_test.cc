#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "mailstead/store/v1/submission.pb.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

constexpr char kMail[] = "From: ann@example.test\r\nSubject: x\r\n\r\nbody\r\n";

class SubmissionApiTest : public ApiTest {
 protected:
  SubmissionApiTest() : ann_(AddAccount("ann@example.test")), bob_(AddAccount("bob@example.test")) {}

  static v1::SubmitMessageRequest To(const std::vector<std::string>& addresses, int number = 1) {
    v1::SubmitMessageRequest request;
    request.set_request_id(absl::StrCat("request-number-", number));
    request.set_account("ann@example.test");
    for (const std::string& address : addresses)
      request.mutable_envelope()->add_recipients()->set_address(address);
    request.set_content(kMail);
    return request;
  }
  absl::StatusOr<v1::SubmitMessageResponse> Submit(const v1::SubmitMessageRequest& request) {
    return AsOperator<v1::SubmitMessageResponse>("SubmissionService/SubmitMessage", request);
  }
  absl::StatusOr<v1::Submission> Get(const std::string& id) {
    v1::GetSubmissionRequest request;
    request.set_submission_id(id);
    return AsOperator<v1::Submission>("SubmissionService/GetSubmission", request);
  }
  absl::StatusOr<v1::ListSubmissionsResponse> List(const v1::ListSubmissionsRequest& request) {
    return AsOperator<v1::ListSubmissionsResponse>("SubmissionService/ListSubmissions", request);
  }

  const int64_t ann_;
  const int64_t bob_;
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, SubmissionApiTest,
                         testing::Values(TestDoor::kGrpc, TestDoor::kBatch, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(SubmissionApiTest, AnAnswerForEachRecipient) {
  const v1::SubmitMessageRequest request = To({"bob@example.test", "gone@example.test", "x@elsewhere.test"});
  for (int round = 0; round < 2; ++round) {
    const auto taken = Submit(request);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->outcome(), round == 0 ? v1::SUBMIT_OUTCOME_TAKEN : v1::SUBMIT_OUTCOME_ALREADY_TAKEN);
    ASSERT_EQ(taken->results_size(), 3);
    EXPECT_EQ(taken->results(0).address(), "bob@example.test");
    EXPECT_EQ(taken->results(0).result(), v1::RecipientResult::RESULT_DELIVERED);
    EXPECT_EQ(taken->results(1).result(), v1::RecipientResult::RESULT_REFUSED);
    EXPECT_EQ(taken->results(1).reason(), kReasonRecipientUnknown);
    EXPECT_EQ(taken->results(1).message(), "there is no mailbox gone@example.test");
    EXPECT_EQ(taken->results(2).result(), v1::RecipientResult::RESULT_QUEUED);
    EXPECT_FALSE(taken->has_send_time());
    const auto submission = Get(taken->submission_id());
    ASSERT_TRUE(submission.ok()) << submission.status();
    EXPECT_EQ(submission->account_id(), ann_);
    EXPECT_EQ(submission->request_id(), "request-number-1");
    EXPECT_EQ(submission->envelope().reverse_path(), "ann@example.test");
    EXPECT_EQ(submission->envelope().delivery_id(), "");
    EXPECT_EQ(submission->message_id(), taken->message_id());
    EXPECT_EQ(submission->recipient_count(), 3);
    EXPECT_GT(submission->queue_id(), 0);
    EXPECT_EQ(submission->recipients(0).address(), "x@elsewhere.test");
    EXPECT_EQ(submission->recipients(0).state(), v1::RECIPIENT_STATE_QUEUED);
    EXPECT_EQ(submission->recipients(1).state(), v1::RECIPIENT_STATE_DELIVERED);
    EXPECT_EQ(submission->recipients(2).state(), v1::RECIPIENT_STATE_REFUSED);
  }
}

TEST_P(SubmissionApiTest, AStreamIsTheSameSubmission) {
  const v1::SubmitMessageRequest request = To({"bob@example.test"});
  ASSERT_TRUE(Submit(request).ok());
  v1::SubmitMessageStreamRequest piece;
  piece.set_request_id(request.request_id());
  piece.set_account(request.account());
  *piece.mutable_envelope() = request.envelope();
  piece.set_content(std::string(kMail).substr(0, 9));
  const auto dialog = Open("mailstead.store.v1.SubmissionService/SubmitMessageStream", {.role = kOperator});
  ASSERT_TRUE(dialog->Write(piece));
  v1::SubmitMessageStreamRequest rest;
  rest.set_content(std::string(kMail).substr(9));
  rest.set_last(true);
  ASSERT_TRUE(dialog->Write(rest));
  v1::SubmitMessageResponse response;
  ASSERT_TRUE(dialog->Read(response)) << dialog->Finish();
  EXPECT_TRUE(dialog->Finish().ok());
  EXPECT_EQ(response.outcome(), v1::SUBMIT_OUTCOME_ALREADY_TAKEN);
}

TEST_P(SubmissionApiTest, WhatIsWrongIsNamed) {
  v1::SubmitMessageRequest request = To({"bob@example.test"});
  request.clear_envelope();
  EXPECT_EQ(FieldOf(Submit(request).status()), "envelope");
  request = To({"bob@example.test"});
  request.set_account("nobody@example.test");
  EXPECT_EQ(ReasonOf(Submit(request).status()), kReasonAccountNotFound);
  request = To({"bob@example.test"});
  request.mutable_send_time()->set_nanos(-1);
  EXPECT_EQ(FieldOf(Submit(request).status()), "send_time");
  request = To({"bob@example.test"});
  request.set_content(std::string(kMaxUnaryContentBytes + 1, 'x'));
  EXPECT_EQ(ReasonOf(Submit(request).status()), kReasonTooLarge);
  ASSERT_TRUE(Submit(To({"bob@example.test"})).ok());
  request = To({"ann@example.test"});
  const absl::Status reused = Submit(request).status();
  EXPECT_EQ(reused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(reused), kReasonRequestIdReused);
  EXPECT_EQ(ReasonOf(Get("no such submission").status()), kReasonSubmissionNotFound);
}

TEST_P(SubmissionApiTest, SubmissionsAreListedInPagesNewestFirst) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(Submit(To({i % 2 == 0 ? "bob@example.test" : "x@elsewhere.test"}, i)).ok());
    clock_.Advance(absl::Seconds(1));
  }
  const auto ids = [&](v1::ListSubmissionsRequest request) {
    std::vector<std::string> found;
    do {
      const auto page = List(request);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      for (const v1::Submission& submission : page->submissions()) found.push_back(submission.request_id());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return found;
  };
  using testing::ElementsAre;
  v1::ListSubmissionsRequest request;
  for (const int page_size : {0, 1, 2, 5}) {
    request.set_page_size(page_size);
    EXPECT_THAT(ids(request), ElementsAre("request-number-5", "request-number-4", "request-number-3",
                                          "request-number-2", "request-number-1"))
        << page_size;
  }
  request.set_account("ann@example.test");
  request.set_state(v1::RECIPIENT_STATE_DELIVERED);
  request.set_page_size(1);
  EXPECT_THAT(ids(request), ElementsAre("request-number-4", "request-number-2"));
  request.set_account("bob@example.test");
  EXPECT_THAT(ids(request), ElementsAre());
  request = v1::ListSubmissionsRequest();
  const auto newest = List(request)->submissions(0).submit_time();
  request.mutable_submit_time_from()->set_seconds(newest.seconds() - 3);
  request.mutable_submit_time_from()->set_nanos(newest.nanos());
  *request.mutable_submit_time_until() = newest;
  EXPECT_THAT(ids(request), ElementsAre("request-number-4", "request-number-3", "request-number-2"));
  request = v1::ListSubmissionsRequest();
  request.set_page_size(1);
  request.set_page_token(List(request)->next_page_token());
  request.set_state(v1::RECIPIENT_STATE_QUEUED);
  EXPECT_EQ(FieldOf(List(request).status()), "page_token");
}

TEST_P(SubmissionApiTest, WhatWaitsIsCancelled) {
  v1::SubmitMessageRequest request = To({"bob@example.test", "x@elsewhere.test"});
  request.mutable_send_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()) + 3600);
  const auto taken = Submit(request);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->send_time().seconds(), request.send_time().seconds());
  EXPECT_EQ(taken->results(0).result(), v1::RecipientResult::RESULT_QUEUED);
  v1::CancelSubmissionRequest cancel;
  cancel.set_submission_id(taken->submission_id());
  const auto cancelled =
      AsOperator<v1::CancelSubmissionResponse>("SubmissionService/CancelSubmission", cancel);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->cancelled_count(), 2);
  EXPECT_EQ(cancelled->submission().recipients(0).state(), v1::RECIPIENT_STATE_CANCELLED);
  EXPECT_EQ(cancelled->submission().recipients(1).state(), v1::RECIPIENT_STATE_CANCELLED);
  cancel.set_submission_id("x");
  EXPECT_EQ(
      ReasonOf(
          AsOperator<v1::CancelSubmissionResponse>("SubmissionService/CancelSubmission", cancel).status()),
      kReasonSubmissionNotFound);
}

}  // namespace
}  // namespace mailstead::stored
