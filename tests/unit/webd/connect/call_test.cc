#include "webd/connect/call.h"

#include <string>

#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

constexpr MethodKind kUnary = {};
constexpr MethodKind kRead = {.no_side_effects = true};
constexpr MethodKind kServerStream = {.server_streaming = true};
constexpr MethodKind kClientStream = {.client_streaming = true};

RequestHead Head(std::vector<HeaderField> more = {}, std::string type = "application/json") {
  RequestHead head{.method = "POST", .target = "/s/m", .fields = std::move(more)};
  head.fields.push_back({"content-type", std::move(type)});
  head.fields.push_back({"authorization", "Bearer key"});
  return head;
}

RequestHead Get(std::string query) {
  return {.method = "GET", .target = "/s/m?" + query, .fields = {{"authorization", "Bearer key"}}};
}

CallForm Form(const RequestHead& head, const MethodKind& kind = kUnary) {
  auto read = ReadCall(head, kind);
  EXPECT_TRUE(std::holds_alternative<CallForm>(read));
  return std::holds_alternative<CallForm>(read) ? std::get<CallForm>(std::move(read)) : CallForm();
}

int Refused(const RequestHead& head, const MethodKind& kind = kUnary) {
  const auto read = ReadCall(head, kind);
  return std::holds_alternative<Refusal>(read) ? std::get<Refusal>(read).http_status : 0;
}

TEST(Call, TypesAndTheirAnswers) {
  EXPECT_EQ(ContentTypeOf(Form(Head())), "application/json");
  EXPECT_EQ(ContentTypeOf(Form(Head({}, "Application/JSON; charset=\"UTF-8\""))), "application/json");
  EXPECT_EQ(ContentTypeOf(Form(Head({}, "application/proto"))), "application/proto");
  EXPECT_EQ(ContentTypeOf(Form(Head({}, "application/connect+json"), kServerStream)),
            "application/connect+json");
  EXPECT_EQ(ContentTypeOf(Form(Head({}, "application/connect+proto"), kServerStream)),
            "application/connect+proto");
  for (const char* const type :
       {"", "text/json", "application/connect+json", "application/json; charset=latin1", "application/grpc",
        "application/x-www-form-urlencoded"}) {
    EXPECT_EQ(Refused(Head({}, type)), 415) << type;
  }
  EXPECT_EQ(Refused(Head({}, "application/json"), kServerStream), 415);
}

TEST(Call, TheVerbOfHttp) {
  RequestHead head = Head();
  for (const char* const verb : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "post"}) {
    head.method = verb;
    EXPECT_EQ(Refused(head), 405) << verb;
  }
  head.method = "PUT";
  EXPECT_EQ(std::get<Refusal>(ReadCall(head, kUnary)).fields.front().value, "POST");
  EXPECT_EQ(std::get<Refusal>(ReadCall(head, kRead)).fields.front().value, "POST, GET");
}

TEST(Call, ByGet) {
  const CallForm form = Form(Get("encoding=json&message=%7B%7D&connect=v1"), kRead);
  EXPECT_TRUE(form.error.ok()) << form.error;
  EXPECT_TRUE(form.by_get);
  EXPECT_EQ(form.message, "{}");
  EXPECT_EQ(Form(Get("encoding=proto&message="), kRead).codec, Codec::kProto);
  EXPECT_EQ(Refused(Get("encoding=xml&message="), kRead), 415);
  EXPECT_EQ(Refused(Get("message="), kRead), 400);
  EXPECT_TRUE(absl::IsInvalidArgument(Form(Get("encoding=json&message=&connect=v2"), kRead).error));
  EXPECT_TRUE(absl::IsUnimplemented(Form(Get("encoding=json&message=&compression=br"), kRead).error));
  RequestHead with_body = Get("encoding=json&message=");
  with_body.content_length = 1;
  EXPECT_EQ(Refused(with_body, kRead), 400);
  EXPECT_EQ(Refused(Get("encoding=json&message="), kUnary), 405) << "what changes something is no link";
}

