#include "webd/openapi/document.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "webd/openapi/page.h"
#include "webd/openapi/schemas.h"
#include "webd/translate/methods.h"

namespace mailstead::web {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using ::testing::HasSubstr;
using ::testing::Not;

class DocumentTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    document_ = new std::string(StoreOpenApiDocument());
    root_ = new Struct;
    const auto status = google::protobuf::util::JsonStringToMessage(*document_, root_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static void TearDownTestSuite() {
    delete root_;
    delete document_;
  }

  static const Value& At(std::initializer_list<std::string> path) {
    static const Value kNothing;
    const Struct* at = root_;
    const Value* value = &kNothing;
    for (const std::string& name : path) {
      const auto found = at->fields().find(name);
      if (found == at->fields().end()) return kNothing;
      value = &found->second;
      at = &value->struct_value();
    }
    return *value;
  }
  static std::string TextAt(std::initializer_list<std::string> path) { return At(path).string_value(); }

  static std::string* document_;
  static Struct* root_;
};
std::string* DocumentTest::document_ = nullptr;
Struct* DocumentTest::root_ = nullptr;

TEST_F(DocumentTest, HasEveryMethod) {
  const MethodTable methods(*google::protobuf::DescriptorPool::generated_pool(), StoreFiles());
  size_t count = 0;
  for (const auto& [path, verbs] : At({"paths"}).struct_value().fields()) {
    const Method* const method = methods.Find(path);
    if (method == nullptr) continue;
    ++count;
    const auto& fields = verbs.struct_value().fields();
    EXPECT_TRUE(fields.contains("post")) << path;
    const bool by_get = method->kind.no_side_effects && !method->kind.server_streaming;
    EXPECT_EQ(fields.contains("get"), by_get) << path;
  }
  EXPECT_EQ(count, methods.size());
}

TEST_F(DocumentTest, TellsWhatTheCommentsTell) {
  const std::string path = "/mailstead.store.v1.MessageService/GetMessage";
  EXPECT_THAT(TextAt({"paths", path, "post", "description"}), HasSubstr("reason MESSAGE_NOT_FOUND"));
  EXPECT_THAT(TextAt({"components", "schemas", "GetMessageRequest", "properties", "account", "description"}),
              HasSubstr("account's address"));
  EXPECT_THAT(TextAt({"components", "schemas", "MessageView", "description"}),
              HasSubstr("MESSAGE_VIEW_RAW: "));
}

TEST_F(DocumentTest, TypesAreThoseOfTheJson) {
  const auto of = [](const std::string& message, const std::string& field, const std::string& what) {
    return TextAt({"components", "schemas", message, "properties", field, what});
  };
  EXPECT_EQ(of("GetMessageRequest", "messageId", "type"), "string");
  EXPECT_EQ(of("GetMessageRequest", "messageId", "format"), "int64");
  EXPECT_EQ(of("GetMessageRequest", "view", "$ref"), "#/components/schemas/MessageView");
  EXPECT_EQ(of("GetMessageRequest", "textLimitBytes", "type"), "string");
  EXPECT_EQ(of("Message", "raw", "contentEncoding"), "base64");
  EXPECT_EQ(of("MessageSummary", "deliverTime", "format"), "date-time");
  EXPECT_EQ(of("MessageSummary", "recipients", "type"), "array");
  EXPECT_EQ(of("WatchDeleted", "cause", "$ref"), "#/components/schemas/WatchDeleted.Cause");
  EXPECT_EQ(of("Domain", "undeleteWindow", "pattern"), R"(^-?[0-9]+(\.[0-9]{1,9})?s$)");
  EXPECT_THAT(of("WatchEvent", "deleted", "description"), HasSubstr("One of: started, delivered, deleted"));
}

TEST_F(DocumentTest, EveryReferenceLeadsSomewhere) {
  const std::string kPrefix = "\"$ref\":\"#/components/schemas/";
  const auto& schemas = At({"components", "schemas"}).struct_value().fields();
  size_t count = 0;
  for (size_t at = document_->find(kPrefix); at != std::string::npos; at = document_->find(kPrefix, at)) {
    at += kPrefix.size();
    const std::string name = document_->substr(at, document_->find('"', at) - at);
    EXPECT_TRUE(schemas.contains(name)) << name;
    ++count;
  }
  EXPECT_GT(count, 200u);
}

TEST(Comments, InParagraphs) {
  EXPECT_EQ(CommentText(" One\n two.\n\n Three.\n"), "One two.\n\nThree.");
  EXPECT_EQ(CommentText(""), "");
  EXPECT_EQ(CommentText("\n\n"), "");
}

TEST(DocsPage, LoadsNothing) {
  const DocsPage page = MakeDocsPage();
  EXPECT_THAT(page.policy, HasSubstr("default-src 'none'; script-src 'sha256-"));
  EXPECT_THAT(page.policy, Not(HasSubstr("unsafe")));
  EXPECT_THAT(page.html, Not(HasSubstr("@S")));
  EXPECT_THAT(page.html, HasSubstr("begin();"));
  for (const char* const never : {"src=", "://", "innerHTML", "eval(", "localStorage", "document.write"}) {
    EXPECT_THAT(page.html, Not(HasSubstr(never)));
  }
}

}  // namespace
}  // namespace mailstead::web
