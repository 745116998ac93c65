#include "webd/routes/discovery_route.h"

#include <utility>

#include "common/base/byte_budget.h"
#include "webd/discovery/settings.h"
#include "webd/routes/mail_domain.h"

namespace mailstead::web {

namespace fv1 = frontend::v1;

asio::awaitable<void> DiscoveryRoute::Run() {
  const absl::string_view path = PathOf(route_.kind);
  if (!context_.mail_settings.complete())
    co_return co_await answerer_.Refuse(exchange_, NoSuchMethod(), path);
  absl::StatusOr<std::string> document;
  if (route_.kind == RouteKind::kAutodiscover) {
    document = co_await Autodiscover();
  } else {
    document = co_await Config();
  }
  if (!document.ok()) co_return co_await Refuse(document.status());
  ResponseHead head{.fields = {{"Content-Type", "application/xml; charset=utf-8"}}};
  co_await exchange_.Respond(std::move(head), *std::move(document));
  answerer_.Answered(exchange_, path, absl::OkStatus());
}

asio::awaitable<void> DiscoveryRoute::Refuse(absl::Status error) {
  Refusal refusal = RefusalFor(std::move(error));
  // Of a body that could not be read.
  if (exchange_.body_error_status() != 0) refusal.http_status = exchange_.body_error_status();
  co_await answerer_.Refuse(exchange_, std::move(refusal), PathOf(route_.kind));
}

asio::awaitable<absl::StatusOr<std::string>> DiscoveryRoute::Config() {
  absl::StatusOr<std::string> name = DomainOfRequest(exchange_.head());
  if (!name.ok()) co_return name.status();
  const absl::StatusOr<std::string> domain = co_await FindDomain(*std::move(name));
  if (!domain.ok()) co_return domain.status();
  co_return ConfigFor(*domain, context_.mail_settings);
}

asio::awaitable<absl::StatusOr<std::string>> DiscoveryRoute::Autodiscover() {
  ByteHold held(context_.memory);
  if (!held.TryTake(2 * kMaxAutodiscoverBytes)) co_return NoMemory();
  const absl::StatusOr<std::string> body = co_await ReadBody();
  if (!body.ok()) co_return body.status();
  const absl::StatusOr<std::string> address = AddressOfAutodiscover(*body);
  if (!address.ok()) co_return address.status();
  // What stands behind the last "@" is its domain.
  const absl::StatusOr<std::string> domain = co_await FindDomain(address->substr(address->rfind('@') + 1));
  if (!domain.ok()) co_return domain.status();
  co_return AutodiscoverFor(*address, context_.mail_settings);
}

asio::awaitable<absl::StatusOr<std::string>> DiscoveryRoute::ReadBody() {
  exchange_.LimitBody(kMaxAutodiscoverBytes);
  const absl::Time deadline = context_.steady.Now() + context_.timeouts.body;
  std::string body;
  while (true) {
    const absl::StatusOr<std::string> piece = co_await exchange_.ReadBody(deadline);
    if (!piece.ok()) co_return piece.status();
    if (piece->empty()) co_return body;
    body += *piece;
  }
}

asio::awaitable<absl::StatusOr<std::string>> DiscoveryRoute::FindDomain(std::string name) {
  const absl::StatusOr<fv1::FindMailDomainResponse> found =
      co_await FindMailDomain(answerer_, std::move(name));
  if (!found.ok()) co_return found.status();
  co_return found->name();
}

}  // namespace mailstead::web
