#include "common/dns/validation_probe.h"

#include <utility>

namespace mailstead::dns {

ValidationProbe::ValidationProbe(Resolver& resolver, const ProbeOptions& options, const Clock& clock,
                                 OnChange on_change)
    : resolver_(resolver), options_(options), clock_(clock), on_change_(std::move(on_change)) {}

asio::awaitable<absl::Duration> ValidationProbe::Turn() {
  Question question{.name = options_.name, .type = Type::kSoa};
  const Answer answer = co_await resolver_.Ask(std::move(question), clock_.Now() + options_.timeout);
  last_failure_ = answer.failure;
  if (answer.outcome == Outcome::kFailed) co_return options_.retry_interval;
  if (validates_ != answer.secure) {
    validates_ = answer.secure;
    on_change_(answer.secure);
  }
  co_return options_.interval;
}

}  // namespace mailstead::dns
