#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "mailstead/store/v1/exchange.grpc.pb.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/service/service_fixture.h"

namespace mailstead::store {
namespace {

using Call = v1::ExchangeCall;
using Answer = v1::ExchangeAnswer;

constexpr char kUser[] = "a@example.test";
constexpr char kPassword[] = "correct horse";
constexpr char kId[] = "0123456789abcdef";
constexpr char kLease[] = "lease-of-the-test";

// The caller's end of a stream.
class Caller {
 public:
  Caller(v1::ExchangeService::Stub& stub, std::unique_ptr<grpc::ClientContext> context)
      : context_(std::move(context)), stream_(stub.Exchange(context_.get())) {}

  // Several in one message. Gives the id of the first; the others count up from it.
  uint64_t Send(std::vector<Call> calls) {
    const uint64_t first = next_id_;
    v1::ExchangeRequest request;
    for (Call& call : calls) {
      call.set_call_id(next_id_++);
      *request.add_calls() = std::move(call);
    }
    stream_->Write(request);
    return first;
  }
  // The parts of a listing are joined.
  Answer Await(uint64_t id) {
    v1::ExchangeResponse response;
    while (answers_.count(id) == 0 && stream_->Read(&response)) {
      ++responses_read_;
      for (const Answer& part : response.answers()) {
        Answer& so_far = parts_[part.call_id()];
        so_far.MergeFrom(part);
        ++part_counts_[part.call_id()];
        if (part.more()) continue;
        EXPECT_EQ(answers_.count(part.call_id()), 0u) << "answered twice";
        answers_[part.call_id()] = std::move(so_far);
      }
    }
    EXPECT_EQ(answers_.count(id), 1u) << "no answer";
    return answers_[id];
  }
  Answer Ask(Call call) { return Await(Send({std::move(call)})); }
  // OK, or the error of the call.
  absl::Status Try(Call call) { return rpc::FromProto(Ask(std::move(call)).error()); }

  void HalfClose() { stream_->WritesDone(); }
  void Cancel() { context_->TryCancel(); }
  // Nothing more comes; why not.
  absl::Status End() {
    v1::ExchangeResponse response;
    EXPECT_FALSE(stream_->Read(&response)) << response.ShortDebugString();
    return rpc::FromGrpc(stream_->Finish());
  }
  // Whatever else comes is passed over.
  absl::Status EndAtLast() {
    v1::ExchangeResponse response;
    while (stream_->Read(&response)) {
    }
    return rpc::FromGrpc(stream_->Finish());
  }

  int parts_of(uint64_t id) { return part_counts_[id]; }
  int responses_read() const { return responses_read_; }

 private:
  const std::unique_ptr<grpc::ClientContext> context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::ExchangeRequest, v1::ExchangeResponse>> stream_;
  uint64_t next_id_ = 1;
  int responses_read_ = 0;
  std::map<uint64_t, Answer> parts_;
  std::map<uint64_t, Answer> answers_;
  std::map<uint64_t, int> part_counts_;
};

// Keeps all threads of a pool busy until Release.
class BusyPool {
 public:
  BusyPool(WorkerPool& pool, int threads) : pool_(pool), left_(threads) {
    absl::BlockingCounter entered(threads);
    for (int i = 0; i < threads; ++i) {
      EXPECT_TRUE(pool_.Submit([this, &entered] {
        entered.DecrementCount();
        released_.WaitForNotification();
        left_.DecrementCount();
      }));
    }
    entered.Wait();
  }
  ~BusyPool() { Release(); }
  void Release() {
    if (released_.HasBeenNotified()) return;
    released_.Notify();
    left_.Wait();
  }

