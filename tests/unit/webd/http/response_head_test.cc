#include "webd/http/response_head.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(784'111'777);

TEST(ResponseHead, AsItIsWritten) {
  ResponseHead head{.fields = {{"Content-Type", "application/json"}}};
  head.content_length = 2;
  EXPECT_EQ(Write(head, kNow),
            "HTTP/1.1 200 OK\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: application/json\r\n"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
            "Content-Length: 2\r\n\r\n");
}

TEST(ResponseHead, WithoutABody) {
  for (const int status : {204, 304}) {
    ResponseHead head{.status = status};
    head.content_length = 0;
    EXPECT_EQ(Write(head, kNow).find("Content-Length"), std::string::npos);
    head.content_length = std::nullopt;
    EXPECT_EQ(Write(head, kNow).find("Transfer-Encoding"), std::string::npos);
  }
}

TEST(ResponseHead, OnePolicy) {
  const std::string text = Write({.policy = "sandbox"}, kNow);
  EXPECT_NE(text.find("Content-Security-Policy: sandbox\r\n"), std::string::npos);
  EXPECT_EQ(text.find("default-src"), std::string::npos);
}

TEST(ResponseHead, HowTheBodyEnds) {
  ResponseHead head;
  EXPECT_NE(Write(head, kNow).find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  head.minor_version = 0;
  head.keep_alive = false;
  const std::string old = Write(head, kNow);
  EXPECT_EQ(old.find("Transfer-Encoding"), std::string::npos) << "HTTP/1.0 has none";
  EXPECT_NE(old.find("Connection: close\r\n"), std::string::npos);
  head.keep_alive = true;
  head.content_length = 0;
  EXPECT_NE(Write(head, kNow).find("Connection: keep-alive\r\n"), std::string::npos);
}

TEST(ResponseHead, EveryStatusThatIsGivenHasItsWords) {
  for (const int status :
       {200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 417, 429, 431, 499, 500, 501, 503, 504, 505}) {
    EXPECT_FALSE(ReasonPhrase(status).empty()) << status;
  }
}

}  // namespace
}  // namespace mailstead::web
