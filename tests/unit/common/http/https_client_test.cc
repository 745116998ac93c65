// What it refuses without a connection; tests/integration/test_mta_sts.py shows it real servers.
#include "common/http/https_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/use_future.hpp"

namespace mailstead::http {
namespace {

// The client's thread may be about to wake who waits here: it ends first.
class HttpsClientTest : public testing::Test {
 protected:
  absl::StatusOr<HttpsResponse> Send(HttpsClient& client, HttpsRequest request) {
    auto sent = asio::co_spawn(context_, client.Send(std::move(request)), asio::use_future);
    context_.restart();
    context_.run();
    return sent.get();
  }

  // Outlives each client.
  asio::io_context context_{1};
};

HttpsRequest To(const std::string& host, const std::string& address = "127.0.0.1", uint16_t port = 1) {
  HttpsRequest request;
  request.host = host;
  request.port = port;
  request.path = "/";
  request.addresses = {asio::ip::make_address(address)};
  request.timeout = absl::Seconds(10);
  return request;
}

TEST_F(HttpsClientTest, TakesNamesOfHostsOnly) {
  HttpsClient client;
  for (const char* host :
       {"", "localhost", "127.0.0.1", "[::1]", "0x7f.1", "127.1", "a.test.", "a.test:80", "a.test/x",
        "u@a.test", "a.1", "a.test?x", "a.test#x", "a..test\r\nX: y", ".", "a.0x7f"}) {
    EXPECT_EQ(Send(client, To(host)).status().code(), absl::StatusCode::kInvalidArgument) << host;
  }
  HttpsRequest nowhere = To("a.test");
  nowhere.addresses.clear();
  EXPECT_EQ(Send(client, nowhere).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(HttpsClientTest, ReachesNoAddressButThoseThatWereAllowed) {
  HttpsClient client;
  // Somebody who would take it.
  asio::ip::tcp::acceptor acceptor(context_, {asio::ip::make_address("127.0.0.1"), 0});
  const uint16_t port = acceptor.local_endpoint().port();
  for (const char* host : {"127.0.0.1", "127.1", "0x7f000001", "2130706433"}) {
    HttpsRequest request = To(host, "192.0.2.1", port);
    request.any_host = true;
    request.plain = true;
    request.timeout = absl::Milliseconds(300);
    EXPECT_FALSE(Send(client, request).ok()) << host;
    acceptor.non_blocking(true);
    asio::error_code nobody;
    (void)acceptor.accept(nobody);
    EXPECT_EQ(nobody, asio::error::would_block) << host;
  }
}

TEST_F(HttpsClientTest, TakesHostsOfAnyKindWhereAnOperatorHasNamedThem) {
  HttpsClient client;
  for (const char* host : {"", "a.test/x", "u@a.test", "a.test?x", "a.test#x", "a.test\r\nX: y", "a b"}) {
    HttpsRequest request = To(host);
    request.any_host = true;
    EXPECT_EQ(Send(client, request).status().code(), absl::StatusCode::kInvalidArgument) << host;
  }
  asio::ip::tcp::acceptor acceptor(context_, {asio::ip::make_address("127.0.0.1"), 0});
  const uint16_t port = acceptor.local_endpoint().port();
  acceptor.close();
  for (const char* host : {"localhost", "127.0.0.1"}) {
    HttpsRequest request = To(host, "127.0.0.1", port);
    request.any_host = true;
    request.plain = true;
    EXPECT_EQ(Send(client, request).status().code(), absl::StatusCode::kUnavailable) << host;
  }
}

TEST_F(HttpsClientTest, TakesUrlsApart) {
  const auto url = ParseHttpUrl("http://a.test:81/b?c#d");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->plain);
  EXPECT_EQ(url->host, "a.test");
  EXPECT_EQ(url->port, 81);
  EXPECT_EQ(url->path, "/b?c");
  EXPECT_FALSE(ParseHttpUrl("https://a.test")->plain);
  EXPECT_EQ(ParseHttpUrl("ftp://a.test").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseHttpsUrl("http://a.test").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(HttpsClientTest, SaysWhenNobodyIsThere) {
  HttpsClient client;
  // A port that was free a moment ago.
  asio::ip::tcp::acceptor acceptor(context_, {asio::ip::make_address("127.0.0.1"), 0});
  const uint16_t port = acceptor.local_endpoint().port();
  acceptor.close();
  EXPECT_EQ(Send(client, To("a.test", "127.0.0.1", port)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HttpsClientTest, AHostThatSaysNothingHasItsTimeOnly) {
  HttpsClient client;
  const asio::ip::tcp::acceptor silent(context_, {asio::ip::make_address("127.0.0.1"), 0});
  HttpsRequest request = To("a.test", "127.0.0.1", silent.local_endpoint().port());
  request.timeout = absl::Milliseconds(50);
  EXPECT_EQ(Send(client, request).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(HttpsClientTest, WhatIsTooMuchFailsAtOnce) {
  HttpsClient client({.max_open = 1, .max_waiting = 0});
  EXPECT_EQ(Send(client, To("a.test")).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(HttpsClientTest, StopEndsWhatIsUnderWay) {
  HttpsClient client;
  const asio::ip::tcp::acceptor silent(context_, {asio::ip::make_address("127.0.0.1"), 0});
  auto sent = asio::co_spawn(context_, client.Send(To("a.test", "127.0.0.1", silent.local_endpoint().port())),
                             asio::use_future);
  context_.restart();
  context_.poll();
  client.Stop();
  context_.restart();
  context_.run();
  EXPECT_EQ(sent.get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Send(client, To("a.test")).status().code(), absl::StatusCode::kCancelled);
}

TEST(ParseHttpsUrl, TakesHttpsUrlsApart) {
  const auto shown = [](absl::string_view url) {
    const absl::StatusOr<HttpsUrl> parsed = ParseHttpsUrl(url);
    return parsed.ok() ? parsed->host + " " + std::to_string(parsed->port) + " " + parsed->path
                       : std::string("no");
  };
  EXPECT_EQ(shown("https://a.test"), "a.test 443 /");
  EXPECT_EQ(shown("https://a.test/v1/report?x=y#z"), "a.test 443 /v1/report?x=y");
  EXPECT_EQ(shown("HTTPS://a.test:8443/"), "a.test 8443 /");
  // Send refuses it.
  EXPECT_EQ(shown("https://127.1/"), "127.0.0.1 443 /");
  for (const char* url :
       {"", "a.test", "http://a.test/", "https://", "https://u@a.test/", "https://u:p@a.test/",
        "mailto:x@a.test", "file:///etc/passwd", "https://a b.test/"}) {
    EXPECT_EQ(shown(url), "no") << url;
  }
  EXPECT_EQ(shown(absl::string_view("https://a.test/\0", 16)), "no");
}

}  // namespace
}  // namespace mailstead::http
