#include "stored/core/login_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailstead::stored {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(LoginChanges, TellsWhatCameSince) {
  LoginChanges changes;
  changes.Note(AccountId{1});
  const LoginChanges::Since first = changes.After("");
  EXPECT_FALSE(first.any);
  EXPECT_THAT(first.accounts, IsEmpty());
  EXPECT_THAT(changes.After(first.cursor).accounts, IsEmpty());
  changes.Note(AccountId{2});
  changes.Note(AccountId{3});
  const LoginChanges::Since second = changes.After(first.cursor);
  EXPECT_FALSE(second.any);
  EXPECT_THAT(second.accounts, ElementsAre(AccountId{2}, AccountId{3}));
  EXPECT_THAT(changes.After(second.cursor).accounts, IsEmpty());
  EXPECT_THAT(changes.After(first.cursor).accounts, ElementsAre(AccountId{2}, AccountId{3})) << "asked again";
}

TEST(LoginChanges, WhatIsForgottenMayBeAny) {
  LoginChanges changes(/*max_entries=*/3);
  const std::string cursor = changes.After("").cursor;
  for (int i = 1; i <= 3; ++i) changes.Note(AccountId{i});
  EXPECT_FALSE(changes.After(cursor).any);
  EXPECT_THAT(changes.After(cursor).accounts, ElementsAre(AccountId{1}, AccountId{2}, AccountId{3}));
  changes.Note(AccountId{4});
  EXPECT_TRUE(changes.After(cursor).any);
  EXPECT_FALSE(changes.After(changes.After(cursor).cursor).any);
}

TEST(LoginChanges, AfterARestartItMayBeAny) {
  const LoginChanges before;
  const LoginChanges after;
  EXPECT_TRUE(after.After(before.After("").cursor).any);
  EXPECT_TRUE(after.After("nonsense").any);
  EXPECT_TRUE(after.After(after.After("").cursor + "1").any);
  EXPECT_TRUE(after.After(after.After("").cursor + "x").any);
}

}  // namespace
}  // namespace mailstead::stored
