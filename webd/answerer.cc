#include "webd/answerer.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "common/net/stream.h"
#include "webd/connect/query.h"
#include "webd/connect_call.h"
#include "webd/http/cors.h"
#include "webd/routes/discovery_route.h"
#include "webd/routes/document_route.h"
#include "webd/routes/message_route.h"
#include "webd/routes/sts_route.h"
#include "webd/routes/watch_route.h"
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

bool HasVerb(absl::string_view verbs, absl::string_view verb) {
  const std::vector<absl::string_view> all = absl::StrSplit(verbs, ", ");
  return absl::c_linear_search(all, verb);
}

}  // namespace

absl::Status NoMemory() {
  return WithReason(absl::UnavailableError("there are too many large requests at the moment"), kReasonBusy);
}
absl::Status ShuttingDown() { return absl::UnavailableError("this server is shutting down"); }

rpc::CallOptions Answerer::OptionsFor(std::string authorization, absl::Duration timeout) const {
  return {.timeout = timeout,
          .session_id = journal_.session_id(),
          .authorization = std::move(authorization),
          .client_address = stream_.peer_address()};
}

asio::awaitable<void> Answerer::Answer(Exchange& exchange) {
  exchange.AddFields(context_.cors.FieldsFor(exchange.head()));
  co_await Dispatch(exchange);
  journal_.BodiesHeld(context_.memory.used_bytes());
}

asio::awaitable<void> Answerer::Dispatch(Exchange& exchange) {
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
  const absl::string_view path = PathOf(exchange.head().target);
  const Method* const method = context_.methods.Find(path);
  const std::optional<Route> route = method == nullptr ? FindRoute(path) : std::nullopt;
  if (method == nullptr && !route.has_value()) co_return co_await Refuse(exchange, NoSuchMethod());
  if (context_.cors.IsPreflight(exchange.head())) co_return co_await AnswerPreflight(exchange);
  if (route.has_value()) co_return co_await AnswerRoute(exchange, *route);
  ConnectCall call(*this, exchange, *method);
  co_await call.Run();
}

asio::awaitable<void> Answerer::AnswerPreflight(Exchange& exchange) {
  ResponseHead head{.status = 204};
  // These have all that an answer to such an origin has.
  exchange.AddFields(context_.cors.PreflightFields(exchange.head()));
  co_await exchange.Respond(std::move(head), "");
  Answered(exchange, "", absl::OkStatus());
}

asio::awaitable<void> Answerer::AnswerRoute(Exchange& exchange, const Route& route) {
  const absl::string_view allowed = AllowedVerbs(route.kind);
  if (!HasVerb(allowed, exchange.head().method)) {
    Refusal refusal{.http_status = 405,
                    .error = absl::UnimplementedError(absl::StrCat("here there is ", allowed)),
                    .fields = {{"Allow", std::string(allowed)}}};
    co_return co_await Refuse(exchange, std::move(refusal), PathOf(route.kind));
  }
  if (exchange.head().method != "POST") {
    const bool readable = co_await AwaitNoBody(exchange, PathOf(route.kind));
    if (!readable) co_return;
  }
  switch (route.kind) {
    case RouteKind::kRaw:
    case RouteKind::kPart: {
      MessageRoute message(*this, exchange, route);
      co_return co_await message.Run();
    }
    case RouteKind::kWatch: {
      WatchRoute watch(*this, exchange);
      co_return co_await watch.Run();
    }
    case RouteKind::kAutoconfig:
    case RouteKind::kAutodiscover: {
      DiscoveryRoute discovery(*this, exchange, route);
      co_return co_await discovery.Run();
    }
    case RouteKind::kStsPolicy:
      co_return co_await AnswerStsPolicy(*this, exchange);
    case RouteKind::kOpenApi:
      co_return co_await AnswerDocument(*this, exchange, route.kind, context_.documents.openapi);
    case RouteKind::kDocs:
      co_return co_await AnswerDocument(*this, exchange, route.kind, context_.documents.page);
  }
}

asio::awaitable<bool> Answerer::AwaitNoBody(Exchange& exchange, absl::string_view method) {
  if (!exchange.head().has_body()) co_return true;
  Refusal refusal{.http_status = 400, .error = absl::InvalidArgumentError("a GET has no body here")};
  if (exchange.head().content_length == 0) {
    exchange.LimitBody(0);
    const absl::StatusOr<std::string> piece =
        co_await exchange.ReadBody(context_.steady.Now() + context_.timeouts.body);
    if (piece.ok() && piece->empty()) co_return true;
    if (absl::IsCancelled(piece.status())) co_return false;
    if (absl::IsDeadlineExceeded(piece.status())) {
      refusal.http_status = exchange.body_error_status();
      refusal.error = piece.status();
    }
  }
  co_await Refuse(exchange, std::move(refusal), method);
  co_return false;
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