TEST(Call, KeysAreAskedFor) {
  for (const char* const value :
       {"", "Basic x", "Bearer", "key", "Bearer k\x7f", "Bearer \xc3\xa4", "Bearer a\tb"}) {
    RequestHead head = Head();
    head.fields.back().value = value;
    const CallForm form = Form(head);
    EXPECT_TRUE(absl::IsUnauthenticated(form.error)) << value;
    EXPECT_EQ(ReasonOf(form.error), kReasonNoCredential);
    EXPECT_EQ(form.authorization, "");
  }
  EXPECT_EQ(Form(Head()).authorization, "Bearer key");
}

TEST(Call, WhatMeansSomethingOnceIsSaidOnce) {
  for (const char* const name : {"authorization", "content-type", "content-encoding", "connect-timeout-ms"}) {
    RequestHead head = Head({{"content-encoding", "gzip"}, {"connect-timeout-ms", "1"}});
    EXPECT_TRUE(Form(head).error.ok());
    head.fields.push_back({name, std::string(head.Value(name))});
    EXPECT_TRUE(absl::IsInvalidArgument(Form(head).error)) << name;
  }
}

TEST(Call, Timeouts) {
  EXPECT_EQ(Form(Head()).timeout, absl::InfiniteDuration());
  EXPECT_EQ(Form(Head({{"connect-timeout-ms", "0"}})).timeout, absl::ZeroDuration());
  EXPECT_EQ(Form(Head({{"connect-timeout-ms", "9999999999"}})).timeout, absl::Milliseconds(9'999'999'999));
  for (const char* const text : {"", "10000000000", "-1", "+1", "1s", "0x1", " 1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Form(Head({{"connect-timeout-ms", text}})).error)) << text;
  }
}

TEST(Call, VersionsOfTheProtocol) {
  EXPECT_TRUE(Form(Head({{"connect-protocol-version", "1"}})).error.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Form(Head({{"connect-protocol-version", "2"}})).error));
}

TEST(Call, Compression) {
  EXPECT_FALSE(Form(Head()).request_packed);
  EXPECT_FALSE(Form(Head({{"content-encoding", "identity"}})).request_packed);
  EXPECT_TRUE(Form(Head({{"content-encoding", "GZIP"}})).request_packed);
  EXPECT_TRUE(absl::IsUnimplemented(Form(Head({{"content-encoding", "br"}})).error));
  const struct {
    const char* accepted;
    bool packed;
  } kRows[] = {{"", false},         {"gzip", true},         {"br, GZip;q=0.1", true},
               {"gzip;q=0", false}, {"gzip; q=0.0", false}, {"xgzip", false},
               {"deflate", false}};
  for (const auto& row : kRows) {
    EXPECT_EQ(Form(Head({{"accept-encoding", row.accepted}})).pack_response, row.packed) << row.accepted;
  }
  // Of a stream the messages are compressed, and not the whole.
  const RequestHead stream = Head({{"connect-content-encoding", "gzip"}, {"connect-accept-encoding", "gzip"}},
                                  "application/connect+json");
  EXPECT_TRUE(Form(stream, kServerStream).request_packed);
  EXPECT_TRUE(Form(stream, kServerStream).pack_response);
}

TEST(Call, AStreamOfRequests) {
  const CallForm form = Form(Head({}, "application/connect+json"), kClientStream);
  EXPECT_TRUE(form.error.ok()) << form.error;
  EXPECT_TRUE(form.streaming);
  EXPECT_EQ(Refused(Head({}, "application/json"), kClientStream), 415);
}

TEST(Call, AnotherServerKnowsOfNoKeys) {
  const RequestHead head{
      .method = "POST", .target = "/s/m", .fields = {{"content-type", "application/json"}}};
  EXPECT_TRUE(absl::IsUnauthenticated(std::get<CallForm>(ReadCall(head, kUnary)).error));
  EXPECT_TRUE(std::get<CallForm>(ReadCall(head, kUnary, /*needs_key=*/false)).error.ok());
}

}  // namespace
}  // namespace mailstead::web
