#include "webd/routes/sts_route.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mailauth/sts_policy.h"
#include "webd/discovery/sts.h"
#include "webd/routes/mail_domain.h"
#include "webd/routes/route.h"

namespace mailstead::web {
namespace {

namespace v1 = store::v1;
using mailauth::StsPolicy;

std::optional<StsPolicy::Mode> ModeOf(v1::MtaSts mta_sts) {
  switch (mta_sts) {
    case v1::MTA_STS_NONE:
      return StsPolicy::Mode::kNone;
    case v1::MTA_STS_TESTING:
      return StsPolicy::Mode::kTesting;
    case v1::MTA_STS_ENFORCE:
      return StsPolicy::Mode::kEnforce;
    default:
      return std::nullopt;
  }
}

asio::awaitable<absl::StatusOr<StsPolicy>> FindPolicy(Answerer& answerer, const RequestHead& head) {
  absl::StatusOr<std::string> domain = StsDomainOf(head);
  if (!domain.ok()) co_return domain.status();
  const absl::StatusOr<frontend::v1::FindMailDomainResponse> found =
      co_await FindMailDomain(answerer, *std::move(domain));
  // A name that no domain can have is one that is not here.
  if (absl::IsInvalidArgument(found.status())) co_return absl::NotFoundError(found.status().message());
  if (!found.ok()) co_return found.status();
  const std::optional<StsPolicy::Mode> mode = ModeOf(found->mta_sts());
  if (!mode.has_value()) {
    co_return absl::NotFoundError(absl::StrCat(found->name(), " has no policy of MTA-STS here"));
  }
  co_return StsPolicyFor(*mode, answerer.context().sts_settings);
}

}  // namespace

asio::awaitable<void> AnswerStsPolicy(Answerer& answerer, Exchange& exchange) {
  const absl::string_view path = PathOf(RouteKind::kStsPolicy);
  if (answerer.context().sts_settings.mx.empty())
    co_return co_await answerer.Refuse(exchange, NoSuchMethod(), path);
  const absl::StatusOr<StsPolicy> policy = co_await FindPolicy(answerer, exchange.head());
  if (!policy.ok()) co_return co_await answerer.Refuse(exchange, RefusalFor(policy.status()), path);
  // The id of the record that goes with it, for who compares them.
  ResponseHead head{.fields = {{"Content-Type", "text/plain; charset=utf-8"},
                               {"ETag", absl::StrCat("\"", mailauth::StsIdOf(*policy), "\"")}}};
  co_await exchange.Respond(std::move(head), mailauth::StsPolicyFile(*policy));
  answerer.Answered(exchange, path, absl::OkStatus());
}

}  // namespace mailstead::web
