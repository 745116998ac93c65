#include "common/store/store_api.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/store/blocking.h"
#include "common/store/limits.h"
#include "common/store/methods.h"
#include "common/store/revision.h"
#include "mailstead/frontend/v1/auth.pb.h"
#include "mailstead/frontend/v1/batch.pb.h"
#include "mailstead/frontend/v1/delivery.pb.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "tests/support/fake_store.h"
#include "tests/support/fake_time.h"
#include "tests/unit/common/store/awaiting.h"

namespace mailstead::store {
namespace {

using test::When;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;
namespace fv1 = ::mailstead::frontend::v1;
using Outcome = Resolution::Outcome;

constexpr char kUser[] = "demo@example.test";
constexpr char kLease[] = "lease-of-the-test";
constexpr absl::Duration kPatience = absl::Seconds(20);

class Failures : public CallObserver {
 public:
  void TryFailed(absl::string_view method, const absl::Status& status) override {
    seen.push_back(absl::StrCat(method, " ", absl::StatusCodeToString(status.code())));
  }
  void DeliverySettled(const Settled& what) override {
    settled.push_back(absl::StrCat(what.session_id, " ", what.delivery_id, " ", what.outcome));
  }
  std::vector<std::string> seen;
  std::vector<std::string> settled;
};

class StoreApiTest : public test::Awaiting {
 protected:
  explicit StoreApiTest(stored::Role role) : store_({.role = role, .timers = &time_}) {
    store_.AddDomain("example.test");
    demo_ = store_.AddAccount(kUser, "secret");
  }

  // The same, letting time pass while something waits for it.
  template <typename T>
  T GetLater(asio::awaitable<T> work) {
    const Pending<T> pending = Start(std::move(work));
    EXPECT_TRUE(Until([&] {
      if (!pending->has_value()) time_.AdvanceToNext();
      return pending->has_value();
    }));
    return *std::move(*pending);
  }

  FakeTime time_;
  test::FakeStore store_;
  Failures failures_;
  StoreApi api_{store_.way(), &failures_, time_};
  AccountId demo_;
};

// ---- Readiness

class ProbeTest : public StoreApiTest {
 protected:
  ProbeTest() : StoreApiTest(stored::kSmtp) {}
};

TEST_F(ProbeTest, SpeaksForTheStore) {
  const absl::Status status = Get(api_.Probe({}));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(store_.way().seen("Probe")[0].As<fv1::ProbeRequest>().revision(), kRevision);
  store_.SetServing(false);
  EXPECT_TRUE(absl::IsUnavailable(Get(api_.Probe({}))));
}

TEST_F(ProbeTest, AStoreThatRefusesTheCallerIsOfNoUseToHim) {
  for (const char* token : {"wrong", ""}) {
    const auto way = store_.NewWay(token);
    StoreApi api(*way);
    EXPECT_TRUE(absl::IsUnauthenticated(Get(api.Probe({}))));
  }
}

TEST_F(ProbeTest, TellsWhoIsTooOld) {
  store_.way().Fail("Probe", When::kBefore,
                    WithReason(absl::FailedPreconditionError("replace smtpd"), kReasonRevisionTooOld));
  EXPECT_EQ(ReasonOf(Get(api_.Probe({.patience = kPatience}))), kReasonRevisionTooOld);
}

// ---- Role smtp

class SmtpApiTest : public StoreApiTest {
 protected:
  SmtpApiTest() : StoreApiTest(stored::kSmtp) {}

  static Envelope EnvelopeTo(std::vector<std::string> recipients,
                             std::string delivery_id = "0123456789abcdef") {
    Envelope envelope;
    envelope.delivery_id = std::move(delivery_id);
    envelope.reverse_path = "ann@elsewhere.test";
    for (std::string& address : recipients) envelope.recipients.push_back({.address = std::move(address)});
    return envelope;
  }
  const std::string mail_ = "x\r\n";
  const std::string trace_ = "Received: by us\r\n";

