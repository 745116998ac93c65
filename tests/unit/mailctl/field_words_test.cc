#include "mailctl/field_words.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"
#include "mailstead/store/v1/directory.pb.h"
#include "mailstead/store/v1/message.pb.h"
#include "mailstead/store/v1/route.pb.h"

namespace mailstead::ctl {
namespace {

namespace v1 = ::mailstead::store::v1;

TEST(FieldWordsTest, ATextIsWhatWasTyped) {
  v1::DeliverMessageStreamRequest request;
  request.mutable_envelope()->add_recipients()->set_address("a@example.test");
  request.mutable_envelope()->add_recipients()->set_address("b@@example.test");
  request.mutable_envelope()->set_reverse_path("me");
  EXPECT_EQ(WordsForField(request, "envelope.recipients[1].address"), "b@@example.test");
  EXPECT_EQ(WordsForField(request, "envelope.reverse_path"), "me");
  v1::CreateAliasRequest alias;
  alias.mutable_alias()->add_targets("x y");
  EXPECT_EQ(WordsForField(alias, "alias.targets[0]"), "x y");
}

TEST(FieldWordsTest, WhatIsNoTextHasItsName) {
  v1::CreateDomainRequest domain;
  EXPECT_EQ(WordsForField(domain, "domain.name"), "domain name");
  v1::CreateAliasRequest alias;
  alias.mutable_alias()->add_targets("x");
  EXPECT_EQ(WordsForField(alias, "alias.targets"), "alias targets");
  v1::CreateAccountRequest account;
  account.mutable_account()->mutable_quota()->set_bytes(-1);
  EXPECT_EQ(WordsForField(account, "account.quota.bytes"), "quota_bytes") << "the option's name";
}

TEST(FieldWordsTest, APasswordIsNeverShown) {
  v1::CreateAccountRequest account;
  account.mutable_password()->set_plain("secret");
  EXPECT_EQ(WordsForField(account, "password.plain"), "password");
  EXPECT_EQ(WordsForField(account, "password"), "password");
  v1::SetPasswordRequest change;
  change.mutable_password()->set_crypt_hash("$6$secret");
  EXPECT_EQ(WordsForField(change, "password.crypt_hash"), "password");
  v1::SetRouteRequest route;
  route.set_password("secret");
  EXPECT_EQ(WordsForField(route, "password"), "password");
}

TEST(FieldWordsTest, APathThatIsNotThereStaysAsItIs) {
  v1::DeliverMessageStreamRequest request;
  for (const char* field :
       {"envelope.recipients[0].address", "envelope.recipients[x].address", "nothing", "envelope.",
        "envelope.recipients.address", "content.x", "[", "envelope.delivery_id.x"}) {
    EXPECT_EQ(WordsForField(request, field), field);
  }
}

TEST(FieldWordsTest, AnErrorKeepsWhatMachinesRead) {
  v1::CreateDomainRequest request;
  request.mutable_domain()->set_name("ex ample");
  const absl::Status status =
      InTypedWords(WithReason(FieldError("domain.name", "has a blank"), kReasonInvalidField), request);
  EXPECT_EQ(status.message(), "ex ample: has a blank");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(FieldOf(status), "domain.name");
  EXPECT_EQ(ReasonOf(status), kReasonInvalidField);
  const absl::Status other = WithField(absl::NotFoundError("no domain ex ample"), "domain.name");
  EXPECT_EQ(InTypedWords(other, request), other) << "it does not begin with the field";
  EXPECT_EQ(InTypedWords(absl::NotFoundError("x: y"), request), absl::NotFoundError("x: y"));
}

}  // namespace
}  // namespace mailstead::ctl
