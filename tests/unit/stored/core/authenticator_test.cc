#include "stored/core/authenticator.h"

#include <crypt.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "common/base/clock.h"
#include "common/base/reason.h"
#include "common/base/worker_pool.h"
#include "stored/core/directory.h"
#include "tests/unit/stored/core/store_fixture.h"
#include "tests/unit/stored/sasl_client.h"

namespace mailstead::stored {
namespace {

constexpr char kUser[] = "Demo@example.test";
constexpr char kPassword[] = "correct horse";
const std::string kExporter(32, '\x5a');

std::string Plain(absl::string_view user, absl::string_view password, absl::string_view authzid = "") {
  const absl::string_view nul("\0", 1);
  return absl::StrCat(authzid, nul, user, nul, password);
}

using sasl::Verdict;

// An exchange, step by step.
class BlockingExchange {
 public:
  explicit BlockingExchange(std::unique_ptr<AuthExchange> exchange) : exchange_(std::move(exchange)) {}
  absl::StatusOr<AuthStep> Begin() { return BlockOn(exchange_->Begin()); }
  absl::StatusOr<AuthStep> Respond(std::string response) {
    return BlockOn(exchange_->Respond(std::move(response)));
  }
  void Abandon() { exchange_->Abandon(); }
  const std::string& claimed_account() const { return exchange_->claimed_account(); }

 private:
  const std::unique_ptr<AuthExchange> exchange_;
};

std::string AddressOf(const AuthStep& step) { return step.account.has_value() ? step.account->address : ""; }

class AuthenticatorTest : public StoreTest {
 protected:
  AuthenticatorTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    Create(kUser, {Password::Kind::kPlain, kPassword});
  }

  static ThrottleOptions Options() {
    ThrottleOptions options;
    options.lockout_failures = 5;
    return options;
  }

  void Create(absl::string_view address, Password password) {
    NewAccount account;
    account.address = std::string(address);
    account.password = std::move(password);
    ASSERT_TRUE(directory_.CreateAccount(account).ok());
  }

  static sasl::Start StartOf(absl::string_view mechanism,
                             std::optional<std::string> initial_response = std::nullopt) {
    sasl::Start start;
    start.mechanism = std::string(mechanism);
    start.initial_response = std::move(initial_response);
    start.client_address = "192.0.2.1";
    return start;
  }

  std::unique_ptr<BlockingExchange> Start(sasl::Start start) {
    return Start(authenticator_, std::move(start));
  }
  static std::unique_ptr<BlockingExchange> Start(Authenticator& authenticator, sasl::Start start) {
    auto exchange = authenticator.Start(std::move(start));
    EXPECT_TRUE(exchange.ok()) << exchange.status();
    return std::make_unique<BlockingExchange>(*std::move(exchange));
  }

  AuthStep LogInPlain(absl::string_view user, absl::string_view password, absl::string_view authzid = "") {
    const auto step = Start(StartOf("PLAIN", Plain(user, password, authzid)))->Begin();
    EXPECT_TRUE(step.ok()) << step.status();
    return *step;
  }

  // A whole exchange with a client of libgsasl.
  AuthStep LogIn(const char* mechanism, const std::string& user, const std::string& password,
                 const std::string& client_exporter = "", const std::string& server_exporter = "") {
    SaslClient client(mechanism, user, password, client_exporter);
    sasl::Start start = StartOf(mechanism);
    start.tls_exporter = server_exporter;
    if (!absl::EqualsIgnoreCase(mechanism, "LOGIN")) start.initial_response = client.Step("");
    const auto exchange = Start(std::move(start));
    absl::StatusOr<AuthStep> step = exchange->Begin();
    while (step.ok() && !step->verdict.has_value()) step = exchange->Respond(client.Step(step->challenge));
    EXPECT_TRUE(step.ok()) << step.status();
    return *step;
  }

  PasswordVerifier verifier_{kIterations};
  CredentialCache cache_{clock_, absl::Seconds(60)};
  LoginThrottle throttle_{clock_, Options()};
  Authenticator authenticator_{engine_->directory(),
                               verifier_,
                               cache_,
                               throttle_,
                               hash_pool_,
                               executor_,
                               {kIterations, std::string(32, 's')}};
};

TEST_F(AuthenticatorTest, EveryMechanismLetsTheRightPasswordIn) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    const bool plus = absl::EndsWith(mechanism, "-PLUS");
    const AuthStep step =
        LogIn(mechanism, "demo@EXAMPLE.test", kPassword, plus ? kExporter : "", plus ? kExporter : "");
    EXPECT_EQ(step.verdict, Verdict::kOk) << mechanism;
    EXPECT_EQ(AddressOf(step), kUser) << mechanism;
    EXPECT_EQ(step.account->id, directory_.GetAccount("demo@example.test")->id) << mechanism;
    EXPECT_EQ(step.answer_after, absl::ZeroDuration()) << mechanism;
  }
}

