#include "stored/rules/directory.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"

namespace mailstead::rules {
namespace {

const absl::Time kCreated = absl::FromUnixSeconds(1000);
const absl::Time kLater = absl::FromUnixSeconds(2000);

TEST(Directory, AddressesAreSplitAtTheLastAt) {
  struct Case {
    const char *address, *domain, *local_part;
  };
  for (const Case& c : {Case{"A@B.test", "b.test", "a"}, Case{"@b.test", "b.test", ""},
                        Case{"\"a@z\"@b.test", "b.test", "\"a@z\""}, Case{"a", "", "a"}}) {
    EXPECT_EQ(Split(c.address), (AddressParts{c.domain, c.local_part})) << c.address;
  }
  EXPECT_LT(Split("z@a.test"), Split("a@b.test"));
}

TEST(Directory, AnExpectedVersionIsTheVersionOrAny) {
  EXPECT_TRUE(CheckVersion(0, 7).ok());
  EXPECT_TRUE(CheckVersion(7, 7).ok());
  for (const int64_t expected : {6, 8}) {
    const absl::Status status = CheckVersion(expected, 7);
    EXPECT_TRUE(absl::IsAborted(status));
    EXPECT_EQ(ReasonOf(status), kReasonEtagMismatch);
  }
}

TEST(Directory, WhatIsCreatedHasVersionOne) {
  const engine::Domain domain = Created(engine::Domain{"a.test", true, kCreated, kLater, 9});
  EXPECT_EQ(domain.version, 1);
  EXPECT_EQ(domain.create_time, kCreated);
  EXPECT_EQ(domain.update_time, kCreated);
  engine::Account account;
  account.create_time = kCreated + absl::Nanoseconds(5);
  account.usage.message_count = 4;
  EXPECT_EQ(Created(account).version, 1);
  EXPECT_EQ(Created(account).create_time, kCreated);
  EXPECT_EQ(Created(account).credential.version, 1);
  EXPECT_EQ(Created(account).usage.message_count, 0);
  account.credential.version = 3;  // of a restore
  EXPECT_EQ(Created(account).credential.version, 3);
  EXPECT_EQ(Created(engine::Alias{"a@b", {"c@d"}, kCreated}).version, 1);
}

TEST(Directory, AChangeLeavesWhatItDoesNotName) {
  engine::Account account;
  account.id = AccountId{5};
  account.address = "a@b.test";
  account.quota_bytes = 10;
  account.quota_messages = 11;
  account.credential.crypt_hash = "old";
  account.credential.version = 4;
  account.create_time = kCreated;
  account.version = 2;

  engine::AccountChange change;
  change.time = kLater;
  engine::Account changed = Changed(account, change);
  EXPECT_EQ(changed.version, 3);
  EXPECT_EQ(changed.update_time, kLater);
  EXPECT_EQ(changed.create_time, kCreated);
  EXPECT_EQ(changed.address, "a@b.test");
  EXPECT_EQ(changed.quota_bytes, 10);
  EXPECT_EQ(changed.credential.version, 4);

  change.address = "c@b.test";
  change.disabled = true;
  change.quota_bytes = 0;
  change.quota_messages = 1;
  change.credential.emplace().crypt_hash = "new";
  changed = Changed(account, change);
  EXPECT_EQ(changed.id.value, 5);
  EXPECT_EQ(changed.address, "c@b.test");
  EXPECT_TRUE(changed.disabled);
  EXPECT_EQ(changed.quota_bytes, 0);
  EXPECT_EQ(changed.quota_messages, 1);
  EXPECT_EQ(changed.credential.crypt_hash, "new");
  EXPECT_EQ(changed.credential.version, 5);

  const engine::Domain domain = Changed(engine::Domain{"b.test", true, kCreated, kCreated, 1},
                                        engine::DomainChange{"b.test", 0, false, kLater});
  EXPECT_FALSE(domain.plus_addressing);
  EXPECT_EQ(domain.version, 2);
  const engine::Alias alias = Changed(engine::Alias{"a@b", {"c@d"}, kCreated, kCreated, 1},
                                      engine::AliasChange{"a@b", 0, std::nullopt, kLater});
  EXPECT_EQ(alias.targets, std::vector<std::string>{"c@d"});
  EXPECT_EQ(alias.version, 2);
}

}  // namespace
}  // namespace mailstead::rules
