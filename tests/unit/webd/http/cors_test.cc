#include "webd/http/cors.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

using ::testing::IsEmpty;

RequestHead Head(const char* method, std::vector<HeaderField> fields) {
  return {.method = method, .fields = std::move(fields)};
}
std::string Value(const std::vector<HeaderField>& fields, absl::string_view name) {
  for (const HeaderField& field : fields) {
    if (field.name == name) return field.value;
  }
  return "";
}

const CorsPolicy kOff;
const CorsPolicy kOn({"https://desk.example", "http://localhost:3000"});

TEST(Cors, OffByItself) {
  EXPECT_THAT(kOff.FieldsFor(Head("GET", {{"origin", "https://desk.example"}})), IsEmpty());
  EXPECT_FALSE(kOff.IsPreflight(
      Head("OPTIONS", {{"origin", "https://desk.example"}, {"access-control-request-method", "POST"}})));
}

TEST(Cors, ExactOriginsOnly) {
  const auto allowed = [](const char* origin) {
    return Value(kOn.FieldsFor(Head("GET", {{"origin", origin}})), "Access-Control-Allow-Origin");
  };
  EXPECT_EQ(allowed("https://desk.example"), "https://desk.example");
  EXPECT_EQ(allowed("http://localhost:3000"), "http://localhost:3000");
  for (const char* const other :
       {"http://desk.example", "https://desk.example:444", "https://desk.example.evil", "null",
        "https://evil.desk.example", "https://desk.example/", "HTTPS://desk.example", "*", ""}) {
    EXPECT_EQ(allowed(other), "") << other;
  }
  const RequestHead twice =
      Head("GET", {{"origin", "https://desk.example"}, {"origin", "https://desk.example"}});
  EXPECT_EQ(Value(kOn.FieldsFor(twice), "Access-Control-Allow-Origin"), "");
}

TEST(Cors, AnswersDependOnTheOriginAlsoWithoutOne) {
  EXPECT_EQ(Value(kOn.FieldsFor(Head("GET", {})), "Vary"), "Origin");
}

TEST(Cors, NoCredentials) {
  const RequestHead preflight =
      Head("OPTIONS", {{"origin", "https://desk.example"}, {"access-control-request-method", "POST"}});
  ASSERT_TRUE(kOn.IsPreflight(preflight));
  for (const auto& fields : {kOn.FieldsFor(preflight), kOn.PreflightFields(preflight)}) {
    EXPECT_EQ(Value(fields, "Access-Control-Allow-Credentials"), "");
    EXPECT_EQ(Value(fields, "Access-Control-Allow-Origin"), "https://desk.example");
  }
}

TEST(Cors, WhatIsAPreflight) {
  EXPECT_FALSE(kOn.IsPreflight(Head("OPTIONS", {{"origin", "https://desk.example"}})));
  EXPECT_FALSE(kOn.IsPreflight(
      Head("POST", {{"origin", "https://desk.example"}, {"access-control-request-method", "POST"}})));
  EXPECT_FALSE(kOn.IsPreflight(
      Head("OPTIONS", {{"origin", "https://evil"}, {"access-control-request-method", "POST"}})));
}

TEST(Cors, Origins) {
  for (const char* const good : {"https://a.example", "http://localhost", "http://127.0.0.1:3000",
                                 "https://[::1]:8443", "https://xn--bcher-kva.example", "http://a:443"}) {
    EXPECT_TRUE(CheckOrigin(good).ok()) << CheckOrigin(good);
  }
  for (const char* const bad :
       {"", "*", "null", "a.example", "https://", "https://a/", "https://a/b", "https://A.example",
        "https://a:", "https://a:0", "https://a:65536", "https://a:443", "http://a:80", "https://a:08",
        "https://u@a", "ftp://a", "https://a b", "https://[::1", "https://*.example"}) {
    EXPECT_FALSE(CheckOrigin(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace mailstead::web