  absl::Status Deliver(const Envelope& envelope, const std::string& content, CallContext context = {}) {
    return GetLater(api_.Deliver(envelope, "192.0.2.1", content, "Received: by us\r\n", std::move(context)));
  }
};

TEST_F(SmtpApiTest, ResolvesRecipients) {
  store_.AddAlias("both@example.test", {kUser, "other@example.test"});
  store_.AddAccount("other@example.test");
  store_.AddAccount("off@example.test");
  store_.SetDisabled("off@example.test", true);
  store_.AddAccount("full@example.test");
  store_.SetQuota("full@example.test", 0, 1);
  store_.AddMessage("full@example.test", "x\r\n");
  const auto resolve = [&](const std::string& address) { return Get(api_.ResolveRecipient(address, 0, {})); };
  auto resolution = resolve(kUser);
  ASSERT_TRUE(resolution.ok()) << resolution.status();
  EXPECT_EQ(resolution->outcome, Outcome::kAccount);
  EXPECT_EQ(resolution->mailbox_count, 1);
  resolution = resolve("both@example.test");
  EXPECT_EQ(resolution->outcome, Outcome::kAlias);
  EXPECT_EQ(resolution->mailbox_count, 2);
  EXPECT_EQ(resolve("nobody@example.test")->outcome, Outcome::kUnknown);
  EXPECT_EQ(resolve("x@elsewhere.test")->outcome, Outcome::kRemote);
  EXPECT_EQ(resolve("off@example.test")->outcome, Outcome::kDisabled);
  EXPECT_EQ(resolve("full@example.test")->outcome, Outcome::kOverQuota);
  store_.SetQuota("full@example.test", 5, 0);
  EXPECT_EQ(Get(api_.ResolveRecipient("full@example.test", 6, {}))->outcome, Outcome::kQuotaTooSmall);
  ASSERT_TRUE(Get(api_.ResolveRecipient(kUser, 77, {.session_id = "s1", .timeout = absl::Seconds(3)})).ok());
  const test::SeenCall seen = store_.way().seen("ResolveRecipient").back();
  EXPECT_EQ(seen.session_id, "s1");
  EXPECT_EQ(seen.timeout, absl::Seconds(3));
  EXPECT_EQ(seen.As<fv1::ResolveRecipientRequest>().message_bytes(), 77);
}

TEST_F(SmtpApiTest, ResolvesSeveralAtOnceAndAgainOnlyWhatFailed) {
  store_.way().Fail("ResolveRecipient", When::kBefore, absl::UnavailableError("away"), /*nth=*/2);
  const auto resolutions = GetLater(api_.ResolveRecipients({kUser, "nobody@example.test", "@"}, 77,
                                                           {.session_id = "s1", .patience = kPatience}));
  ASSERT_THAT(resolutions, SizeIs(3));
  ASSERT_TRUE(resolutions[0].ok()) << resolutions[0].status();
  EXPECT_EQ(resolutions[0]->outcome, Outcome::kAccount);
  EXPECT_EQ(resolutions[0]->mailbox_count, 1);
  ASSERT_TRUE(resolutions[1].ok()) << resolutions[1].status();
  EXPECT_EQ(resolutions[1]->outcome, Outcome::kUnknown);
  // An error of one is its own.
  EXPECT_EQ(FieldOf(resolutions[2].status()), "address");
  EXPECT_EQ(store_.way().calls("ResolveRecipient"), 4);
  EXPECT_EQ(store_.way().seen("ResolveRecipient").back().As<fv1::ResolveRecipientRequest>().message_bytes(),
            77);
  EXPECT_THAT(failures_.seen, ElementsAre("ResolveRecipient UNAVAILABLE"));
}

TEST_F(SmtpApiTest, ChecksSenders) {
  EXPECT_EQ(Get(api_.CheckSender(kUser, kUser, {})).value(), true);
  EXPECT_EQ(Get(api_.CheckSender(kUser, "other@example.test", {})).value(), false);
  store_.way().SetAway(absl::UnavailableError("gone"));
  EXPECT_EQ(Get(api_.CheckSender(kUser, kUser, {})).status(), absl::UnavailableError("gone"));
}

TEST_F(SmtpApiTest, Delivers) {
  const absl::Status status = Deliver(EnvelopeTo({kUser}), "Subject: hi\r\n\r\nbody\r\n");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(store_.Messages(kUser),
              ElementsAre(AllOf(StartsWith("Return-Path: <ann@elsewhere.test>\r\n"),
                                EndsWith("Received: by us\r\nSubject: hi\r\n\r\nbody\r\n"))));
}

TEST_F(SmtpApiTest, NothingOfAnEnvelopeIsLost) {
  Envelope envelope = EnvelopeTo({kUser, "never@example.test", "some@example.test"});
  envelope.recipients[1].notify = {.given = true};
  envelope.recipients[2].notify = {.given = true, .success = true, .failure = false, .delay = true};
  envelope.recipients[2].original_recipient = "rfc822;some@elsewhere.test";
  envelope.dsn_return = DsnReturn::kHeaders;
  envelope.dsn_envelope_id = "envelope 7";
  envelope.eight_bit_mime = envelope.smtputf8 = envelope.require_tls = true;
  Deliver(envelope, "x\r\n").IgnoreError();
  const auto request = store_.way().seen("Deliver")[0].As<fv1::DeliverRequest>();
  const v1::Envelope& sent = request.envelope();
  EXPECT_EQ(sent.delivery_id(), "0123456789abcdef");
  EXPECT_EQ(sent.reverse_path(), "ann@elsewhere.test");
  ASSERT_EQ(sent.recipients_size(), 3);
  EXPECT_EQ(sent.recipients(0).address(), kUser);
  EXPECT_THAT(sent.recipients(0).dsn_notify(), IsEmpty());
  EXPECT_THAT(sent.recipients(1).dsn_notify(), ElementsAre(v1::DSN_NOTIFY_NEVER));
  EXPECT_THAT(sent.recipients(2).dsn_notify(), ElementsAre(v1::DSN_NOTIFY_SUCCESS, v1::DSN_NOTIFY_DELAY));
  EXPECT_EQ(sent.recipients(2).dsn_original_recipient(), "rfc822;some@elsewhere.test");
  EXPECT_EQ(sent.dsn_return(), v1::DSN_RETURN_HEADERS);
  EXPECT_EQ(sent.dsn_envelope_id(), "envelope 7");
  EXPECT_TRUE(sent.eight_bit_mime() && sent.smtputf8() && sent.require_tls());
  EXPECT_EQ(request.client_address(), "192.0.2.1");
  EXPECT_EQ(request.end().trace(), "Received: by us\r\n");
}

TEST_F(SmtpApiTest, TriesAgainWhileTheStoreIsAway) {
  for (int nth = 1; nth <= 3; ++nth) {
    store_.way().Fail("Deliver", When::kBefore, absl::UnavailableError("restarting"), nth);
  }
  const absl::Status status = Deliver(EnvelopeTo({kUser}), "x\r\n", {.patience = kPatience});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(store_.way().calls("Deliver"), 4);
  EXPECT_THAT(failures_.seen,
              ElementsAre("Deliver UNAVAILABLE", "Deliver UNAVAILABLE", "Deliver UNAVAILABLE"));
}

TEST_F(SmtpApiTest, ALostAnswerStoresNothingTwice) {
  store_.way().Fail("Deliver", When::kAfter, absl::UnavailableError("lost"));
  EXPECT_TRUE(Deliver(EnvelopeTo({kUser}), "x\r\n", {.patience = kPatience}).ok());
  // So does a commit that fails only for who waits for it.
  store_.engine().Fail("Messages.Append", FaultyEngine::When::kAfter, absl::UnavailableError("lost"));
  EXPECT_TRUE(Deliver(EnvelopeTo({kUser}, "fedcba9876543210"), "y\r\n", {.patience = kPatience}).ok());
  EXPECT_THAT(store_.Messages(kUser), SizeIs(2));
}

TEST_F(SmtpApiTest, GivesUpWhenPatienceEnds) {
  store_.way().SetAway(absl::UnavailableError("gone"));
  EXPECT_EQ(Deliver(EnvelopeTo({kUser}), "x\r\n"), absl::UnavailableError("gone"));
  EXPECT_EQ(store_.way().calls("Deliver"), 1);
  EXPECT_EQ(Deliver(EnvelopeTo({kUser}), "x\r\n", {.patience = absl::Milliseconds(150)}),
            absl::UnavailableError("gone"));
  EXPECT_EQ(store_.way().calls("Deliver"), 4);
}

TEST_F(SmtpApiTest, AnAnswerIsNotTriedAgain) {
  store_.engine().Fail("Messages.Append", FaultyEngine::When::kBefore,
                       WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull));
  const absl::Status full = Deliver(EnvelopeTo({kUser}), "x\r\n", {.patience = kPatience});
  EXPECT_EQ(ReasonOf(full), kReasonDiskFull);
  EXPECT_EQ(store_.way().calls("Deliver"), 1);
  EXPECT_THAT(failures_.seen, IsEmpty());
  ASSERT_TRUE(Deliver(EnvelopeTo({kUser}), "x\r\n").ok());
  EXPECT_EQ(ReasonOf(Deliver(EnvelopeTo({kUser}), "another\r\n", {.patience = kPatience})),
            kReasonDeliveryIdReused);
}

TEST_F(SmtpApiTest, ASlowStoreIsWaitedForOnlySoLong) {
  store_.way().Hold("Deliver");
  EXPECT_TRUE(absl::IsDeadlineExceeded(Deliver(EnvelopeTo({kUser}), "x\r\n", {.timeout = absl::Seconds(5)})));
  EXPECT_THAT(failures_.seen, ElementsAre("Deliver DEADLINE_EXCEEDED"));
}

// ---- Deliveries whose answer is lost for good

constexpr absl::Duration kOutcomePatience = absl::Minutes(5);

class SettlingTest : public SmtpApiTest {
 protected:
  // As smtpd does it: the timeout of a try is as long as the patience, so that a try which hangs is the only one.
  const CallContext context_{.session_id = "s1",
                             .timeout = absl::Seconds(10),
                             .patience = absl::Seconds(10),
                             .outcome_patience = kOutcomePatience};
  const Envelope envelope_ = EnvelopeTo({kUser});
};

TEST_F(SettlingTest, WhatWasStoredIsOk) {
  store_.way().Hold("Deliver", When::kAfter);
  const absl::Time begin = time_.Now();
  const absl::Status status = Deliver(envelope_, "x\r\n", context_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(time_.Now() - begin, absl::Seconds(10));
  EXPECT_EQ(store_.way().calls("Deliver"), 1);
  EXPECT_THAT(store_.Messages(kUser), SizeIs(1));
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef stored"));
  EXPECT_EQ(store_.way().seen("SettleDelivery")[0].session_id, "s1");
}

TEST_F(SettlingTest, WhatWasNotIsVoidAndNeverStored) {
  store_.way().Hold("Deliver", When::kBefore);
  const absl::Status status = Deliver(envelope_, "x\r\n", context_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef void"));
  // The call comes to the store after all.
  const absl::Status late = Deliver(envelope_, "x\r\n");
  EXPECT_EQ(ReasonOf(late), kReasonDeliveryVoided) << late;
  EXPECT_THAT(store_.Messages(kUser), IsEmpty());
  EXPECT_THAT(failures_.settled, SizeIs(1));
}

TEST_F(SettlingTest, ACommitThatIsLateFails) {
  const auto way = store_.NewWay(test::FakeStore::TokenOf(stored::kSmtp));
  StoreApi slow(*way);
  store_.engine().Hold("Messages.Append", FaultyEngine::When::kBefore);
  const auto pending = Start(slow.Deliver(envelope_, "192.0.2.1", "x\r\n", "", {}));
  store_.engine().AwaitHeld("Messages.Append");
  // Another try of the same delivery, which has no answer.
  store_.way().Fail("Deliver", When::kBefore, absl::UnavailableError("lost"));
  EXPECT_TRUE(absl::IsUnavailable(Deliver(envelope_, "x\r\n", {.outcome_patience = kOutcomePatience})));
  EXPECT_THAT(failures_.settled, ElementsAre(" 0123456789abcdef void"));
  store_.engine().Release("Messages.Append");
  EXPECT_EQ(ReasonOf(Get(pending)), kReasonDeliveryVoided);
  EXPECT_THAT(store_.Messages(kUser), IsEmpty());
}

TEST_F(SettlingTest, WhatWasNeverSentIsGivenUpWithPatience) {
  store_.way().SetAway(rpc::NotSent(absl::UnavailableError("gone")));
  const absl::Time begin = time_.Now();
  const absl::Status status = Deliver(envelope_, "x\r\n", context_);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_LE(time_.Now() - begin, absl::Seconds(10));
  EXPECT_EQ(store_.way().calls("SettleDelivery"), 0);
  EXPECT_THAT(failures_.settled, IsEmpty());
}

TEST_F(SettlingTest, WhatWasPerhapsSentIsAskedForUntilTheStoreIsBack) {
  store_.way().Fail("Deliver", When::kAfter, absl::UnavailableError("killed"));
  const auto pending = Start(api_.Deliver(envelope_, "192.0.2.1", mail_, trace_, context_));
  ASSERT_TRUE(Until([&] { return store_.Messages(kUser).size() == 1 && time_.waiting_count() > 0; }));
  store_.way().SetAway(rpc::NotSent(absl::UnavailableError("gone")));
  const absl::Time begin = time_.Now();
  while (time_.Now() - begin < absl::Minutes(4)) {
    ASSERT_TRUE(Until([&] { return pending->has_value() || time_.waiting_count() > 0; }));
    ASSERT_FALSE(pending->has_value());
    time_.AdvanceToNext();
  }
  store_.way().SetAway(absl::OkStatus());
  time_.AdvanceToNext();
  EXPECT_TRUE(Get(pending).ok());
  EXPECT_THAT(store_.Messages(kUser), SizeIs(1));
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef stored"));
}

TEST_F(SettlingTest, AStoreThatStaysAwayLeavesItOpen) {
  store_.way().Fail("Deliver", When::kAfter, absl::UnavailableError("killed"));
  for (int nth = 1; nth <= 400; ++nth) {
    store_.way().Fail("SettleDelivery", When::kBefore, rpc::NotSent(absl::UnavailableError("gone")), nth);
  }
  for (int nth = 2; nth <= 100; ++nth) {
    store_.way().Fail("Deliver", When::kBefore, rpc::NotSent(absl::UnavailableError("gone")), nth);
  }
  const absl::Time begin = time_.Now();
  const absl::Status status = Deliver(envelope_, "x\r\n", context_);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef unknown"));
  EXPECT_GE(time_.Now() - begin, kOutcomePatience);
  // Clients wait for ten minutes.
  EXPECT_LE(time_.Now() - begin, kOutcomePatience + absl::Seconds(10));
}

TEST_F(SettlingTest, ALaterAnswerDoesNotSettleAnEarlierTry) {
  store_.way().Fail("Deliver", When::kBefore, absl::UnavailableError("lost"));
  store_.engine().Fail("Messages.Append", FaultyEngine::When::kBefore,
                       WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull));
  EXPECT_EQ(ReasonOf(Deliver(envelope_, "x\r\n", context_)), kReasonDiskFull);
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef void"));
  EXPECT_EQ(ReasonOf(Deliver(envelope_, "x\r\n", context_)), kReasonDeliveryVoided);
}

TEST_F(SettlingTest, AnAnswerNeedsNone) {
  store_.engine().Fail("Messages.Append", FaultyEngine::When::kBefore,
                       WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull));
  EXPECT_EQ(ReasonOf(Deliver(envelope_, "x\r\n", context_)), kReasonDiskFull);
  EXPECT_EQ(store_.way().calls("SettleDelivery"), 0);
}

TEST_F(SettlingTest, AnIdIsChecked) {
  fv1::SettleDeliveryRequest request;
  fv1::SettleDeliveryResponse response;
  const auto settle = [&] {
    return Get(
        store_.way().Call("mailstead.frontend.v1.DeliveryService/SettleDelivery", request, response, {}));
  };
  EXPECT_EQ(FieldOf(settle()), "delivery_id");
  request.set_delivery_id("0123456789abcdef");
  ASSERT_TRUE(settle().ok());
  EXPECT_EQ(response.outcome(), fv1::SettleDeliveryResponse::OUTCOME_VOID);
}

// ---- Large messages

class UploadTest : public SmtpApiTest {
 protected:
  std::unique_ptr<Upload> StartUpload(const std::vector<std::string>& recipients = {kUser}) {
    return api_.StartUpload(EnvelopeTo(recipients), "192.0.2.1", absl::Seconds(10),
                            {.session_id = "s1", .timeout = absl::Hours(1)});
  }
  const std::string piece_ = std::string(kPieceBytes - 2, 'x') + "\r\n";
};

TEST_F(UploadTest, StoresTheWhole) {
  const auto upload = StartUpload();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  const absl::Status status = Get(upload->Finish("end\r\n", "Received: by us\r\n"));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(
      store_.Messages(kUser),
      ElementsAre(EndsWith(absl::StrCat("Received: by us\r\n\r\n", piece_, piece_, piece_, "end\r\n"))));
  const std::vector<test::SeenCall> seen = store_.way().seen("Deliver");
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].session_id, "s1");
  ASSERT_THAT(seen[0].requests, SizeIs(4));
  EXPECT_TRUE(seen[0].As<fv1::DeliverRequest>(0).has_envelope());
  EXPECT_FALSE(seen[0].As<fv1::DeliverRequest>(1).has_envelope());
  EXPECT_EQ(seen[0].As<fv1::DeliverRequest>(0).client_address(), "192.0.2.1");
}

