#include "stored/service/caller_check.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "mailstead/store/v1/admin.pb.h"
#include "mailstead/store/v1/auth.pb.h"
#include "mailstead/store/v1/directory.pb.h"
#include "mailstead/store/v1/exchange.pb.h"
#include "mailstead/store/v1/mailbox.pb.h"

namespace mailstead::store {
namespace {

TEST(Roles, EveryMethodOfTheApiIsInTheTable) {
  int methods = 0;
  for (const google::protobuf::FileDescriptor* file :
       {v1::Account::descriptor()->file(), v1::Verdict::descriptor()->file(),
        v1::MessageSummary::descriptor()->file(), v1::Lease::descriptor()->file(),
        v1::ExchangeCall::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const std::string method =
            absl::StrCat(file->service(s)->name(), "/", file->service(s)->method(m)->name());
        EXPECT_NE(RolesFor(method), kNoRole) << method;
        ++methods;
      }
    }
  }
  EXPECT_GE(methods, 32);
}

TEST(Roles, AreNarrow) {
  EXPECT_EQ(RolesFor("DirectoryService/SetPassword"), kOperator);
  EXPECT_EQ(RolesFor("DirectoryService/ResolveRecipient"), kAnyRole);
  EXPECT_EQ(RolesFor("AuthService/Authenticate"), kFrontend);
  EXPECT_EQ(RolesFor("MailboxService/Deliver"), kAnyRole);
  EXPECT_EQ(RolesFor("AdminService/GetStatus"), kOperator);
  EXPECT_EQ(RolesFor("ExchangeService/Exchange"), kFrontend);
  EXPECT_EQ(RolesFor("NoService/NoMethod"), kNoRole);
}

TEST(CallerCheck, TokensHaveRoles) {
  const CallerCheck callers("front", "boss");
  EXPECT_EQ(callers.RoleOfAuthorization("Bearer front"), kFrontend);
  EXPECT_EQ(callers.RoleOfAuthorization("bearer boss"), kOperator);
  for (const char* bad : {"", "Bearer", "Bearer ", "Bearer fron", "Bearer frontt", "Bearer Front",
                          "Basic front", "front", "Bearer  front"}) {
    EXPECT_EQ(callers.RoleOfAuthorization(bad), kNoRole) << bad;
  }
}

TEST(CallerCheck, AnEmptyTokenIsNobodys) {
  const CallerCheck callers("", "boss");
  EXPECT_EQ(callers.RoleOfAuthorization("Bearer "), kNoRole);
  EXPECT_EQ(callers.RoleOfAuthorization("Bearer boss"), kOperator);
}

}  // namespace
}  // namespace mailstead::store
