#include "webd/routes/document_route.h"

#include <utility>

#include "webd/openapi/document.h"
#include "webd/openapi/page.h"
#include "webd/translate/gzip.h"

namespace mailstead::web {
namespace {

Document Make(std::string type, std::string body, std::string policy) {
  std::string packed = Gzipped(body);
  return {std::move(type), std::move(body), std::move(packed), std::move(policy)};
}

}  // namespace

Documents MakeDocuments() {
  DocsPage page = MakeDocsPage();
  return {.openapi = Make("application/json", StoreOpenApiDocument(), ""),
          .page = Make("text/html; charset=utf-8", std::move(page.html), std::move(page.policy))};
}

asio::awaitable<void> AnswerDocument(Answerer& answerer, Exchange& exchange, RouteKind kind,
                                     const Document& document) {
  ResponseHead head{.fields = {{"Content-Type", document.type}, {"Vary", "Accept-Encoding"}}};
  if (!document.policy.empty()) head.policy = document.policy;
  const bool packed = TakesGzip(exchange.head().Value("accept-encoding"));
  if (packed) head.fields.push_back({"Content-Encoding", "gzip"});
  co_await exchange.Respond(std::move(head), packed ? document.packed : document.body);
  answerer.Answered(exchange, PathOf(kind), absl::OkStatus());
}

}  // namespace mailstead::web