TEST_F(UploadTest, LeftEarlyNothingIsStored) {
  auto upload = StartUpload();
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  upload.reset();
  EXPECT_THAT(store_.Messages(kUser), IsEmpty());
}

TEST_F(UploadTest, TellsWhyTheStoreRefuses) {
  const auto upload = StartUpload({"nobody@example.test"});
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = Get(upload->Write(piece_));
  if (status.ok()) status = Get(upload->Finish("end\r\n", ""));
  EXPECT_EQ(ReasonOf(status), kReasonRecipientUnknown) << status;
}

TEST_F(UploadTest, TellsOfAFailureAtTheEnd) {
  store_.engine().Fail("Messages.Append", FaultyEngine::When::kBefore,
                       WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull));
  const auto upload = StartUpload();
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  EXPECT_EQ(ReasonOf(Get(upload->Finish("end\r\n", ""))), kReasonDiskFull);
  EXPECT_THAT(store_.Messages(kUser), IsEmpty());
}

TEST_F(UploadTest, ATornStreamStoresNothing) {
  store_.way().Tear("Deliver", /*messages=*/2);
  const auto upload = StartUpload();
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  EXPECT_TRUE(absl::IsUnavailable(Get(upload->Write(piece_))));
  EXPECT_THAT(store_.Messages(kUser), IsEmpty());
}