TEST_F(AuthenticatorTest, EveryMechanismKeepsAWrongPasswordOut) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    const bool plus = absl::EndsWith(mechanism, "-PLUS");
    const AuthStep step = LogIn(mechanism, kUser, "wrong", plus ? kExporter : "", plus ? kExporter : "");
    EXPECT_EQ(step.verdict, Verdict::kInvalidCredentials) << mechanism;
    EXPECT_EQ(AddressOf(step), "") << mechanism;
    EXPECT_GT(step.answer_after, absl::ZeroDuration()) << mechanism;
  }
}

TEST_F(AuthenticatorTest, PlusIsBoundToTheConnection) {
  EXPECT_EQ(LogIn("SCRAM-SHA-256-PLUS", kUser, kPassword, kExporter, std::string(32, 'x')).verdict,
            Verdict::kInvalidCredentials);
  SaslClient client("SCRAM-SHA-256-PLUS", kUser, kPassword, kExporter);
  EXPECT_EQ(Start(StartOf("SCRAM-SHA-256-PLUS", client.Step("")))->Begin()->verdict,
            Verdict::kUnsupportedMechanism)
      << "without TLS there is nothing to bind to";
}

TEST_F(AuthenticatorTest, PlusTakesTheUniqueValueOfTls12) {
  const std::string unique(12, '\x5b');
  const auto log_in = [&](const std::string& of_client, const std::string& of_server) {
    SaslClient client("SCRAM-SHA-256-PLUS", kUser, kPassword, "", of_client);
    sasl::Start start = StartOf("SCRAM-SHA-256-PLUS", client.Step(""));
    start.tls_exporter = kExporter;
    start.tls_unique = of_server;
    const auto exchange = Start(std::move(start));
    absl::StatusOr<AuthStep> step = exchange->Begin();
    while (!step->verdict.has_value()) step = exchange->Respond(client.Step(step->challenge));
    return *step;
  };
  EXPECT_EQ(log_in(unique, unique).verdict, Verdict::kOk);
  EXPECT_EQ(log_in(unique, std::string(12, 'x')).result, LoginResult::kBadChannelBinding);
  // TLS 1.3 has none.
  EXPECT_EQ(log_in(unique, "").result, LoginResult::kBadChannelBinding);
}