 private:
  WorkerPool& pool_;
  absl::Notification released_;
  absl::BlockingCounter left_;
};

Call Resolve(const std::string& address) {
  Call call;
  call.mutable_resolve_recipient()->set_address(address);
  return call;
}
Call CheckSender(const std::string& account, const std::string& sender) {
  Call call;
  call.mutable_check_sender()->set_account(account);
  call.mutable_check_sender()->set_sender(sender);
  return call;
}
Call DeliverCall(const v1::DeliverEnvelope& envelope, std::string content) {
  Call call;
  *call.mutable_deliver()->mutable_envelope() = envelope;
  call.mutable_deliver()->set_content(std::move(content));
  call.mutable_deliver()->set_last(true);
  return call;
}
Call LogIn(const std::string& user, const std::string& password) {
  Call call;
  v1::AuthenticateStart& start = *call.mutable_authenticate();
  start.set_mechanism("PLAIN");
  start.set_initial_response(
      absl::StrCat(absl::string_view("\0", 1), user, absl::string_view("\0", 1), password));
  start.set_client_address("192.0.2.1");
  start.set_service("pop");
  start.set_session_id("session");
  return call;
}
Call RenewLease(const std::string& lease_id, int seconds = 60) {
  Call call;
  call.mutable_renew_lease()->set_lease_id(lease_id);
  call.mutable_renew_lease()->set_holder("test");
  call.mutable_renew_lease()->mutable_ttl()->set_seconds(seconds);
  return call;
}
Call EndLease(const std::string& lease_id) {
  Call call;
  call.mutable_end_lease()->set_lease_id(lease_id);
  return call;
}
Call Open(uint64_t mailbox, const std::string& lease_id = kLease) {
  Call call;
  call.mutable_open_maildrop()->set_mailbox_id(mailbox);
  call.mutable_open_maildrop()->set_lease_id(lease_id);
  return call;
}
Call Fetch(uint64_t mailbox, uint64_t message, uint64_t offset = 0, uint64_t limit = 0) {
  Call call;
  call.mutable_fetch_message()->set_mailbox_id(mailbox);
  call.mutable_fetch_message()->set_message_id(message);
  call.mutable_fetch_message()->set_read_offset(offset);
  call.mutable_fetch_message()->set_read_limit(limit);
  return call;
}
Call Commit(uint64_t mailbox, uint64_t token, const std::vector<uint64_t>& ids = {}) {
  Call call;
  call.mutable_commit_maildrop()->set_mailbox_id(mailbox);
  call.mutable_commit_maildrop()->set_token(token);
  call.mutable_commit_maildrop()->mutable_message_ids()->Assign(ids.begin(), ids.end());
  return call;
}
Call Release(uint64_t mailbox, uint64_t token) {
  Call call;
  call.mutable_release_maildrop()->set_mailbox_id(mailbox);
  call.mutable_release_maildrop()->set_token(token);
  return call;
}

class ExchangeServiceTest : public ServiceTest {
 protected:
  // How many threads the fixture's disk pool has.
  static constexpr int kDiskThreads = 4;

  std::unique_ptr<Caller> Connect(absl::string_view token = kFrontendToken) {
    return std::make_unique<Caller>(*stub_, As(token, absl::Minutes(5)));
  }
  // Straight into the engine.
  void Store(int count, const std::string& content) {
    for (int i = 0; i < count; ++i) {
      Delivery delivery;
      delivery.delivery_id = absl::StrCat("stored ", ++stored_);
      delivery.recipients = {{MailboxId{mailbox_}, "a"}};
      engine_.AppendDelivery(delivery, content, "", [](absl::StatusOr<Receipt>) {});
    }
  }
  // Of a method, whatever came of them.
  int CallsCounted(absl::string_view method) {
    double count = 0;
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      for (const prometheus::ClientMetric& metric : family.metric) {
        for (const auto& label : metric.label) count += label.value == method ? metric.counter.value : 0;
      }
    }
    return static_cast<int>(count);
  }
  bool Locked() { return engine_.IsLocked(MailboxId{mailbox_}); }