TEST_F(UploadTest, ALostAnswerIsAskedFor) {
  store_.way().Fail("Deliver", When::kAfter, absl::UnavailableError("lost"));
  const auto upload = StartUpload();
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  EXPECT_TRUE(Get(upload->Finish("end\r\n", "")).ok());
  EXPECT_THAT(store_.Messages(kUser), SizeIs(1));
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef stored"));
}

TEST_F(UploadTest, AnEndThatWasLostIsVoid) {
  // Two pieces reach the store, the last one does not.
  store_.way().Tear("Deliver", /*messages=*/2);
  const auto upload = StartUpload();
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  EXPECT_TRUE(absl::IsUnavailable(Get(upload->Finish("end\r\n", ""))));
  EXPECT_THAT(failures_.settled, ElementsAre("s1 0123456789abcdef void"));
  EXPECT_EQ(ReasonOf(Deliver(EnvelopeTo({kUser}), "late\r\n")), kReasonDeliveryVoided);
  EXPECT_THAT(store_.Messages(kUser), IsEmpty());
}

TEST_F(UploadTest, WhatBreaksBeforeTheEndNeedsNoSettling) {
  store_.way().Tear("Deliver", /*messages=*/1);
  const auto upload = StartUpload();
  ASSERT_TRUE(Get(upload->Write(piece_)).ok());
  EXPECT_TRUE(absl::IsUnavailable(Get(upload->Write(piece_))));
  EXPECT_EQ(store_.way().calls("SettleDelivery"), 0);
}

