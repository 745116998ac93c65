#include "webd/translate/methods.h"

#include <filesystem>
#include <set>

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

class MethodsTest : public testing::Test {
 protected:
  MethodTable methods_{*google::protobuf::DescriptorPool::generated_pool(), StoreFiles()};
};

TEST_F(MethodsTest, EveryFileOfTheApiIsThere) {
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator("proto/mailstead/store/v1")) {
    there.insert("mailstead/store/v1/" + entry.path().filename().string());
  }
  // It has messages only.
  ASSERT_EQ(there.erase("mailstead/store/v1/parsed_message.proto"), 1u);
  const std::vector<std::string> files = StoreFiles();
  EXPECT_EQ(std::set<std::string>(files.begin(), files.end()), there);
  EXPECT_GT(methods_.size(), 70u);
}

TEST_F(MethodsTest, WhatAMethodIs) {
  const Method* const list = methods_.Find("/mailstead.store.v1.MessageService/ListMessages");
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->name, "mailstead.store.v1.MessageService/ListMessages");
  EXPECT_EQ(list->request_type, "mailstead.store.v1.ListMessagesRequest");
  EXPECT_EQ(list->response_type, "mailstead.store.v1.ListMessagesResponse");
  EXPECT_TRUE(list->kind.no_side_effects);
  EXPECT_TRUE(methods_.Find("/mailstead.store.v1.WatchService/Watch")->kind.server_streaming);
  EXPECT_TRUE(
      methods_.Find("/mailstead.store.v1.MessageService/DeliverMessageStream")->kind.client_streaming);
  EXPECT_FALSE(methods_.Find("/mailstead.store.v1.MessageService/DeleteMessages")->kind.no_side_effects);
}

TEST_F(MethodsTest, WhatIsNone) {
  for (const char* const path :
       {"", "/", "mailstead.store.v1.MessageService/ListMessages", "/mailstead.store.v1.MessageService/",
        "/mailstead.store.v1.MessageService/ListMessages/",
        "//mailstead.store.v1.MessageService/ListMessages", "/mailstead.store.v1.MessageService.ListMessages",
        "/mailstead.store.v1.MessageService/listmessages", "/mailstead.frontend.v1.AuthService/Authenticate",
        "/grpc.health.v1.Health/Check"}) {
    EXPECT_EQ(methods_.Find(path), nullptr) << path;
  }
}

}  // namespace
}  // namespace mailstead::web