  const uint64_t mailbox_ = AddAccount(kUser, kPassword);
  std::unique_ptr<v1::ExchangeService::Stub> stub_ = v1::ExchangeService::NewStub(channel_);
  int stored_ = 0;
};

// ---- The calls

TEST_F(ExchangeServiceTest, RecipientsAreResolved) {
  const auto caller = Connect();
  // The second time from memory.
  for (int i = 0; i < 2; ++i) {
    const Answer answer = caller->Ask(Resolve(kUser));
    EXPECT_FALSE(answer.has_error());
    EXPECT_EQ(answer.resolve_recipient().outcome(), v1::ResolveRecipientResponse::OUTCOME_LOCAL);
    EXPECT_THAT(answer.resolve_recipient().mailbox_ids(), testing::ElementsAre(mailbox_));
  }
  ASSERT_TRUE(directory_.DeleteAccount(kUser).ok());
  EXPECT_EQ(caller->Ask(Resolve(kUser)).resolve_recipient().outcome(),
            v1::ResolveRecipientResponse::OUTCOME_UNKNOWN);
  EXPECT_EQ(FieldOf(caller->Try(Resolve("@"))), "address");
}

TEST_F(ExchangeServiceTest, SendersAreChecked) {
  const auto caller = Connect();
  EXPECT_TRUE(caller->Ask(CheckSender(kUser, kUser)).check_sender().allowed());
  const Answer other = caller->Ask(CheckSender(kUser, "b@example.test"));
  EXPECT_TRUE(other.has_check_sender());
  EXPECT_FALSE(other.check_sender().allowed());
  EXPECT_EQ(FieldOf(caller->Try(CheckSender(kUser, "nobody"))), "sender");
  EXPECT_EQ(FieldOf(caller->Try(CheckSender("nobody", kUser))), "account");
}

TEST_F(ExchangeServiceTest, ADeliveryIsStoredOnce) {
  const auto caller = Connect();
  const std::string content("Subject: x\r\n\r\n.\r\nbare \r and \n and \0 too", 39);
  const v1::DeliverResponse first = caller->Ask(DeliverCall(EnvelopeTo(mailbox_, kId), content)).deliver();
  EXPECT_EQ(first.delivery_id(), kId);
  EXPECT_EQ(first.sha256(), Sha256(content));
  EXPECT_FALSE(first.already_stored());
  const v1::DeliverResponse second = caller->Ask(DeliverCall(EnvelopeTo(mailbox_, kId), content)).deliver();
  EXPECT_TRUE(second.already_stored());
  EXPECT_EQ(second.sha256(), first.sha256());
  EXPECT_EQ(engine_.delivery_count(), 1u);
  EXPECT_EQ(caller->Ask(Fetch(mailbox_, 1)).fetch_message().content(),
            absl::StrCat("Return-Path: <sender@elsewhere.test>\r\n", content));
}

TEST_F(ExchangeServiceTest, ADeliveryToAnAddressIsResolved) {
  const auto caller = Connect();
  v1::DeliverEnvelope envelope = EnvelopeTo(mailbox_, kId);
  envelope.mutable_recipients(0)->clear_mailbox_ids();
  envelope.mutable_recipients(0)->set_address("a+tag@example.test");
  EXPECT_TRUE(caller->Try(DeliverCall(envelope, "hello")).ok());
  EXPECT_EQ(engine_.delivery_count(), 1u);
  envelope.set_delivery_id("another-delivery");
  envelope.mutable_recipients(0)->set_address("nobody@example.test");
  EXPECT_TRUE(absl::IsNotFound(caller->Try(DeliverCall(envelope, "hello"))));
}

TEST_F(ExchangeServiceTest, WhatWasCommittedTogetherIsAnsweredTogether) {
  engine_.HoldReceipts();
  const std::unique_ptr<Caller> callers[] = {Connect(), Connect()};
  for (int c = 0; c < 2; ++c) {
    for (int i = 0; i < 3; ++i) {
      callers[c]->Send(
          {DeliverCall(EnvelopeTo(mailbox_, absl::StrCat("delivery-", c, "-", i, "-of-the-test")), "x")});
    }
  }
  ASSERT_TRUE(engine_.AwaitReceipts(6));
  GatherAnswers([&] { engine_.GiveReceipts(); });
  for (const auto& caller : callers) {
    for (uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(caller->Await(id).has_deliver());
    EXPECT_EQ(caller->responses_read(), 1);
  }
  // One that has gone meanwhile is passed over.
  engine_.HoldReceipts();
  callers[0]->Send({DeliverCall(EnvelopeTo(mailbox_, "delivery-of-one-that-goes"), "x")});
  callers[1]->Send({DeliverCall(EnvelopeTo(mailbox_, "delivery-of-one-that-stays"), "x")});
  ASSERT_TRUE(engine_.AwaitReceipts(2));
  callers[0]->Cancel();
  EXPECT_TRUE(absl::IsCancelled(callers[0]->EndAtLast()));
  GatherAnswers([&] { engine_.GiveReceipts(); });
  EXPECT_TRUE(callers[1]->Await(4).has_deliver());
}

TEST_F(ExchangeServiceTest, DeliveriesAreChecked) {
  const auto caller = Connect();
  Call call = DeliverCall(EnvelopeTo(mailbox_, kId), "x");
  call.mutable_deliver()->clear_envelope();
  EXPECT_EQ(FieldOf(caller->Try(call)), "envelope");
  call = DeliverCall(EnvelopeTo(mailbox_, kId), "x");
  call.mutable_deliver()->set_last(false);
  EXPECT_EQ(FieldOf(caller->Try(call)), "last");
  EXPECT_EQ(FieldOf(caller->Try(DeliverCall(EnvelopeTo(mailbox_, "short"), "x"))), "envelope.delivery_id");
  EXPECT_EQ(FieldOf(caller->Try(DeliverCall(EnvelopeTo(0, kId), "x"))), "envelope.recipients[0].mailbox_ids");
  EXPECT_TRUE(absl::IsNotFound(caller->Try(DeliverCall(EnvelopeTo(999, kId), "x"))));
  EXPECT_EQ(FieldOf(caller->Try(DeliverCall(EnvelopeTo(mailbox_, kId), std::string(65'537, 'x')))),
            "content");
  EXPECT_EQ(engine_.delivery_count(), 0u);
  EXPECT_TRUE(caller->Try(DeliverCall(EnvelopeTo(mailbox_, kId), std::string(65'536, 'x'))).ok());
}

TEST_F(ExchangeServiceTest, LoginsOfOneStep) {
  const auto caller = Connect();
  const v1::Verdict verdict = caller->Ask(LogIn(kUser, kPassword)).authenticate();
  EXPECT_EQ(verdict.result(), v1::Verdict::RESULT_OK);
  EXPECT_EQ(verdict.address(), kUser);
  EXPECT_EQ(verdict.mailbox_id(), mailbox_);

  Call call = LogIn(kUser, kPassword);
  call.mutable_authenticate()->clear_initial_response();
  EXPECT_EQ(FieldOf(caller->Try(call)), "mechanism") << "it needs another step";
  call = LogIn(kUser, kPassword);
  call.mutable_authenticate()->set_mechanism("LOGIN");
  call.mutable_authenticate()->set_initial_response(kUser);
  EXPECT_EQ(FieldOf(caller->Try(call)), "mechanism");
  call = LogIn(kUser, kPassword);
  call.mutable_authenticate()->set_client_address("here");
  EXPECT_EQ(FieldOf(caller->Try(call)), "start.client_address");
  call = LogIn(kUser, kPassword);
  call.mutable_authenticate()->set_service("imap");
  EXPECT_EQ(FieldOf(caller->Try(call)), "start.service");
}

TEST_F(ExchangeServiceTest, AWrongPasswordIsAnsweredLateAndTellsNothing) {
  const auto caller = Connect();
  const absl::Time begin = absl::Now();
  const uint64_t wrong = caller->Send({LogIn(kUser, "wrong")});
  // The others do not wait for it.
  EXPECT_TRUE(caller->Try(Resolve(kUser)).ok());
  const Answer verdict = caller->Await(wrong);
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(200));
  EXPECT_EQ(verdict.authenticate().result(), v1::Verdict::RESULT_INVALID_CREDENTIALS);
  EXPECT_EQ(verdict.authenticate().address(), "");
  EXPECT_EQ(verdict.authenticate().mailbox_id(), 0u);
  EXPECT_EQ(caller->Ask(LogIn("nobody@example.test", "wrong")).authenticate().SerializeAsString(),
            verdict.authenticate().SerializeAsString());
}

TEST_F(ExchangeServiceTest, AMaildropIsOpenedCommittedAndReleased) {
  Store(3, "hello");
  const auto caller = Connect();
  EXPECT_EQ(ReasonOf(caller->Try(Open(mailbox_))), kReasonNoLease);
  EXPECT_TRUE(caller->Try(RenewLease(kLease)).ok());
  const v1::OpenMaildropResponse opened = caller->Ask(Open(mailbox_)).open_maildrop();
  EXPECT_NE(opened.token(), 0u);
  ASSERT_EQ(opened.messages_size(), 3);
  EXPECT_EQ(opened.messages(2).message_id(), 3u);
  EXPECT_TRUE(Locked());
  EXPECT_EQ(ReasonOf(caller->Try(Open(mailbox_))), kReasonMaildropInUse);

  EXPECT_EQ(ReasonOf(caller->Try(Commit(mailbox_, opened.token() + 1, {2}))), kReasonFenced);
  EXPECT_TRUE(caller->Try(Commit(mailbox_, opened.token(), {2})).ok());
  EXPECT_TRUE(caller->Try(Commit(mailbox_, opened.token(), {2})).ok()) << "a repeat";
  EXPECT_FALSE(Locked());
  EXPECT_TRUE(absl::IsNotFound(caller->Try(Fetch(mailbox_, 2))));

  const v1::OpenMaildropResponse again = caller->Ask(Open(mailbox_)).open_maildrop();
  EXPECT_EQ(again.messages_size(), 2);
  EXPECT_TRUE(caller->Try(Release(mailbox_, again.token())).ok());
  EXPECT_FALSE(Locked());
  EXPECT_TRUE(caller->Try(EndLease(kLease)).ok());
  EXPECT_EQ(ReasonOf(caller->Try(Open(mailbox_))), kReasonNoLease);
}

TEST_F(ExchangeServiceTest, FieldsOfMaildropsAreChecked) {
  const auto caller = Connect();
  EXPECT_EQ(FieldOf(caller->Try(RenewLease("short"))), "lease_id");
  EXPECT_EQ(FieldOf(caller->Try(RenewLease(kLease, 61))), "ttl");
  EXPECT_EQ(FieldOf(caller->Try(EndLease("short"))), "lease_id");
  EXPECT_EQ(FieldOf(caller->Try(Open(0))), "mailbox_id");
  EXPECT_EQ(FieldOf(caller->Try(Open(mailbox_, "short"))), "lease_id");
  EXPECT_EQ(FieldOf(caller->Try(Commit(0, 1))), "mailbox_id");
  EXPECT_EQ(FieldOf(caller->Try(Commit(mailbox_, 0))), "token");
  EXPECT_EQ(FieldOf(caller->Try(Release(0, 1))), "mailbox_id");
  EXPECT_EQ(FieldOf(caller->Try(Release(mailbox_, 0))), "token");
  EXPECT_EQ(FieldOf(caller->Try(Fetch(0, 1))), "mailbox_id");
  EXPECT_EQ(FieldOf(caller->Try(Fetch(mailbox_, 0))), "message_id");
}

TEST_F(ExchangeServiceTest, AListingComesInParts) {
  Store(4001, "x");
  const auto caller = Connect();
  ASSERT_TRUE(caller->Try(RenewLease(kLease)).ok());
  const uint64_t id = caller->Send({Open(mailbox_)});
  const Answer opened = caller->Await(id);
  EXPECT_EQ(caller->parts_of(id), 3);
  ASSERT_EQ(opened.open_maildrop().messages_size(), 4001);
  for (int i = 0; i < 4001; ++i) ASSERT_EQ(opened.open_maildrop().messages(i).message_id(), i + 1u);
}

TEST_F(ExchangeServiceTest, FetchReadsRangesOfAtMost64KiB) {
  Store(1, std::string(65'536, 'x'));
  Store(1, std::string(65'537, 'y') + "END");
  const auto caller = Connect();
  EXPECT_EQ(caller->Ask(Fetch(mailbox_, 1)).fetch_message().content(), std::string(65'536, 'x'));
  EXPECT_EQ(FieldOf(caller->Try(Fetch(mailbox_, 2))), "read_limit");
  EXPECT_EQ(FieldOf(caller->Try(Fetch(mailbox_, 2, 0, 65'537))), "read_limit");
  EXPECT_EQ(caller->Ask(Fetch(mailbox_, 2, 0, 65'536)).fetch_message().content(), std::string(65'536, 'y'));
  EXPECT_EQ(caller->Ask(Fetch(mailbox_, 2, 65'537)).fetch_message().content(), "END");
  EXPECT_EQ(caller->Ask(Fetch(mailbox_, 2, 65'537, 2)).fetch_message().content(), "EN");
  const Answer at_end = caller->Ask(Fetch(mailbox_, 2, 65'540));
  EXPECT_FALSE(at_end.has_error());
  EXPECT_EQ(at_end.fetch_message().content(), "");
  EXPECT_TRUE(absl::IsOutOfRange(caller->Try(Fetch(mailbox_, 2, 65'541))));
  EXPECT_TRUE(absl::IsNotFound(caller->Try(Fetch(mailbox_, 3))));
}

TEST_F(ExchangeServiceTest, AnErrorIsOfItsCallOnly) {
  const auto caller = Connect();
  const uint64_t first = caller->Send({Resolve(kUser), Call(), Resolve("@"), CheckSender(kUser, kUser)});
  EXPECT_FALSE(caller->Await(first).has_error());
  const absl::Status unset = rpc::FromProto(caller->Await(first + 1).error());
  EXPECT_TRUE(absl::IsInvalidArgument(unset)) << unset;
  EXPECT_EQ(FieldOf(unset), "call");
  const Answer wrong = caller->Await(first + 2);
  EXPECT_TRUE(wrong.has_error());
  EXPECT_EQ(wrong.answer_case(), Answer::ANSWER_NOT_SET);
  EXPECT_FALSE(caller->Await(first + 3).has_error());

  engine_.FailWith(absl::UnavailableError("away"));
  EXPECT_TRUE(absl::IsUnavailable(caller->Try(CheckSender(kUser, kUser))));
  EXPECT_TRUE(absl::IsUnavailable(caller->Try(LogIn(kUser, kPassword))));
  engine_.FailWith(absl::OkStatus());
  EXPECT_TRUE(caller->Try(CheckSender(kUser, kUser)).ok());
  caller->Send({});
  EXPECT_TRUE(caller->Try(Resolve(kUser)).ok());
}

TEST_F(ExchangeServiceTest, AFullPoolIsBusy) {
  const auto caller = Connect();
  std::vector<uint64_t> ids;
  {
    BusyPool busy(disk_pool_, kDiskThreads);
    // The pool's queue has room for a hundred; what came together shares a task.
    for (int i = 0; i < 102; ++i) ids.push_back(caller->Send({CheckSender(kUser, kUser)}));
    EXPECT_TRUE(absl::IsResourceExhausted(rpc::FromProto(caller->Await(ids.back()).error())));
  }
  EXPECT_FALSE(caller->Await(ids.front()).has_error());
}

// ---- The stream

TEST_F(ExchangeServiceTest, IsForFrontEnds) {
  EXPECT_TRUE(absl::IsPermissionDenied(Connect(kOperatorToken)->End()));
  EXPECT_TRUE(absl::IsUnauthenticated(Connect("")->End()));
  EXPECT_TRUE(absl::IsUnauthenticated(Connect("wrong")->End()));
}

TEST_F(ExchangeServiceTest, WhatIsAskedByOneWithoutTheRoleDoesNotHappen) {
  const auto caller = Connect(kOperatorToken);
  caller->Send({DeliverCall(EnvelopeTo(mailbox_, kId), "x")});
  EXPECT_TRUE(absl::IsPermissionDenied(caller->End()));
  EXPECT_EQ(engine_.delivery_count(), 0u);
}

TEST_F(ExchangeServiceTest, ManyCallsAtOnceAreAllAnswered) {
  for (int i = 1; i <= 20; ++i) AddAccount(absl::StrCat("u", i, "@example.test"));
  const auto caller = Connect();
  std::vector<uint64_t> ids;
  for (int round = 0; round < 20; ++round) {
    std::vector<Call> calls;
    for (int i = 1; i <= 20; ++i) calls.push_back(CheckSender(kUser, absl::StrCat("u", i, "@example.test")));
    calls.push_back(CheckSender(kUser, kUser));
    ids.push_back(caller->Send(std::move(calls)));
  }
  for (const uint64_t first : ids) {
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(caller->Await(first + i).check_sender().allowed());
    EXPECT_TRUE(caller->Await(first + 20).check_sender().allowed());
  }
}

TEST_F(ExchangeServiceTest, ACallerThatReadsLateGetsAllThatItAskedFor) {
  // Much more than a stream may hold: the store stops reading, and goes on when answers go.
  Store(1, std::string(60'000, 'x'));
  const auto caller = Connect();
  std::vector<uint64_t> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(caller->Send(std::vector<Call>(100, Fetch(mailbox_, 1))));
  for (const uint64_t first : ids) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(caller->Await(first + i).fetch_message().content().size(), 60'000u);
    }
  }
}

TEST_F(ExchangeServiceTest, AMessageThatIsTooLargeEndsItsStream) {
  const auto caller = Connect();
  // The largest call of all fits: as many deletions as there may be, with ids of five bytes.
  std::vector<uint64_t> ids(kMaxCommitDeletions);
  std::iota(ids.begin(), ids.end(), uint64_t{1} << 32);
  EXPECT_EQ(ReasonOf(caller->Try(Commit(mailbox_, 1, ids))), kReasonFenced);
  caller->Send({Resolve(std::string(2 << 20, 'a'))});
  EXPECT_TRUE(absl::IsResourceExhausted(caller->End()));
  EXPECT_TRUE(Connect()->Try(Resolve(kUser)).ok());
}

TEST_F(ExchangeServiceTest, HalfCloseAnswersWhatWasTakenAndEndsInOrder) {
  const auto caller = Connect();
  EXPECT_TRUE(caller->Try(Resolve(kUser)).ok());
  BusyPool busy(disk_pool_, kDiskThreads);
  const uint64_t id = caller->Send({CheckSender(kUser, kUser)});
  caller->HalfClose();
  busy.Release();
  EXPECT_TRUE(caller->Await(id).check_sender().allowed());
  EXPECT_EQ(caller->End(), absl::OkStatus());

  const auto idle = Connect();
  idle->HalfClose();
  EXPECT_EQ(idle->End(), absl::OkStatus());
}

TEST_F(ExchangeServiceTest, AMaildropWhoseCallerLeftIsUnlocked) {
  // Enough that the listing does not fit in what gRPC takes before the caller reads.
  Store(40'000, "x");
  {
    const auto caller = Connect();
    ASSERT_TRUE(caller->Try(RenewLease(kLease)).ok());
    caller->Send({Open(mailbox_)});
    ASSERT_TRUE(Eventually([&] { return Locked(); }));
    caller->Cancel();
    EXPECT_TRUE(absl::IsCancelled(caller->EndAtLast()));
  }
  EXPECT_TRUE(Eventually([&] { return !Locked(); }));
}

TEST_F(ExchangeServiceTest, AMaildropThatWasAnsweredStaysLocked) {
  {
    const auto caller = Connect();
    ASSERT_TRUE(caller->Try(RenewLease(kLease)).ok());
    EXPECT_NE(caller->Ask(Open(mailbox_)).open_maildrop().token(), 0u);
    // So that the store has seen the answer go.
    EXPECT_TRUE(caller->Try(Resolve(kUser)).ok());
    caller->HalfClose();
    EXPECT_EQ(caller->End(), absl::OkStatus());
  }
  EXPECT_TRUE(Locked());
}

TEST_F(ExchangeServiceTest, WhatWaitsForACallerThatLeftIsNotBegun) {
  BusyPool busy(disk_pool_, kDiskThreads);
  {
    const auto caller = Connect();
    v1::DeliverEnvelope envelope = EnvelopeTo(mailbox_, kId);
    envelope.mutable_recipients(0)->clear_mailbox_ids();
    envelope.mutable_recipients(0)->set_address(kUser);
    const uint64_t first = caller->Send({DeliverCall(envelope, "x"), Call()});
    // It has been taken.
    EXPECT_TRUE(caller->Await(first + 1).has_error());
    caller->Cancel();
    EXPECT_TRUE(absl::IsCancelled(caller->EndAtLast()));
  }
  // The store ends the stream when it hears of that.
  ASSERT_TRUE(Eventually([&] {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      for (const prometheus::ClientMetric& metric : family.metric) {
        bool method = false;
        bool code = false;
        for (const auto& label : metric.label) {
          method = method || label.value == "ExchangeService/Exchange";
          code = code || label.value == "CANCELLED";
        }
        if (method && code && metric.counter.value == 1) return true;
      }
    }
    return false;
  }));
  busy.Release();
  // A task behind those that were queued.
  EXPECT_FALSE(Connect()->Ask(CheckSender(kUser, kUser)).has_error());
  EXPECT_EQ(engine_.delivery_count(), 0u);
}

TEST_F(ExchangeServiceTest, WhatIsNotBegunInTimeIsNotBegun) {
  const auto caller = Connect();
  Call hurried = CheckSender(kUser, kUser);
  hurried.set_timeout_ms(1);
  Call patient = CheckSender(kUser, kUser);
  patient.set_timeout_ms(absl::ToInt64Milliseconds(absl::Minutes(1)));
  uint64_t first;
  {
    BusyPool busy(disk_pool_, kDiskThreads);
    first = caller->Send({hurried, patient, Call()});
    // It has been taken.
    EXPECT_TRUE(caller->Await(first + 2).has_error());
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(rpc::FromProto(caller->Await(first).error())));
  EXPECT_TRUE(caller->Await(first + 1).check_sender().allowed());
}

// ---- The end

TEST_F(ExchangeServiceTest, DrainEndsIdleStreamsAtOnce) {
  const auto caller = Connect();
  EXPECT_TRUE(caller->Try(Resolve(kUser)).ok());
  const absl::Time begin = absl::Now();
  std::thread drain([this] { server_->Drain(absl::Minutes(2)); });
  EXPECT_TRUE(absl::IsUnavailable(caller->End()));
  drain.join();
  EXPECT_LT(absl::Now() - begin, absl::Minutes(1));
}

TEST_F(ExchangeServiceTest, DrainLetsCallsBeAnswered) {
  const auto idle = Connect();
  EXPECT_TRUE(idle->Try(Resolve(kUser)).ok());
  const auto caller = Connect();
  BusyPool busy(disk_pool_, kDiskThreads);
  const uint64_t first = caller->Send({CheckSender(kUser, kUser), Call()});
  EXPECT_TRUE(caller->Await(first + 1).has_error()) << "they have been taken";
  std::thread drain([this] { server_->Drain(absl::Minutes(2)); });
  EXPECT_TRUE(absl::IsUnavailable(idle->End()));
  busy.Release();
  EXPECT_TRUE(caller->Await(first).check_sender().allowed());
  EXPECT_TRUE(absl::IsUnavailable(caller->End()));
  drain.join();
}

TEST_F(ExchangeServiceTest, AServerThatEndsAtOnceWaitsForItsCalls) {
  const auto caller = Connect();
  BusyPool busy(disk_pool_, kDiskThreads);
  const uint64_t first = caller->Send({CheckSender(kUser, kUser), Call()});
  EXPECT_TRUE(caller->Await(first + 1).has_error()) << "they have been taken";
  std::thread end([this] { server_.reset(); });
  EXPECT_FALSE(caller->End().ok());
  // What is still at work finds nobody to answer, but what it works with.
  EXPECT_EQ(CallsCounted("AuthService/CheckSender"), 0);
  busy.Release();
  end.join();
  EXPECT_EQ(CallsCounted("AuthService/CheckSender"), 1);
}

TEST_F(ExchangeServiceTest, AServerThatEndsDoesNotWaitForLoginsThatAreHeldBack) {
  const auto caller = Connect();
  // The fixture delays the answer of the first by 200 ms.
  const uint64_t first = caller->Send({LogIn(kUser, "wrong"), Call()});
  EXPECT_TRUE(caller->Await(first + 1).has_error()) << "they have been taken";
  server_.reset();
  EXPECT_FALSE(caller->End().ok());
  EXPECT_EQ(CallsCounted("AuthService/Authenticate"), 1);
}

}  // namespace
}  // namespace mailstead::store
