#include "common/obs/admin_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/config/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/counter.h"
#include "prometheus/registry.h"

namespace mailstead::obs {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Sends `request` as it is and returns all that comes until the end.
std::string Ask(uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char chunk[4096];
    for (ssize_t count; (count = ::recv(fd, chunk, sizeof(chunk), 0)) > 0;) {
      answer.append(chunk, static_cast<size_t>(count));
    }
  }
  ::close(fd);
  return answer;
}

class AdminServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<AdminServer>> started =
        AdminServer::Start("127.0.0.1:0", registry, [this] {
          absl::MutexLock lock(&mutex);
          return ready;
        });
    ASSERT_TRUE(started.ok()) << started.status();
    server = std::move(started).value();
    ASSERT_NE(server->port(), 0);
  }
  void SetReady(absl::Status status) {
    absl::MutexLock lock(&mutex);
    ready = std::move(status);
  }
  std::string Get(const std::string& path, const std::string& method = "GET") {
    return Ask(server->port(), absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  }

  absl::Mutex mutex;
  absl::Status ready;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::unique_ptr<AdminServer> server;
};

TEST_F(AdminServerTest, HealthIsThatTheProcessAnswers) {
  SetReady(absl::UnavailableError("the store is away"));
  const std::string answer = Get("/healthz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nok\n"));
}

TEST_F(AdminServerTest, ReadinessFollowsTheCheck) {
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  SetReady(absl::UnavailableError("the store is away"));
  const std::string answer = Get("/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nthe store is away\n"));
  SetReady(absl::OkStatus());
  EXPECT_THAT(Get("/readyz"), EndsWith("\r\n\r\nok\n"));
}

TEST_F(AdminServerTest, MetricsAreOursAndTheProcesses) {
  auto& family = prometheus::BuildCounter()
                     .Name("mailstead_smtp_replies_total")
                     .Help("Replies sent")
                     .Register(*registry);
  family.Add({{"code", "250"}}).Increment(3);
  const std::string answer = Get("/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\nmailstead_smtp_replies_total{code=\"250\"} 3\n"));
  EXPECT_THAT(answer, HasSubstr(absl::StrCat("\nmailstead_build_info{version=\"",
                                             std::string(config::Version()), "\"} 1\n")));
  for (const char* name : {"process_resident_memory_bytes", "process_open_fds", "process_max_fds",
                           "process_cpu_seconds_total", "process_start_time_seconds"}) {
    EXPECT_THAT(answer, HasSubstr(absl::StrCat("\n", name, " "))) << name;
  }
}

TEST_F(AdminServerTest, ProcessMetricsAreTrue) {
  const std::string answer = Get("/metrics");
  const auto value = [&answer](const std::string& name) {
    const size_t at = answer.find(absl::StrCat("\n", name, " "));
    return at == std::string::npos ? -1.0 : std::stod(answer.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(value("process_open_fds"), 4);
  EXPECT_LT(value("process_open_fds"), 200);
  EXPECT_NEAR(value("process_start_time_seconds"), static_cast<double>(::time(nullptr)), 300);
}

TEST_F(AdminServerTest, HeadHasNoBody) {
  const std::string answer = Get("/healthz", "HEAD");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(AdminServerTest, OtherPathsAndMethodsAreRefused) {
  for (const char* path : {"/", "/metrics/", "/healthz/../etc/passwd", "/../../etc/passwd", "/Metrics"}) {
    EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 404 ")) << path;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    EXPECT_THAT(Get("/metrics", method), StartsWith("HTTP/1.1 405 ")) << method;
  }
}

TEST_F(AdminServerTest, AQueryChangesNothing) {
  EXPECT_THAT(Get("/healthz?verbose=1"), EndsWith("\r\n\r\nok\n"));
}

TEST_F(AdminServerTest, NonsenseDoesNotStopIt) {
  Ask(server->port(), "\r\n\r\n\r\n");
  Ask(server->port(), std::string("\0\x16\x03\x01\r\n\r\n", 8));
  Ask(server->port(), absl::StrCat("GET /", std::string(100'000, 'a'), " HTTP/1.1\r\n\r\n"));
  EXPECT_THAT(Get("/healthz"), EndsWith("ok\n"));
}

TEST_F(AdminServerTest, AnswersSeveralAtOnce) {
  std::vector<std::thread> askers;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      for (int j = 0; j < 20; ++j)
        good += Get("/metrics").find("mailstead_build_info") != std::string::npos ? 1 : 0;
    });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(good, 160);
}

TEST_F(AdminServerTest, ATakenOrSenselessAddressIsUnavailable) {
  const auto check = [] { return absl::OkStatus(); };
  for (const std::string& address : {absl::StrCat("127.0.0.1:", server->port()), std::string("nowhere"),
                                     std::string("127.0.0.1:99999"), std::string()}) {
    const absl::Status status = AdminServer::Start(address, registry, check).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr(address));
  }
}

TEST_F(AdminServerTest, StopsWhenDestroyed) {
  const uint16_t port = server->port();
  const absl::Time begin = absl::Now();
  server.reset();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1.5)) << "a program's end waits for this";
  EXPECT_EQ(Ask(port, "GET /healthz HTTP/1.1\r\n\r\n"), "");
}

TEST(AdminServerAddressTest, AnyAddressTakesIpv4AndIsLogged) {
  ::testing::internal::CaptureStderr();
  auto server =
      AdminServer::Start("[::]:0", std::make_shared<prometheus::Registry>(), [] { return absl::OkStatus(); });
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(Ask((*server)->port(), "GET /healthz HTTP/1.1\r\n\r\n"), EndsWith("ok\n"));
  EXPECT_THAT(log, HasSubstr(absl::StrCat(
                       "event=listening listener=admin address=:: port=", (*server)->port(), "\n")));
}

}  // namespace
}  // namespace mailstead::obs