TEST_F(UploadTest, EachPieceIsWaitedForOnlySoLong) {
  for (const When when : {When::kBefore, When::kAfter}) {
    store_.way().Hold("Deliver", when);
    const auto upload = StartUpload();
    const absl::Time begin = time_.Now();
    Pending<absl::Status> step = Start(upload->Write(piece_));
    if (when == When::kAfter) {
      ASSERT_TRUE(Get(step).ok());
      step = Start(upload->Finish("end\r\n", ""));
    }
    ASSERT_TRUE(Until([&] { return store_.way().held_count("Deliver") == 1; }));
    ASSERT_TRUE(time_.AdvanceToNext());
    const absl::Status status = Get(step);
    EXPECT_EQ(time_.Now() - begin, absl::Seconds(10));
    if (when == When::kBefore) {
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    } else {
      // The store has it, or it is void.
      EXPECT_EQ(status.ok(), !store_.Messages(kUser).empty()) << status;
    }
  }
}

// ---- Logins

class LoginTest : public StoreApiTest {
 protected:
  LoginTest() : StoreApiTest(stored::kPop) {}

  static sasl::Start Plain(const std::string& user, const std::string& password) {
    return {.mechanism = "PLAIN",
            .initial_response = sasl::PlainMessage(user, password),
            .client_address = "192.0.2.1"};
  }
  absl::StatusOr<LoginStep> LogIn(sasl::Start start, std::optional<MaildropRequest> maildrop = std::nullopt,
                                  CallContext context = {.session_id = "s1"}) {
    const auto login = api_.StartLogin(std::move(context));
    return GetLater(login->Begin(std::move(start), std::move(maildrop)));
  }
};

TEST_F(LoginTest, PlainInOneCall) {
  const auto step = LogIn(Plain(kUser, "secret"));
  ASSERT_TRUE(step.ok()) << step.status();
  const LoggedIn& login = std::get<LoggedIn>(*step);
  EXPECT_EQ(login.address, kUser);
  EXPECT_EQ(login.account, demo_);
  EXPECT_FALSE(login.grant.empty());
  EXPECT_TRUE(absl::IsNotFound(login.maildrop.status()));
  const auto request = store_.way().seen("Authenticate")[0].As<fv1::AuthenticateRequest>();
  EXPECT_EQ(request.start().mechanism(), "PLAIN");
  EXPECT_EQ(request.start().initial_response(), sasl::PlainMessage(kUser, "secret"));
  EXPECT_EQ(request.start().client_address(), "192.0.2.1");
  EXPECT_FALSE(request.start().has_maildrop());
  EXPECT_EQ(store_.way().seen("Authenticate")[0].session_id, "s1");
}

TEST_F(LoginTest, TellsRefusals) {
  store_.AddAccount("off@example.test", "secret");
  store_.SetDisabled("off@example.test", true);
  const auto verdict = [&](sasl::Start start) {
    const auto step = LogIn(std::move(start));
    EXPECT_TRUE(step.ok()) << step.status();
    return std::get<sasl::Verdict>(*step);
  };
  EXPECT_EQ(verdict(Plain(kUser, "wrong")), sasl::Verdict::kInvalidCredentials);
  EXPECT_EQ(verdict(Plain("nobody@example.test", "x")), sasl::Verdict::kInvalidCredentials);
  EXPECT_EQ(verdict(Plain("off@example.test", "secret")), sasl::Verdict::kDisabled);
  EXPECT_EQ(verdict({.mechanism = "PLAIN", .initial_response = "nonsense", .client_address = "192.0.2.1"}),
            sasl::Verdict::kMalformed);
  EXPECT_EQ(verdict({.mechanism = "DIGEST-MD5", .client_address = "192.0.2.1"}),
            sasl::Verdict::kUnsupportedMechanism);
}

TEST_F(LoginTest, TellsTroubleFromRefusal) {
  store_.way().Fail("Authenticate", When::kBefore, absl::UnavailableError("disk"));
  EXPECT_EQ(LogIn(Plain(kUser, "secret")).status(), absl::UnavailableError("disk"));
}

TEST_F(LoginTest, ChallengesAndResponses) {
  const auto login = api_.StartLogin({.session_id = "s1"});
  auto step = Get(login->Begin({.mechanism = "LOGIN", .client_address = "192.0.2.1"}, std::nullopt));
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_THAT(std::get<Challenge>(*step).bytes, HasSubstr("ser"));
  step = Get(login->Respond(kUser));
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_THAT(std::get<Challenge>(*step).bytes, HasSubstr("assword"));
  step = Get(login->Respond("secret"));
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(std::get<LoggedIn>(*step).account, demo_);
}

TEST_F(LoginTest, TheBeginningIsTriedAgain) {
  for (const char* mechanism : {"PLAIN", "LOGIN"}) {
    store_.way().Fail("Authenticate", When::kBefore, absl::UnavailableError("restarting"));
    sasl::Start start = Plain(kUser, "secret");
    start.mechanism = mechanism;
    if (start.mechanism == "LOGIN") start.initial_response.reset();
    const auto step = LogIn(start, std::nullopt, {.session_id = "s1", .patience = kPatience});
    EXPECT_TRUE(step.ok()) << mechanism << step.status();
  }
  EXPECT_THAT(failures_.seen, ElementsAre("Authenticate UNAVAILABLE", "Authenticate UNAVAILABLE"));
}

