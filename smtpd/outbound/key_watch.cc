#include "smtpd/outbound/key_watch.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mailstead::smtp::outbound {
namespace {

store::KeyRecords RecordsOf(store::PendingKey key, dns::Answer answer) {
  store::KeyRecords seen;
  seen.domain = std::move(key.domain);
  seen.selector = std::move(key.selector);
  seen.failed = answer.outcome == dns::Outcome::kFailed;
  for (dns::Record& record : answer.records) {
    // What is there too much is as wrong when it is cut.
    if (seen.records.size() == store::kMaxKeyRecords) break;
    std::string text = std::move(std::get<dns::Txt>(record).text);
    if (text.size() > store::kMaxKeyRecordBytes) text.resize(store::kMaxKeyRecordBytes);
    seen.records.push_back(std::move(text));
  }
  return seen;
}

}  // namespace

asio::awaitable<absl::Duration> KeyWatch::Turn() {
  const store::CallContext context{.session_id = "", .timeout = options_.store_timeout};
  absl::StatusOr<std::vector<store::PendingKey>> keys = co_await store_.ListPendingKeys(context);
  if (!keys.ok() || keys->empty()) co_return options_.interval;
  std::vector<dns::Question> questions;
  for (const store::PendingKey& key : *keys)
    questions.push_back({.name = key.record_name, .type = dns::Type::kTxt});
  std::vector<dns::Answer> answers =
      co_await dns::AskAll(resolver_, std::move(questions), clock_.Now() + options_.dns_timeout);
  std::vector<store::KeyRecords> seen;
  for (size_t i = 0; i < keys->size(); ++i) {
    seen.push_back(RecordsOf(std::move((*keys)[i]), std::move(answers[i])));
  }
  // What the store did not hear it asks for again.
  (void)co_await store_.ReportKeyRecords(std::move(seen), context);
  co_return options_.interval;
}

}  // namespace mailstead::smtp::outbound
