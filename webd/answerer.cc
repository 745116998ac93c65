#include "webd/answerer.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "webd/connect/query.h"
#include "webd/connect_call.h"
#include "webd/translate/error_body.h"
#include "webd/translate/methods.h"
#include "webd/translate/passing.h"

namespace mailstead::web {
namespace {

ResponseHead HeadFor(const Refusal& refusal) {
  ResponseHead head{.status = refusal.http_status, .fields = refusal.fields};
  head.fields.push_back({"Content-Type", "application/json"});
  return head;
}

}  // namespace

asio::awaitable<void> Answerer::Answer(Exchange& exchange) {
  co_await Route(exchange);
  journal_.BodiesHeld(context_.memory.used_bytes());
}

asio::awaitable<void> Answerer::Route(Exchange& exchange) {
  // SECURITY: refused before anything else is said: whoever calls so should not get used to it.
  if (stream_.tls() == nullptr && !context_.plaintext_networks.Contains(stream_.peer().address())) {
    Refusal refusal{.http_status = 403,
                    .error = absl::PermissionDeniedError("keys are taken by TLS only from where you are")};
    co_return co_await Refuse(exchange, std::move(refusal));
  }
  const absl::string_view expectation = exchange.head().Value("expect");
  if (!expectation.empty() && !absl::EqualsIgnoreCase(expectation, "100-continue")) {
    Refusal refusal{.http_status = 417,
                    .error = absl::InvalidArgumentError("of Expect there is 100-continue")};
    co_return co_await Refuse(exchange, std::move(refusal));
  }
  const Method* const method = context_.methods.Find(PathOf(exchange.head().target));
  if (method == nullptr) co_return co_await Refuse(exchange, NoSuchMethod());
  ConnectCall call(*this, exchange, *method);
  co_await call.Run();
}

asio::awaitable<void> Answerer::Refuse(Exchange& exchange, Refusal refusal, absl::string_view method) {
  const CallEnd end{.status = refusal.error};
  std::string body = context_.passes_all ? PassedErrorBody(end) : ErrorBody(refusal.error);
  co_await exchange.Respond(HeadFor(refusal), std::move(body));
  Answered(exchange, method, refusal.error);
}

void Answerer::Answered(const Exchange& exchange, absl::string_view method, const absl::Status& status) {
  journal_.Called(method, status, context_.steady.Now() - exchange.begun());
}

}  // namespace mailstead::web