TEST_F(LoginTest, ATornExchangeIsTrouble) {
  store_.way().Tear("Authenticate", /*messages=*/3);
  const auto login = api_.StartLogin({});
  ASSERT_TRUE(Get(login->Begin({.mechanism = "LOGIN", .client_address = "192.0.2.1"}, std::nullopt)).ok());
  EXPECT_TRUE(absl::IsUnavailable(Get(login->Respond(kUser)).status()));
}

// Answers every call with the same.
class OneAnswer : public rpc::Transport {
 public:
  explicit OneAnswer(std::string bytes) : bytes_(std::move(bytes)) {}
  asio::awaitable<absl::Status> Call(absl::string_view, const google::protobuf::MessageLite&,
                                     google::protobuf::MessageLite& response, rpc::CallOptions) override {
    response.ParseFromString(bytes_);
    co_return absl::OkStatus();
  }
  std::unique_ptr<rpc::CallStream> Open(absl::string_view, rpc::CallOptions) override { return nullptr; }

 private:
  const std::string bytes_;
};

TEST_F(LoginTest, AVerdictOfANewerStoreIsNoRefusal) {
  fv1::AuthenticateResponse response;
  response.mutable_verdict()->set_result(fv1::Verdict::RESULT_UNSPECIFIED);
  OneAnswer way(response.SerializeAsString());
  StoreApi api(way);
  const auto login = api.StartLogin({});
  EXPECT_TRUE(absl::IsUnavailable(Get(login->Begin(Plain(kUser, "secret"), std::nullopt)).status()));
}

TEST_F(LoginTest, AMaildropWithoutATokenIsNone) {
  OneAnswer way(fv1::OpenMaildropResponse().SerializeAsString());
  StoreApi api(way);
  EXPECT_EQ(Get(api.OpenMaildrop("grant", {}, {})).status().code(), absl::StatusCode::kInternal);
}

// ---- Role pop

class PopApiTest : public LoginTest {
 protected:
  PopApiTest() { EXPECT_TRUE(Get(api_.RenewLease(kLease, "host pop3d 1", absl::Seconds(30), {})).ok()); }

  absl::StatusOr<LoggedIn> LogInAndOpen(const std::string& session, const std::string& known_version = "") {
    const auto step =
        LogIn(Plain(kUser, "secret"), MaildropRequest{.lease_id = kLease, .known_version = known_version},
              {.session_id = session});
    if (!step.ok()) return step.status();
    return std::get<LoggedIn>(*step);
  }
  // The grant of a session that does not hold the maildrop.
  std::string GrantOf(const std::string& session) {
    const auto step = LogIn(Plain(kUser, "secret"), std::nullopt, {.session_id = session});
    EXPECT_TRUE(step.ok()) << step.status();
    if (!step.ok()) return "";
    return std::get<LoggedIn>(*step).grant;
  }
};

TEST_F(PopApiTest, AHeartbeatWaitsBehindNothingAndIsNotRepeated) {
  store_.way().Fail("RenewLease", When::kBefore, absl::UnavailableError("away"));
  EXPECT_EQ(Get(api_.RenewLease(kLease, "host pop3d 1", absl::Seconds(30), {.patience = absl::Minutes(1)}))
                .status(),
            absl::UnavailableError("away"));
  ASSERT_TRUE(LogInAndOpen("one").ok());
  const std::vector<test::SeenCall> renewals = store_.way().seen("RenewLease");
  ASSERT_THAT(renewals, SizeIs(2));
  EXPECT_TRUE(renewals[1].apart);
  EXPECT_FALSE(store_.way().seen("Authenticate")[0].apart);
}

TEST_F(PopApiTest, LeasesAreRenewedAndEnded) {
  ASSERT_THAT(store_.Leases(), SizeIs(1));
  EXPECT_EQ(store_.Leases()[0].holder, "host pop3d 1");
  EXPECT_TRUE(Get(api_.EndLease(kLease, {})).ok());
  EXPECT_THAT(store_.Leases(), IsEmpty());
}

// What points into `entries`.
std::vector<MaildropEntry> All(const MaildropEntries& entries) {
  std::vector<MaildropEntry> all;
  entries.ForEach([&all](const MaildropEntry& entry) { all.push_back(entry); });
  return all;
}

TEST_F(PopApiTest, ALoginBringsTheMaildrop) {
  const MessageId first = store_.AddMessage(kUser, "one\r\n", "uid-one");
  const MessageId second = store_.AddMessage(kUser, "three\r\n", "uid-two");
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok()) << login.status();
  ASSERT_TRUE(login->maildrop.ok()) << login->maildrop.status();
  const OpenedMaildrop& maildrop = *login->maildrop;
  EXPECT_FALSE(maildrop.token.empty());
  EXPECT_FALSE(maildrop.since_known_version);
  const std::vector<MaildropEntry> entries = All(maildrop.entries);
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[0].id, first);
  EXPECT_EQ(entries[0].unique_id, "uid-one");
  EXPECT_EQ(entries[0].size_bytes, 5);
  EXPECT_EQ(entries[1].id, second);
  EXPECT_EQ(entries[1].unique_id, "uid-two");
  EXPECT_EQ(maildrop.entries.size(), 2u);
  EXPECT_EQ(maildrop.entries.unique_id_bytes(), 14u);
  EXPECT_EQ(maildrop.message_count, 2u);
  EXPECT_EQ(maildrop.next_page_token, "");
  EXPECT_TRUE(store_.IsLocked(kUser));
  // Another session is told why it got none, and has logged in all the same.
  const auto other = LogInAndOpen("s2");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(ReasonOf(other->maildrop.status()), kReasonMaildropInUse);
}

