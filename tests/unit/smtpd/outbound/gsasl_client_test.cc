#include "smtpd/outbound/gsasl_client.h"

#include <gsasl.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"

namespace mailstead::smtp::outbound {
namespace {

// The server's side, of GNU SASL too, which knows the password "secret" of "user".
class Server {
 public:
  explicit Server(const char* mechanism) {
    EXPECT_EQ(gsasl_init(&library_), GSASL_OK);
    gsasl_callback_set(library_, [](Gsasl*, Gsasl_session* session, Gsasl_property property) -> int {
      const auto is = [session](Gsasl_property asked, absl::string_view value) {
        const char* const said = gsasl_property_get(session, asked);
        return said != nullptr && said == value;
      };
      switch (property) {
        case GSASL_PASSWORD:
          return gsasl_property_set(session, property, "secret");
        case GSASL_VALIDATE_SIMPLE:
          return is(GSASL_AUTHID, "user") && is(GSASL_PASSWORD, "secret") ? GSASL_OK
                                                                          : GSASL_AUTHENTICATION_ERROR;
        default:
          return GSASL_NO_CALLBACK;
      }
    });
    EXPECT_EQ(gsasl_server_start(library_, mechanism, &session_), GSASL_OK);
  }
  ~Server() {
    gsasl_finish(session_);
    gsasl_done(library_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // GSASL_OK or GSASL_NEEDS_MORE with `challenge`, or an error.
  int Step(const std::string& response, std::string& challenge) {
    char* output = nullptr;
    size_t size = 0;
    const int code = gsasl_step(session_, response.data(), response.size(), &output, &size);
    challenge.assign(output == nullptr ? "" : output, output == nullptr ? 0 : size);
    gsasl_free(output);
    return code;
  }

 private:
  Gsasl* library_ = nullptr;
  Gsasl_session* session_ = nullptr;
};

class GsaslClientTest : public ::testing::Test {
 protected:
  // How the exchange ends for the server, and whether the client is content.
  std::pair<int, bool> LogIn(const std::string& mechanism, std::string password) {
    GsaslClient client("user", std::move(password), pool_);
    Server server(mechanism.c_str());
    const absl::StatusOr<std::optional<std::string>> begun = net::Await(context_, client.Begin(mechanism));
    EXPECT_TRUE(begun.ok()) << begun.status();
    std::string challenge;
    int code = server.Step(begun->value_or(""), challenge);
    while (code == GSASL_NEEDS_MORE || (code == GSASL_OK && !challenge.empty())) {
      const bool last = code == GSASL_OK;
      const absl::StatusOr<std::string> response = net::Await(context_, client.Respond(challenge));
      EXPECT_TRUE(response.ok()) << response.status();
      if (last) break;
      code = server.Step(*response, challenge);
    }
    return {code, client.complete()};
  }

  asio::io_context context_{1};
  WorkerPool pool_{1, 10};
};

TEST_F(GsaslClientTest, LogsIn) {
  for (const char* mechanism : {"SCRAM-SHA-256", "PLAIN", "LOGIN"}) {
    EXPECT_EQ(LogIn(mechanism, "secret"), std::make_pair(static_cast<int>(GSASL_OK), true)) << mechanism;
    EXPECT_NE(LogIn(mechanism, "wrong").first, GSASL_OK) << mechanism;
  }
}

// SECURITY: a host that says 235 before it has proved that it knows the password is not believed.
TEST_F(GsaslClientTest, ScramIsCompleteOnlyWithTheHostsProof) {
  GsaslClient client("user", "secret", pool_);
  Server server("SCRAM-SHA-256");
  std::string challenge;
  const absl::StatusOr<std::optional<std::string>> begun =
      net::Await(context_, client.Begin("SCRAM-SHA-256"));
  ASSERT_TRUE(begun.ok());
  server.Step(**begun, challenge);
  EXPECT_FALSE(client.complete());
  const absl::StatusOr<std::string> proof = net::Await(context_, client.Respond(challenge));
  ASSERT_TRUE(proof.ok());
  EXPECT_FALSE(client.complete());
  EXPECT_FALSE(net::Await(context_, client.Respond("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).ok());
  EXPECT_FALSE(client.complete());
}

// SECURITY: a host cannot make us hash for an hour.
TEST_F(GsaslClientTest, IterationsAreBounded) {
  for (const auto& [iterations, taken] :
       {std::pair<uint64_t, bool>{4096, true}, {kMaxScramIterations + 1, false}, {4'294'967'295, false}}) {
    GsaslClient client("user", "secret", pool_);
    const absl::StatusOr<std::optional<std::string>> begun =
        net::Await(context_, client.Begin("SCRAM-SHA-256"));
    ASSERT_TRUE(begun.ok());
    // "n,,n=user,r=<nonce>"
    const std::string nonce = (*begun)->substr((*begun)->find(",r=") + 3);
    const std::string challenge = absl::StrCat("r=", nonce, "host,s=c2FsdHNhbHQ=,i=", iterations);
    EXPECT_EQ(net::Await(context_, client.Respond(challenge)).ok(), taken) << iterations;
  }
}

TEST_F(GsaslClientTest, OtherMechanismsAndAFullPool) {
  GsaslClient client("user", "secret", pool_);
  EXPECT_TRUE(absl::IsInvalidArgument(net::Await(context_, client.Begin("CRAM-MD5")).status()));
  WorkerPool full(1, 0);
  GsaslClient waiting("user", "secret", full);
  EXPECT_TRUE(absl::IsResourceExhausted(net::Await(context_, waiting.Begin("PLAIN")).status()));
}

}  // namespace
}  // namespace mailstead::smtp::outbound
