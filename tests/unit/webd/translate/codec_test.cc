#include "webd/translate/codec.h"

#include "gtest/gtest.h"
#include "mailstead/store/v1/message.pb.h"

namespace mailstead::web {
namespace {

namespace v1 = store::v1;

constexpr char kRequest[] = "mailstead.store.v1.ListMessagesRequest";

class TranslatorTest : public testing::Test {
 protected:
  Translator translator_{*google::protobuf::DescriptorPool::generated_pool()};
};

TEST_F(TranslatorTest, JsonToBytes) {
  const auto bytes =
      translator_.Decode(Codec::kJson, kRequest, R"({"account": "demo@example.test", "pageSize": 50})");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  v1::ListMessagesRequest request;
  ASSERT_TRUE(request.ParseFromString(*bytes));
  EXPECT_EQ(request.account(), "demo@example.test");
  EXPECT_EQ(request.page_size(), 50);
  // Names as the .proto has them, too.
  const auto same =
      translator_.Decode(Codec::kJson, kRequest, R"({"account": "demo@example.test", "page_size": 50})");
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(*same, *bytes);
}

TEST_F(TranslatorTest, BytesToJson) {
  v1::ListMessagesRequest request;
  request.set_account("demo@example.test");
  request.set_page_size(50);
  const auto json = translator_.Encode(Codec::kJson, kRequest, request.SerializeAsString());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json, R"({"account":"demo@example.test","pageSize":50})");
}

TEST_F(TranslatorTest, BytesStayAsTheyAre) {
  EXPECT_EQ(*translator_.Decode(Codec::kProto, kRequest, "\xff"), "\xff");
  EXPECT_EQ(*translator_.Encode(Codec::kProto, kRequest, "\xff"), "\xff");
}

TEST_F(TranslatorTest, WhatIsNoSuchJson) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"account\":";
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("{"), std::string("{} {}"),
        std::string(R"({"acount": "a"})"), std::string(R"({"pageSize": "many"})"),
        std::string(R"({"account": 1})"), std::string("{\"account\": \"\xff\"}"), deep}) {
    const absl::Status status = translator_.Decode(Codec::kJson, kRequest, text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status << " " << text.substr(0, 40);
    EXPECT_LT(status.message().size(), 300u);
  }
}

}  // namespace
}  // namespace mailstead::web