TEST_F(PopApiTest, AKnownListingIsMadeOfWhatCameAndWent) {
  const MessageId gone = store_.AddMessage(kUser, "one\r\n");
  store_.AddMessage(kUser, "two\r\n");
  const auto first = LogInAndOpen("s1");
  ASSERT_TRUE(first.ok() && first->maildrop.ok());
  const auto committed =
      Get(api_.CommitMaildrop(first->grant, first->maildrop->token, {gone}, {.session_id = "s1"}));
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->deleted_count, 1);
  const MessageId fresh = store_.AddMessage(kUser, "three\r\n");
  const auto second = LogInAndOpen("s2", first->maildrop->version);
  ASSERT_TRUE(second.ok() && second->maildrop.ok());
  EXPECT_TRUE(second->maildrop->since_known_version);
  EXPECT_THAT(second->maildrop->removed, ElementsAre(gone));
  const std::vector<MaildropEntry> entries = All(second->maildrop->entries);
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].id, fresh);
  EXPECT_EQ(second->maildrop->message_count, 2u);
}

TEST_F(PopApiTest, OpensWhatALoginDidNot) {
  store_.AddMessage(kUser, "one\r\n");
  const std::string grant = GrantOf("s1");
  const auto opened = Get(
      api_.OpenMaildrop(grant, {.lease_id = kLease, .client_address = "192.0.2.7"}, {.session_id = "s1"}));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(store_.way().seen("OpenMaildrop")[0].As<fv1::OpenMaildropRequest>().client_address(),
            "192.0.2.7");
  EXPECT_EQ(opened->entries.size(), 1u);
  // A repeat gives the same lock.
  const auto again = Get(api_.OpenMaildrop(grant, {.lease_id = kLease}, {.session_id = "s1"}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->token, opened->token);
  EXPECT_EQ(
      ReasonOf(Get(api_.OpenMaildrop(GrantOf("s2"), {.lease_id = "of-nobody-at-all"}, {.session_id = "s2"}))
                   .status()),
      kReasonNoLease);
}

TEST_F(PopApiTest, LoginsThatHaveEndedSayWhy) {
  const std::string by_operator = GrantOf("s1");
  store_.EndSession(kUser, "s1");
  std::vector<std::string> grants = {"no grant", GrantOf("s2"), by_operator};
  const auto ended = Get(api_.CheckLogins(std::move(grants), {}));
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(*ended, (std::vector<EndedLogin>{{0, LoginEnd::kAccountChanged}, {2, LoginEnd::kSessionEnded}}));
}

TEST_F(PopApiTest, ALostAnswerOfOpenIsHarmless) {
  store_.way().Fail("OpenMaildrop", When::kAfter, absl::UnavailableError("lost"));
  const std::string grant = GrantOf("s1");
  const auto opened =
      GetLater(api_.OpenMaildrop(grant, {.lease_id = kLease}, {.session_id = "s1", .patience = kPatience}));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(store_.way().calls("OpenMaildrop"), 2);
  EXPECT_TRUE(Get(api_.ReleaseMaildrop(grant, {.session_id = "s1"})).ok());
  EXPECT_FALSE(store_.IsLocked(kUser));
}

TEST_F(PopApiTest, LongListingsComeInPages) {
  for (size_t i = 0; i < kMaildropPageEntries + 2; ++i) store_.AddMessage(kUser, "x\r\n");
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok() && login->maildrop.ok());
  EXPECT_EQ(login->maildrop->entries.size(), kMaildropPageEntries);
  EXPECT_EQ(login->maildrop->message_count, kMaildropPageEntries + 2);
  ASSERT_NE(login->maildrop->next_page_token, "");
  const auto page = Get(api_.ListMaildrop(login->grant, login->maildrop->next_page_token,
                                          kMaxMaildropPageEntries, {.session_id = "s1"}));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->next_page_token, "");
  const auto one =
      Get(api_.ListMaildrop(login->grant, login->maildrop->next_page_token, 1, {.session_id = "s1"}));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->entries.size(), 1u);
  EXPECT_NE(one->next_page_token, "");
}

TEST_F(PopApiTest, FetchesSmallMessagesTogether) {
  std::vector<MessageId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(store_.AddMessage(kUser, absl::StrCat("message ", i, "\r\n")));
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok());
  std::vector<MessageId> asked = {ids[3], MessageId{999}, ids[0]};
  const auto messages = Get(api_.FetchMessages(login->grant, asked, {.session_id = "s1"}));
  ASSERT_THAT(messages, SizeIs(3));
  ASSERT_TRUE(messages[0].ok()) << messages[0].status();
  EXPECT_EQ(messages[0]->content, "message 3\r\n");
  EXPECT_EQ(messages[0]->delivery_id, store_.List(kUser)[3].delivery_id);
  EXPECT_TRUE(absl::IsNotFound(messages[1].status())) << messages[1].status();
  EXPECT_EQ(messages[2]->content, "message 0\r\n");
}

TEST_F(PopApiTest, FetchesAgainOnlyWhatFailed) {
  std::vector<MessageId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(store_.AddMessage(kUser, absl::StrCat("message ", i, "\r\n")));
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok());
  store_.way().Fail("FetchMessage", When::kBefore, absl::UnavailableError("away"), /*nth=*/2);
  const auto messages =
      GetLater(api_.FetchMessages(login->grant, ids, {.session_id = "s1", .patience = kPatience}));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(messages[i].ok()) << messages[i].status();
    EXPECT_EQ(messages[i]->content, absl::StrCat("message ", i, "\r\n"));
  }
  EXPECT_EQ(store_.way().calls("FetchMessage"), 4);
  EXPECT_THAT(failures_.seen, ElementsAre("FetchMessage UNAVAILABLE"));
}

absl::StatusOr<std::string> ReadAll(const std::function<absl::StatusOr<bool>(std::string&)>& read) {
  std::string whole;
  while (true) {
    std::string piece = "untouched";
    const absl::StatusOr<bool> more = read(piece);
    if (!more.ok()) return more.status();
    if (!*more) {
      EXPECT_EQ(piece, "untouched");
      return whole;
    }
    EXPECT_LE(piece.size(), kPieceBytes);
    EXPECT_FALSE(piece.empty());
    whole.append(piece);
  }
}

