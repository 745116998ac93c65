#include "smtpd/outbound/gsasl_client.h"

#include <gsasl.h>
#include <openssl/crypto.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "asio/post.hpp"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "common/sasl/mechanisms.h"

namespace mailstead::smtp::outbound {
namespace {

// For one step, on a pool that others use too.
constexpr std::chrono::seconds kStepTimeout(30);

// SECURITY: the host says how often the password is hashed.
bool AsksForTooMuch(absl::string_view challenge) {
  for (absl::string_view attribute : absl::StrSplit(challenge, ',')) {
    if (!absl::ConsumePrefix(&attribute, "i=")) continue;
    uint64_t iterations = 0;
    if (!absl::SimpleAtoi(attribute, &iterations) || iterations > kMaxScramIterations) return true;
  }
  return false;
}

}  // namespace

struct GsaslClient::Exchange {
  ~Exchange() {
    if (session != nullptr) gsasl_finish(session);
    if (library != nullptr) gsasl_done(library);
    OPENSSL_cleanse(password.data(), password.size());
  }
  static int Callback(Gsasl*, Gsasl_session* session, Gsasl_property property);
  absl::Status Start(const std::string& mechanism);
  absl::StatusOr<std::string> Step(const std::string& challenge);

  std::string user;
  std::string password;
  Gsasl* library = nullptr;
  Gsasl_session* session = nullptr;
  bool scram = false;
  std::atomic<bool> complete = false;
};

namespace {

// The outcome of a step, and what the coroutine waits for: the timer is cut short when it is there.
struct Pending {
  explicit Pending(const asio::any_io_executor& executor) : timer(executor, kStepTimeout) {}
  std::optional<absl::StatusOr<std::string>> result;
  asio::steady_timer timer;
};

// Runs `work` on `pool`.
template <typename Work>
asio::awaitable<absl::StatusOr<std::string>> RunOn(WorkerPool& pool, Work work) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto pending = std::make_shared<Pending>(executor);
  auto task = [pending, executor, work = std::move(work)]() mutable {
    auto arrive = [pending, result = work()]() mutable {
      pending->result.emplace(std::move(result));
      pending->timer.cancel();
    };
    asio::post(executor, std::move(arrive));
  };
  if (!pool.Submit(std::move(task))) co_return absl::ResourceExhaustedError("too many logins at a time");
  std::error_code ended;
  co_await pending->timer.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  if (!pending->result.has_value())
    co_return absl::DeadlineExceededError("a step of the login takes too long");
  co_return *std::move(pending->result);
}

}  // namespace

int GsaslClient::Exchange::Callback(Gsasl*, Gsasl_session* session, Gsasl_property property) {
  const auto* const exchange = static_cast<const Exchange*>(gsasl_session_hook_get(session));
  if (property == GSASL_AUTHID) return gsasl_property_set(session, property, exchange->user.c_str());
  if (property == GSASL_PASSWORD) return gsasl_property_set(session, property, exchange->password.c_str());
  return GSASL_NO_CALLBACK;
}

absl::Status GsaslClient::Exchange::Start(const std::string& mechanism) {
  if (mechanism != sasl::kScramSha256 && mechanism != sasl::kPlain && mechanism != sasl::kLogin) {
    return absl::InvalidArgumentError(absl::StrCat("no mechanism of ours: ", mechanism));
  }
  scram = mechanism == sasl::kScramSha256;
  int code = gsasl_init(&library);
  if (code == GSASL_OK) {
    gsasl_callback_set(library, Callback);
    code = gsasl_client_start(library, mechanism.c_str(), &session);
  }
  if (code != GSASL_OK) return absl::InvalidArgumentError(gsasl_strerror(code));
  gsasl_session_hook_set(session, this);
  return absl::OkStatus();
}

absl::StatusOr<std::string> GsaslClient::Exchange::Step(const std::string& challenge) {
  if (scram && AsksForTooMuch(challenge)) return absl::InvalidArgumentError("too many iterations");
  char* output = nullptr;
  size_t size = 0;
  const int code = gsasl_step(session, challenge.data(), challenge.size(), &output, &size);
  std::string response(output == nullptr ? "" : output, output == nullptr ? 0 : size);
  gsasl_free(output);
  if (code != GSASL_OK && code != GSASL_NEEDS_MORE) return absl::InvalidArgumentError(gsasl_strerror(code));
  complete = code == GSASL_OK;
  return response;
}

GsaslClient::GsaslClient(std::string user, std::string password, WorkerPool& pool)
    : pool_(pool), exchange_(std::make_shared<Exchange>()) {
  exchange_->user = std::move(user);
  exchange_->password = std::move(password);
}

GsaslClient::~GsaslClient() = default;

asio::awaitable<absl::StatusOr<std::optional<std::string>>> GsaslClient::Begin(std::string mechanism) {
  // PLAIN and SCRAM begin themselves (RFC 4954 section 4), with LOGIN the host asks for the name.
  const bool host_begins = mechanism == sasl::kLogin;
  auto step = [exchange = exchange_, mechanism = std::move(mechanism),
               host_begins]() -> absl::StatusOr<std::string> {
    const absl::Status started = exchange->Start(mechanism);
    if (!started.ok()) return started;
    return host_begins ? absl::StatusOr<std::string>("") : exchange->Step("");
  };
  absl::StatusOr<std::string> response = co_await RunOn(pool_, std::move(step));
  if (!response.ok()) co_return response.status();
  if (host_begins) co_return std::optional<std::string>();
  co_return std::optional<std::string>(*std::move(response));
}

asio::awaitable<absl::StatusOr<std::string>> GsaslClient::Respond(std::string challenge) {
  auto step = [exchange = exchange_, challenge = std::move(challenge)] { return exchange->Step(challenge); };
  absl::StatusOr<std::string> response = co_await RunOn(pool_, std::move(step));
  co_return response;
}

bool GsaslClient::complete() const { return exchange_->complete; }

}  // namespace mailstead::smtp::outbound