TEST_F(AuthenticatorTest, WhatDoesNotFitTheChannelIsNoWrongPassword) {
  // More than would lock out the account, and then the network.
  for (int i = 0; i < 2 * ThrottleOptions().network_lockout_failures; ++i) {
    const AuthStep step = LogIn("SCRAM-SHA-256-PLUS", kUser, kPassword, kExporter, std::string(32, 'x'));
    ASSERT_EQ(step.verdict, Verdict::kInvalidCredentials);
    ASSERT_EQ(step.result, LoginResult::kBadChannelBinding);
    const auto first = [&](const std::string& message) {
      sasl::Start start = StartOf("SCRAM-SHA-256-PLUS", message);
      start.tls_exporter = kExporter;
      return Start(std::move(start))->Begin()->result;
    };
    ASSERT_EQ(first("p=tls-unique,,n=demo@example.test,r=0123456789"), LoginResult::kBadChannelBinding);
    ASSERT_EQ(first("p=tls-server-end-point,,n=demo@example.test,r=0123456789"),
              LoginResult::kBadChannelBinding);
  }
  EXPECT_EQ(LogIn("SCRAM-SHA-256-PLUS", kUser, kPassword, kExporter, kExporter).verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  // It is slowed down.
  EXPECT_EQ(LogIn("SCRAM-SHA-256-PLUS", kUser, kPassword, kExporter, std::string(32, 'x')).answer_after,
            ThrottleOptions().max_delay);
}

TEST_F(AuthenticatorTest, NothingThatProvesNothingLocksAnybodyOut) {
  Create("other@example.test", {Password::Kind::kPlain, kPassword});
  for (int i = 0; i < 2 * ThrottleOptions().network_lockout_failures; ++i) {
    const auto result = [&](absl::string_view mechanism, const std::string& initial) {
      return Start(StartOf(mechanism, initial))->Begin()->result;
    };
    ASSERT_EQ(result("PLAIN", "nonsense"), LoginResult::kMalformed);
    ASSERT_EQ(result("SCRAM-SHA-256", "nonsense"), LoginResult::kMalformed);
    ASSERT_EQ(result("CRAM-MD5", "nonsense"), LoginResult::kUnsupportedMechanism);
    ASSERT_EQ(result("PLAIN", Plain(kUser, kPassword, "other@example.test")), LoginResult::kForAnother);
    const auto abandoned = Start(StartOf("SCRAM-SHA-256", "n,,n=demo@example.test,r=0123456789"));
    ASSERT_TRUE(abandoned->Begin().ok());
    EXPECT_EQ(abandoned->claimed_account(), "demo@example.test");
    abandoned->Abandon();
    const auto another_nonce = Start(StartOf("SCRAM-SHA-256", "n,,n=demo@example.test,r=0123456789"));
    ASSERT_TRUE(another_nonce->Begin().ok());
    ASSERT_EQ(another_nonce->Respond("c=biws,r=another,p=AAAA")->result, LoginResult::kMalformed);
  }
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  EXPECT_EQ(LogIn("SCRAM-SHA-256", kUser, kPassword).verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain("other@example.test", kPassword).verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, WhoLoggedInLatelyGetsInWhileTheNetworkIsLockedOut) {
  Create("other@example.test", {Password::Kind::kPlain, kPassword});
  ASSERT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  for (int i = 0; i < ThrottleOptions().network_lockout_failures; ++i)
    LogInPlain(absl::StrCat(i, "@example.test"), "guess");
  EXPECT_EQ(LogInPlain("other@example.test", kPassword).result, LoginResult::kLockedOut);
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  EXPECT_EQ(LogIn("SCRAM-SHA-256", kUser, kPassword).verdict, Verdict::kOk);
  const AuthStep wrong = LogInPlain(kUser, "wrong");
  EXPECT_EQ(wrong.verdict, Verdict::kInvalidCredentials);
  EXPECT_EQ(wrong.answer_after, LogInPlain("nobody@example.test", "wrong").answer_after);
}

TEST_F(AuthenticatorTest, ALockOutEndsTheExchangesThatWereBegunBefore) {
  // 40 clients that need but their last message.
  std::vector<std::unique_ptr<SaslClient>> clients;
  std::vector<std::unique_ptr<BlockingExchange>> exchanges;
  std::vector<std::string> last;
  for (int i = 0; i < 40; ++i) {
    // The last of them knows the password.
    const std::string password = i == 39 ? kPassword : absl::StrCat("guess ", i);
    clients.push_back(std::make_unique<SaslClient>("SCRAM-SHA-256", kUser, password));
    exchanges.push_back(Start(StartOf("SCRAM-SHA-256", clients.back()->Step(""))));
    last.push_back(clients.back()->Step(exchanges.back()->Begin()->challenge));
  }
  int looked_at = 0;
  for (size_t i = 0; i < exchanges.size(); ++i) {
    const AuthStep step = *exchanges[i]->Respond(last[i]);
    EXPECT_EQ(step.verdict, Verdict::kInvalidCredentials) << i;
    if (step.result == LoginResult::kInvalidCredentials) ++looked_at;
  }
  EXPECT_EQ(looked_at, Options().lockout_failures);
}

TEST_F(AuthenticatorTest, AnAccountThatIsChangedDuringAnExchangeIsNotLoggedIn) {
  const auto log_in = [&](auto change, bool before_the_empty_response) {
    SaslClient client("SCRAM-SHA-256", kUser, kPassword);
    const auto exchange = Start(StartOf("SCRAM-SHA-256", client.Step("")));
    const std::string final = client.Step(exchange->Begin()->challenge);
    if (!before_the_empty_response) change();
    absl::StatusOr<AuthStep> step = exchange->Respond(final);
    if (before_the_empty_response) change();
    if (!step->verdict.has_value()) step = exchange->Respond("");
    return *step->verdict;
  };
  const auto set_disabled = [&](bool disabled) {
    AccountUpdate update{"demo@example.test"};
    update.disabled = disabled;
    ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  };
  for (const bool late : {false, true}) {
    EXPECT_EQ(log_in([] {}, late), Verdict::kOk);
    EXPECT_EQ(log_in([&] { set_disabled(true); }, late), Verdict::kDisabled);
    set_disabled(false);
    EXPECT_EQ(log_in(
                  [&] {
                    EXPECT_TRUE(directory_.SetPassword(kUser, {Password::Kind::kPlain, kPassword}).ok());
                  },
                  late),
              Verdict::kInvalidCredentials);
  }
  EXPECT_EQ(log_in([&] { EXPECT_TRUE(directory_.DeleteAccount("demo@example.test").ok()); }, true),
            Verdict::kInvalidCredentials);
}

TEST_F(AuthenticatorTest, AttemptsDuringALockOutDoNotCount) {
  for (int i = 0; i < 5; ++i) LogInPlain(kUser, absl::StrCat("guess ", i));
  clock_.Advance(ThrottleOptions().lockout_time / 2);
  for (int i = 0; i < 20; ++i) LogInPlain(kUser, absl::StrCat("late guess ", i));
  for (int i = 0; i < 20; ++i) LogIn("SCRAM-SHA-256", kUser, absl::StrCat("late guess ", i));
  clock_.Advance(ThrottleOptions().lockout_time / 2);
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, APasswordThatIsNoUtf8IsTriedAsLatin1) {
  ASSERT_TRUE(directory_.SetPassword(kUser, {Password::Kind::kPlain, "Gr\u00fcn-123"}).ok());
  EXPECT_EQ(LogInPlain(kUser, "Gr\xfcn-123").verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain(kUser, "Gr\u00fcn-123").verdict, Verdict::kOk);
  const auto login = Start(StartOf("LOGIN", kUser));
  ASSERT_TRUE(login->Begin().ok());
  EXPECT_EQ(login->Respond("Gr\xfcn-123")->verdict, Verdict::kOk);
  for (const char* wrong : {"Gr\xf6n-123", "\xff\xfe", "\xc0\x80", "Gr\x9f"}) {
    const AuthStep step = LogInPlain(kUser, wrong);
    EXPECT_EQ(step.verdict, Verdict::kInvalidCredentials) << wrong;
    EXPECT_EQ(step.result, LoginResult::kInvalidCredentials) << wrong;
  }
}

TEST_F(AuthenticatorTest, ImportedHashesAreOfWhatCameOrOfItsUtf8) {
  crypt_data data = {};
  Create("utf8@example.test",
         {Password::Kind::kCryptHash, crypt_r("Gr\u00fcn", "$6$rounds=1000$saltstring$", &data)});
  Create("latin1@example.test",
         {Password::Kind::kCryptHash, crypt_r("Gr\xfcn", "$6$rounds=1000$saltstring$", &data)});
  EXPECT_EQ(LogInPlain("utf8@example.test", "Gr\u00fcn").verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain("utf8@example.test", "Gr\xfcn").verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain("latin1@example.test", "Gr\xfcn").verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain("latin1@example.test", "Gr\xf6n").verdict, Verdict::kInvalidCredentials);
}

TEST_F(AuthenticatorTest, AClientThatWasToldThereIsNoPlusIsRefused) {
  sasl::Start start = StartOf("SCRAM-SHA-256", "y,,n=demo@example.test,r=0123456789");
  start.tls_exporter = kExporter;
  EXPECT_EQ(Start(start)->Begin()->verdict, Verdict::kInvalidCredentials);
  // Without TLS "y" is honest.
  start.tls_exporter = "";
  EXPECT_FALSE(Start(start)->Begin()->verdict.has_value());
  // "n": the client cannot bind.
  start.initial_response = "n,,n=demo@example.test,r=0123456789";
  start.tls_exporter = kExporter;
  EXPECT_FALSE(Start(start)->Begin()->verdict.has_value());
}

TEST_F(AuthenticatorTest, ScramEndsWithTheServersProofAndAnEmptyResponse) {
  SaslClient client("SCRAM-SHA-256", kUser, kPassword);
  const auto exchange = Start(StartOf("SCRAM-SHA-256", client.Step("")));
  const std::string server_first = exchange->Begin()->challenge;
  EXPECT_TRUE(absl::StrContains(server_first, ",i=4096")) << server_first;
  const std::string server_final = exchange->Respond(client.Step(server_first))->challenge;
  EXPECT_TRUE(absl::StartsWith(server_final, "v=")) << server_final;
  bool ok = false;
  EXPECT_EQ(client.Step(server_final, &ok), "");
  EXPECT_TRUE(ok) << "the client has checked the server";
  EXPECT_EQ(exchange->Respond("")->verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, SomethingBehindServerFinalIsMalformed) {
  SaslClient client("SCRAM-SHA-256", kUser, kPassword);
  const auto exchange = Start(StartOf("SCRAM-SHA-256", client.Step("")));
  ASSERT_TRUE(exchange->Respond(client.Step(exchange->Begin()->challenge)).ok());
  EXPECT_EQ(exchange->Respond("x")->verdict, Verdict::kMalformed);
}

TEST_F(AuthenticatorTest, LoginAsksInTheWordsThatClientsKnow) {
  const auto exchange = Start(StartOf("LOGIN"));
  EXPECT_EQ(exchange->Begin()->challenge, "Username:");
  EXPECT_EQ(exchange->Respond(kUser)->challenge, "Password:");
  EXPECT_EQ(exchange->Respond(kPassword)->verdict, Verdict::kOk);
  const auto with_initial = Start(StartOf("LOGIN", kUser));
  EXPECT_EQ(with_initial->Begin()->challenge, "Password:");
  EXPECT_EQ(with_initial->Respond(kPassword)->verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, PlainWithoutInitialResponseGetsAnEmptyChallenge) {
  const auto exchange = Start(StartOf("PLAIN"));
  const auto step = exchange->Begin();
  EXPECT_FALSE(step->verdict.has_value());
  EXPECT_EQ(step->challenge, "");
  EXPECT_EQ(exchange->Respond(Plain(kUser, kPassword))->verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, NobodyActsForAnother) {
  Create("other@example.test", {Password::Kind::kPlain, kPassword});
  EXPECT_EQ(LogInPlain(kUser, kPassword, "demo@example.test").verdict, Verdict::kOk);
  EXPECT_EQ(LogInPlain(kUser, kPassword, "other@example.test").verdict, Verdict::kInvalidCredentials);
  const auto exchange =
      Start(StartOf("SCRAM-SHA-256", "n,a=other@example.test,n=demo@example.test,r=0123456789"));
  EXPECT_FALSE(exchange->Begin()->verdict.has_value()) << "it fails like a wrong password, at the end";
}

TEST_F(AuthenticatorTest, MalformedExchanges) {
  EXPECT_EQ(Start(StartOf("PLAIN", ""))->Begin()->verdict, Verdict::kMalformed);
  EXPECT_EQ(Start(StartOf("PLAIN", "no separators"))->Begin()->verdict, Verdict::kMalformed);
  EXPECT_EQ(Start(StartOf("SCRAM-SHA-256", ""))->Begin()->verdict, Verdict::kMalformed);
  EXPECT_EQ(Start(StartOf("SCRAM-SHA-256", "hello"))->Begin()->verdict, Verdict::kMalformed);
  const auto login = Start(StartOf("LOGIN"));
  ASSERT_TRUE(login->Begin().ok());
  EXPECT_EQ(login->Respond("")->verdict, Verdict::kMalformed);
  const auto plain = Start(StartOf("PLAIN"));
  ASSERT_TRUE(plain->Begin().ok());
  EXPECT_EQ(plain->Respond(std::string(9217, 'x'))->verdict, Verdict::kMalformed);
}

TEST_F(AuthenticatorTest, OtherMechanismsAreNotOffered) {
  for (const char* mechanism :
       {"", "plain", "CRAM-MD5", "DIGEST-MD5", "ANONYMOUS", "EXTERNAL", "SCRAM-SHA-1", "GSSAPI"}) {
    EXPECT_EQ(Start(StartOf(mechanism, "x"))->Begin()->verdict, Verdict::kUnsupportedMechanism) << mechanism;
  }
}

TEST_F(AuthenticatorTest, FieldsAreNamed) {
  const auto field = [&](auto change) {
    sasl::Start start = StartOf("PLAIN", "x");
    change(start);
    return FieldOf(authenticator_.Start(start).status());
  };
  EXPECT_EQ(field([](sasl::Start& s) { s.client_address = ""; }), "start.client_address");
  EXPECT_EQ(field([](sasl::Start& s) { s.tls_exporter = std::string(65, 'x'); }), "start.tls_exporter");
  EXPECT_EQ(field([](sasl::Start& s) { s.initial_response = std::string(9217, 'x'); }),
            "start.initial_response");
}

TEST_F(AuthenticatorTest, DisabledIsToldOnlyToWhoKnowsThePassword) {
  AccountUpdate update{"demo@example.test"};
  update.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kDisabled);
  EXPECT_EQ(LogIn("SCRAM-SHA-256", kUser, kPassword).verdict, Verdict::kDisabled);
  EXPECT_EQ(LogInPlain(kUser, "wrong").verdict, Verdict::kInvalidCredentials);
}

TEST_F(AuthenticatorTest, AnUnknownAccountCostsAsMuchAsAWrongPassword) {
  const AuthStep wrong = LogInPlain(kUser, "wrong");
  EXPECT_EQ(verifier_.derivation_count(), 1u);
  const AuthStep unknown = LogInPlain("nobody@example.test", "wrong");
  EXPECT_EQ(verifier_.derivation_count(), 2u);
  const AuthStep no_address = LogInPlain("nobody", "wrong");
  EXPECT_EQ(verifier_.derivation_count(), 3u);
  Create("passwordless@example.test", {});
  const AuthStep passwordless = LogInPlain("passwordless@example.test", "wrong");
  EXPECT_EQ(verifier_.derivation_count(), 4u);
  for (const AuthStep& step : {unknown, no_address, passwordless}) {
    EXPECT_EQ(step.verdict, wrong.verdict);
    EXPECT_EQ(step.answer_after, wrong.answer_after);
  }
}

// The challenge to a client-first message for this user, without its random nonce.
std::string SaltAndIterations(absl::string_view server_first) {
  const std::vector<std::string> parts = absl::StrSplit(server_first, ',');
  return parts.size() == 3 ? absl::StrCat(parts[1], ",", parts[2]) : std::string(server_first);
}

TEST_F(AuthenticatorTest, ScramLooksTheSameForUnknownAccounts) {
  const auto server_first = [&](Authenticator& authenticator, absl::string_view user) {
    const auto exchange =
        Start(authenticator, StartOf("SCRAM-SHA-256", absl::StrCat("n,,n=", user, ",r=0123456789")));
    return SaltAndIterations(exchange->Begin()->challenge);
  };
  const std::string known = server_first(authenticator_, "demo@example.test");
  const std::string unknown = server_first(authenticator_, "nobody@example.test");
  EXPECT_EQ(known.size(), unknown.size());
  EXPECT_EQ(known.substr(known.find(",i=")), unknown.substr(unknown.find(",i=")));
  EXPECT_NE(unknown, server_first(authenticator_, "nobody2@example.test"));
  EXPECT_EQ(unknown, server_first(authenticator_, "NOBODY@example.test"));
  // After a restart too.
  Authenticator restarted(engine_->directory(), verifier_, cache_, throttle_, hash_pool_, executor_,
                          {kIterations, std::string(32, 's')});
  EXPECT_EQ(unknown, server_first(restarted, "nobody@example.test"));
  EXPECT_EQ(LogIn("SCRAM-SHA-256", "nobody@example.test", kPassword).verdict, Verdict::kInvalidCredentials);

  // Whatever stands in the way of a login, a name is asked with the same salt, and a form of it with that of the name.
  Create("disabled@example.test", {Password::Kind::kPlain, kPassword});
  AccountUpdate update{"disabled@example.test"};
  update.disabled = true;
  const std::string enabled = server_first(authenticator_, "disabled@example.test");
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(server_first(authenticator_, "disabled@example.test"), enabled);
  Create("passwordless@example.test", {});
  ASSERT_TRUE(directory_.CreateDomain("xn--bcher-kva.test", true).ok());
  Create("demo@xn--bcher-kva.test", {Password::Kind::kPlain, kPassword});
  const std::vector<std::vector<const char*>> names = {
      {"demo@example.test", "Demo@EXAMPLE.test", "DEMO@example.TEST"},
      {"disabled@example.test", "Disabled@example.test"},
      {"passwordless@example.test", "PASSWORDLESS@example.test"},
      {"nobody@example.test", "Nobody@Example.Test"},
      {"somebody@unknown.test", "Somebody@UNKNOWN.test"},
      {"demo@xn--bcher-kva.test", "demo@b\u00fccher.test", "DEMO@B\u00dcCHER.test"},
      {"nobody@xn--bcher-kva.test", "nobody@b\u00fccher.test"},
      {"somebody@xn--mller-kva.test", "somebody@m\u00fcller.test"},
      {"noaddress", "NOADDRESS"}};
  for (const std::vector<const char*>& forms : names) {
    const std::string usual = server_first(authenticator_, forms.front());
    EXPECT_EQ(usual.size(), known.size()) << forms.front();
    EXPECT_EQ(usual.substr(usual.find(",i=")), known.substr(known.find(",i="))) << forms.front();
    const auto look = [&](absl::string_view when) {
      for (const char* const name : forms) {
        EXPECT_EQ(server_first(authenticator_, name), usual) << name << " " << when;
        const auto for_another =
            Start(authenticator_,
                  StartOf("SCRAM-SHA-256", absl::StrCat("n,a=other@example.test,n=", name, ",r=0123456789")));
        EXPECT_EQ(SaltAndIterations(for_another->Begin()->challenge), usual)
            << name << " for another, " << when;
      }
    };
    look("at first");
    for (int i = 0; i < Options().lockout_failures; ++i) LogInPlain(forms.front(), absl::StrCat("guess ", i));
    EXPECT_EQ(LogInPlain(forms.front(), kPassword).result, LoginResult::kLockedOut) << forms.front();
    look("locked out");
  }
}

TEST_F(AuthenticatorTest, WhatAStrangerTriesLooksTheSameForEveryState) {
  Create("disabled@example.test", {Password::Kind::kPlain, kPassword});
  AccountUpdate update{"disabled@example.test"};
  update.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  Create("passwordless@example.test", {});
  Create("known@example.test", {Password::Kind::kPlain, kPassword});
  const std::string names[] = {"demo@example.test",  "disabled@example.test", "passwordless@example.test",
                               "known@example.test", "nobody@example.test",   "somebody@unknown.test",
                               "no address"};
  // A network for each name: the counts of the network are no part of the question.
  const auto network = [](size_t i) { return absl::StrCat("203.0.113.", i); };
  for (size_t i = 0; i < std::size(names); ++i) {
    if (names[i] != "known@example.test") continue;
    sasl::Start start = StartOf("PLAIN", Plain(names[i], kPassword));
    start.client_address = network(i);
    ASSERT_EQ(Start(start)->Begin()->verdict, Verdict::kOk);
  }
  // Wrong passwords by each mechanism, a wrong one for another, a malformed end: well beyond the lock-out.
  for (int round = 0; round < 8; ++round) {
    std::vector<std::string> seen;
    for (size_t i = 0; i < std::size(names); ++i) {
      const auto start = [&](absl::string_view mechanism, std::optional<std::string> initial) {
        sasl::Start it = StartOf(mechanism, std::move(initial));
        it.client_address = network(i);
        return Start(std::move(it));
      };
      std::string saw;
      const auto see = [&saw](const absl::StatusOr<AuthStep>& step) {
        ASSERT_TRUE(step.ok()) << step.status();
        absl::StrAppend(&saw, step->verdict.has_value() ? static_cast<int>(*step->verdict) : -1, " ",
                        step->verdict.has_value() ? step->challenge : "", " ",
                        absl::FormatDuration(step->answer_after), "; ");
      };
      const std::string guess = absl::StrCat("guess ", round);
      see(start("PLAIN", Plain(names[i], guess))->Begin());
      see(start("PLAIN", Plain(names[i], guess, "other@example.test"))->Begin());
      const auto login = start("LOGIN", names[i]);
      see(login->Begin());
      see(login->Respond(guess));
      SaslClient client("SCRAM-SHA-256", names[i], guess);
      const auto scram = start("SCRAM-SHA-256", client.Step(""));
      const absl::StatusOr<AuthStep> first = scram->Begin();
      see(first);
      see(scram->Respond(client.Step(first->challenge)));
      const auto malformed = start("SCRAM-SHA-256", absl::StrCat("n,,n=", names[i], ",r=0123456789"));
      see(malformed->Begin());
      see(malformed->Respond("c=biws,r=x,p=AAAA"));
      seen.push_back(std::move(saw));
    }
    for (size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i], seen[0]) << names[i] << " in round " << round;
  }
}

TEST_F(AuthenticatorTest, ARightPasswordCostsNoHashingForAWhile) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  EXPECT_EQ(verifier_.derivation_count(), 1u);
  EXPECT_EQ(LogInPlain(kUser, "wrong").verdict, Verdict::kInvalidCredentials);
  EXPECT_EQ(verifier_.derivation_count(), 2u);
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  EXPECT_EQ(verifier_.derivation_count(), 3u);
}

TEST_F(AuthenticatorTest, APasswordChangeEndsThatAtOnce) {
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  ASSERT_TRUE(directory_.SetPassword(kUser, {Password::Kind::kPlain, "new"}).ok());
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kInvalidCredentials);
  EXPECT_EQ(LogInPlain(kUser, "new").verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, ALockedOutClientIsNotChecked) {
  for (int i = 0; i < 5; ++i) LogInPlain(kUser, absl::StrCat("guess ", i));
  const uint64_t derivations = verifier_.derivation_count();
  const AuthStep right = LogInPlain(kUser, kPassword);
  EXPECT_EQ(right.verdict, Verdict::kInvalidCredentials);
  EXPECT_GT(right.answer_after, absl::ZeroDuration());
  EXPECT_EQ(verifier_.derivation_count(), derivations);
  EXPECT_EQ(LogIn("SCRAM-SHA-256", kUser, kPassword).verdict, Verdict::kInvalidCredentials);
  // From elsewhere the user comes in.
  sasl::Start elsewhere = StartOf("PLAIN", Plain(kUser, kPassword));
  elsewhere.client_address = "198.51.100.7";
  EXPECT_EQ(Start(elsewhere)->Begin()->verdict, Verdict::kOk);
  clock_.Advance(ThrottleOptions().lockout_time);
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, LockOutsLookTheSameForUnknownAccounts) {
  std::vector<AuthStep> known, unknown;
  for (int i = 0; i < 8; ++i) {
    sasl::Start start = StartOf("PLAIN", Plain(kUser, absl::StrCat(i)));
    known.push_back(*Start(start)->Begin());
    start = StartOf("PLAIN", Plain("nobody@example.test", absl::StrCat(i)));
    start.client_address = "198.51.100.7";
    unknown.push_back(*Start(start)->Begin());
  }
  for (size_t i = 0; i < known.size(); ++i) {
    EXPECT_EQ(known[i].verdict, unknown[i].verdict) << i;
    EXPECT_EQ(known[i].answer_after, unknown[i].answer_after) << i;
    EXPECT_EQ(known[i].result, unknown[i].result) << i;
  }
  EXPECT_EQ(known.back().result, LoginResult::kLockedOut);
  // The challenge of SCRAM is asked for during the lock-out, too.
  const auto salt = [&](const std::string& user, const char* client_address) {
    sasl::Start start = StartOf("SCRAM-SHA-256", absl::StrCat("n,,n=", user, ",r=0123456789"));
    start.client_address = client_address;
    return SaltAndIterations(Start(start)->Begin()->challenge);
  };
  EXPECT_EQ(salt("demo@example.test", "192.0.2.1"), salt("demo@example.test", "192.0.2.99"));
  EXPECT_EQ(salt("nobody@example.test", "198.51.100.7"), salt("nobody@example.test", "192.0.2.99"));
}

TEST_F(AuthenticatorTest, ImportedHashesServePasswordsButNotScram) {
  crypt_data data = {};
  const std::string hashes[] = {crypt_r("old secret", "$6$rounds=1000$saltstring$", &data),
                                crypt_r("old secret", "$2y$04$abcdefghijklmnopqrstuu", &data)};
  int i = 0;
  for (const std::string& hash : hashes) {
    const std::string user = absl::StrCat("imported", ++i, "@example.test");
    Create(user, {Password::Kind::kCryptHash, hash});
    EXPECT_EQ(LogInPlain(user, "old secret").verdict, Verdict::kOk) << hash;
    EXPECT_EQ(LogIn("LOGIN", user, "old secret").verdict, Verdict::kOk) << hash;
    EXPECT_EQ(LogInPlain(user, "old secre").verdict, Verdict::kInvalidCredentials) << hash;
    EXPECT_EQ(LogIn("SCRAM-SHA-256", user, "old secret").verdict, Verdict::kInvalidCredentials) << hash;
    ASSERT_TRUE(directory_.SetPassword(user, {Password::Kind::kPlain, "old secret"}).ok());
    EXPECT_EQ(LogIn("SCRAM-SHA-256", user, "old secret").verdict, Verdict::kOk) << hash;
  }
}

TEST_F(AuthenticatorTest, PasswordsMayHaveSpacesAndUnicode) {
  for (const char* password : {" leading and trailing ", "pässwörd ☂", "a b c"}) {
    ASSERT_TRUE(directory_.SetPassword(kUser, {Password::Kind::kPlain, password}).ok());
    EXPECT_EQ(LogInPlain(kUser, password).verdict, Verdict::kOk) << password;
    EXPECT_EQ(LogIn("SCRAM-SHA-256", kUser, password).verdict, Verdict::kOk) << password;
  }
}

TEST_F(AuthenticatorTest, AnEngineThatIsAwayIsNoVerdict) {
  AwayDirectory away;
  Authenticator authenticator(away, verifier_, cache_, throttle_, hash_pool_, executor_,
                              {kIterations, std::string(32, 's')});
  EXPECT_TRUE(
      absl::IsUnavailable(Start(authenticator, StartOf("PLAIN", Plain(kUser, kPassword)))->Begin().status()));
  EXPECT_TRUE(absl::IsUnavailable(
      Start(authenticator, StartOf("SCRAM-SHA-256", "n,,n=demo@example.test,r=0123456789"))
          ->Begin()
          .status()));
  EXPECT_FALSE(throttle_.IsLockedOut("demo@example.test", "192.0.2.1"));
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
}

TEST_F(AuthenticatorTest, ARememberedPasswordIsAnsweredWithoutAChangeOfThreads) {
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  const int wake_ups = executor_.wake_up_count();
  EXPECT_EQ(LogInPlain(kUser, kPassword).verdict, Verdict::kOk);
  EXPECT_EQ(executor_.wake_up_count(), wake_ups);
}

TEST_F(AuthenticatorTest, AFullPoolIsNoVerdict) {
  absl::Notification go_on;
  WorkerPool full(1, 1);
  absl::Notification busy;
  ASSERT_TRUE(full.Submit([&] {
    busy.Notify();
    go_on.WaitForNotification();
  }));
  busy.WaitForNotification();
  ASSERT_TRUE(full.Submit([] {}));
  Authenticator authenticator(engine_->directory(), verifier_, cache_, throttle_, full, executor_,
                              {kIterations, std::string(32, 's')});
  const auto step = Start(authenticator, StartOf("PLAIN", Plain(kUser, kPassword)))->Begin();
  go_on.Notify();
  EXPECT_TRUE(absl::IsResourceExhausted(step.status()));
  EXPECT_EQ(ReasonOf(step.status()), kReasonBusy);
}

TEST_F(AuthenticatorTest, ManyExchangesAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> let_in = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        if (LogIn("SCRAM-SHA-256", kUser, kPassword).verdict == Verdict::kOk) ++let_in;
        if (LogInPlain(kUser, kPassword).verdict == Verdict::kOk) ++let_in;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(let_in, 80);
}

}  // namespace
}  // namespace mailstead::stored