TEST_F(PopApiTest, DownloadsALargeMessage) {
  const std::string content = std::string(200'000, 'x') + "\r\n";
  const MessageId id = store_.AddMessage(kUser, content);
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok());
  const auto download = api_.FetchMessage(login->grant, id, {.session_id = "s1"});
  const auto whole = ReadAll([&](std::string& piece) { return Get(download->Read(piece)); });
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(*whole, content);
  EXPECT_EQ(download->delivery_id(), store_.List(kUser)[0].delivery_id);
}

TEST_F(PopApiTest, ADownloadTellsOfDamageAndOfTheWay) {
  const MessageId id = store_.AddMessage(kUser, std::string(200'000, 'x'));
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok());
  store_.engine().Fail("MessageReader.Read", FaultyEngine::When::kBefore, absl::DataLossError("damaged"), 2);
  auto download = api_.FetchMessage(login->grant, id, {.session_id = "s1"});
  EXPECT_EQ(ReadAll([&](std::string& piece) { return Get(download->Read(piece)); }).status().code(),
            absl::StatusCode::kDataLoss);
  // One request and one response.
  store_.way().Tear("FetchMessage", /*messages=*/2);
  download = api_.FetchMessage(login->grant, id, {.session_id = "s1"});
  std::string piece;
  ASSERT_TRUE(Get(download->Read(piece)).ok());
  EXPECT_TRUE(absl::IsUnavailable(Get(download->Read(piece)).status()));
}

TEST_F(PopApiTest, ACommitDeletesOnce) {
  const MessageId id = store_.AddMessage(kUser, "one\r\n");
  store_.AddMessage(kUser, "two\r\n");
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok() && login->maildrop.ok());
  // The answer is lost, and so is that of the engine.
  store_.way().Fail("CommitMaildrop", When::kAfter, absl::UnavailableError("lost"));
  store_.engine().Fail("Maildrops.Commit", FaultyEngine::When::kAfter, absl::UnavailableError("lost"), 2);
  const auto committed = GetLater(api_.CommitMaildrop(login->grant, login->maildrop->token, {id},
                                                      {.session_id = "s1", .patience = kPatience}));
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_THAT(store_.Messages(kUser), ElementsAre("two\r\n"));
  EXPECT_FALSE(store_.IsLocked(kUser));
}

TEST_F(PopApiTest, AFencedCommitIsNoAnswerWhereAnEarlierTryMayHaveCommitted) {
  const MessageId id = store_.AddMessage(kUser, "one\r\n");
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok() && login->maildrop.ok());
  store_.way().Fail("CommitMaildrop", When::kAfter, absl::UnavailableError("lost"));
  store_.way().Fail("CommitMaildrop", When::kBefore, WithReason(absl::AbortedError("fenced"), kReasonFenced),
                    2);
  const auto committed = GetLater(api_.CommitMaildrop(login->grant, login->maildrop->token, {id},
                                                      {.session_id = "s1", .patience = kPatience}));
  EXPECT_TRUE(absl::IsUnavailable(committed.status())) << committed.status();
  EXPECT_EQ(ReasonOf(committed.status()), "");
}

TEST_F(PopApiTest, ACommitThatTookTooLongIsAskedForAgain) {
  const MessageId id = store_.AddMessage(kUser, "one\r\n");
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok() && login->maildrop.ok());
  store_.way().Hold("CommitMaildrop", When::kAfter);
  const auto committed = GetLater(api_.CommitMaildrop(login->grant, login->maildrop->token, {id},
                                                      {.session_id = "s1",
                                                       .timeout = absl::Seconds(30),
                                                       .patience = absl::Seconds(20),
                                                       .outcome_patience = absl::Minutes(1)}));
  EXPECT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(store_.way().calls("CommitMaildrop"), 2);
}

TEST_F(PopApiTest, AFencedCommitIsAnAnswer) {
  store_.AddMessage(kUser, "one\r\n");
  const auto login = LogInAndOpen("s1");
  ASSERT_TRUE(login.ok() && login->maildrop.ok());
  const auto committed = GetLater(api_.CommitMaildrop(login->grant, "no token", {MessageId{1}},
                                                      {.session_id = "s1", .patience = kPatience}));
  EXPECT_FALSE(committed.ok());
  EXPECT_EQ(store_.way().calls("CommitMaildrop"), 1);
  EXPECT_THAT(store_.Messages(kUser), SizeIs(1));
}

// ---- Every other method

class OperatorApiTest : public StoreApiTest {
 protected:
  OperatorApiTest() : StoreApiTest(stored::kOperator) {}
};

TEST_F(OperatorApiTest, CallsByName) {
  v1::GetAccountRequest request;
  request.set_account(kUser);
  const auto account = Get(api_.Call(kGetAccount, request, {}));
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->account_id(), absl::StrCat(demo_.value));
  request.set_account("nobody@example.test");
  EXPECT_TRUE(absl::IsNotFound(Get(api_.Call(kGetAccount, request, {})).status()));
}

TEST_F(OperatorApiTest, ABlockingStoreWaits) {
  BlockingStore blocking(store_.way());
  v1::GetDomainRequest request;
  request.set_name("example.test");
  const auto domain = blocking.Call(kGetDomain, request, {});
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(domain->name(), "example.test");

  store_.AddMessage(kUser, "one\r\n");
  auto stream = blocking.api().Open(kVerifyMessages, {});
  ASSERT_TRUE(blocking.Run(stream.Write(v1::VerifyMessagesRequest(), /*last=*/true)).ok());
  v1::VerifyMessagesResponse response;
  absl::StatusOr<bool> more = true;
  while (!response.has_summary()) {
    more = blocking.Run(stream.Read(response));
    ASSERT_TRUE(more.ok() && *more) << more.status();
  }
  EXPECT_EQ(response.summary().checked_count(), 1);
  more = blocking.Run(stream.Read(response));
  EXPECT_TRUE(more.ok() && !*more) << more.status();
}

}  // namespace
}  // namespace mailstead::store
