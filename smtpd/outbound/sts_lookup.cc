#include "smtpd/outbound/sts_lookup.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/status.h"

namespace mailstead::smtp::outbound {
namespace {

using mailauth::StsPolicy;
using mailauth::TlsFailure;

// What an entry costs beside its texts, about.
constexpr size_t kEntryBytes = 400;

size_t BytesOf(const std::string& domain, const StsKnowledge& knowledge) {
  size_t bytes = kEntryBytes + 2 * domain.size() + knowledge.policy_id.size();
  if (knowledge.failure.has_value()) bytes += knowledge.failure->text.size();
  if (!knowledge.policy.has_value()) return bytes;
  for (const std::string& pattern : knowledge.policy->mx) bytes += sizeof(std::string) + pattern.size();
  return bytes;
}

}  // namespace

StsAnswer StsAnswerFor(const StsKnowledge& knowledge, absl::string_view host) {
  StsAnswer answer;
  if (!knowledge.policy.has_value() && knowledge.failure.has_value()) {
    answer.fetch_failure = knowledge.failure->failure;
  }
  if (!knowledge.policy.has_value() || knowledge.policy->mode == StsPolicy::Mode::kNone) return answer;
  const bool enforces = knowledge.policy->mode == StsPolicy::Mode::kEnforce;
  answer.mode = enforces ? StsAnswer::Mode::kEnforce : StsAnswer::Mode::kTesting;
  answer.host_matches = mailauth::StsAllows(*knowledge.policy, host);
  answer.policy_id = knowledge.policy_id;
  answer.policy_lines =
      absl::StrSplit(mailauth::StsPolicyFile(*knowledge.policy), "\r\n", absl::SkipEmpty());
  return answer;
}

StsLookup::StsLookup(asio::any_io_executor executor, dns::Resolver& resolver, store::StsStore& store,
                     StsSource& source, StsJournal& journal, StsOptions options, Timers& timers)
    : executor_(std::move(executor)),
      resolver_(resolver),
      store_(store),
      source_(source),
      journal_(journal),
      options_(options),
      timers_(timers),
      refresh_timer_(timers.NewTimer(executor_)) {}

StsLookup::~StsLookup() = default;

store::CallContext StsLookup::Context() const {
  return {.session_id = "", .timeout = options_.store_timeout, .patience = absl::ZeroDuration()};
}

void StsLookup::Stop() {
  stopped_ = true;
  refresh_timer_->Cancel();
  for (auto& [domain, fetch] : fetches_) {
    for (Timer* const timer : fetch->waiting) timer->Cancel();
  }
}

asio::awaitable<absl::StatusOr<StsKnowledge>> StsLookup::Ask(std::string domain) {
  // RFC 8461 section 2: of a domain.
  if (absl::StartsWith(domain, "[")) co_return StsKnowledge();
  co_return co_await asio::co_spawn(executor_, AskForMail(std::move(domain)), asio::use_awaitable);
}

asio::awaitable<absl::StatusOr<StsKnowledge>> StsLookup::AskForMail(std::string domain) {
  absl::StatusOr<StsKnowledge> known = co_await AskHere(domain);
  if (const auto it = entries_.find(domain); it != entries_.end()) it->second.used = timers_.Now();
  co_return known;
}

std::vector<std::string> StsLookup::Old() const {
  const absl::Time now = timers_.Now();
  std::vector<std::string> domains;
  for (const auto& [domain, entry] : entries_) {
    if (entry.valid(now) && entry.fresh_until <= now && now - entry.used < options_.refresh_for)
      domains.push_back(domain);
  }
  return domains;
}

asio::awaitable<void> StsLookup::KeepFresh() {
  while (!stopped_) {
    co_await refresh_timer_->WaitUntil(timers_.Now() + options_.refresh_interval);
    for (const std::string& domain : Old()) {
      if (stopped_) break;
      // Of a store that is away nothing is asked for long: the next time is soon enough.
      if (!(co_await AskHere(domain)).ok()) break;
    }
  }
}

const StsLookup::Entry* StsLookup::Find(const std::string& domain) const {
  const auto it = entries_.find(domain);
  return it == entries_.end() ? nullptr : &it->second;
}

bool StsLookup::Suffices(const Entry* entry, const Record& record, absl::Time now) const {
  if (entry == nullptr) return false;
  const bool is_new = now - entry->seen < options_.memory;
  if (record.unknown || record.id.empty()) return is_new;
  const bool same = entry->valid(now) && entry->knowledge.policy_id == record.id;
  return (same && entry->fresh_until > now) || (is_new && entry->retry_time > now);
}

asio::awaitable<absl::StatusOr<StsKnowledge>> StsLookup::AskHere(std::string domain) {
  const Record record = co_await LookUpRecord(domain);
  if (stopped_) co_return absl::UnavailableError("shutting down");
  if (!Suffices(Find(domain), record, timers_.Now())) CO_RETURN_IF_ERROR(co_await AskStore(domain));
  const Entry* entry = Find(domain);
  const absl::Time now = timers_.Now();
  const bool valid = entry != nullptr && entry->valid(now);
  const bool fresh = valid && entry->fresh_until > now;
  const bool may_fetch = entry == nullptr || entry->retry_time <= now;
  // What a record without a word on it says is not known: then the policy stays what it was, and is kept from getting old.
  const std::string id = record.unknown && valid ? entry->knowledge.policy_id : record.id;
  const bool same = valid && entry->knowledge.policy_id == id;
  if (!id.empty() && may_fetch && !(same && fresh)) {
    const std::shared_ptr<Fetch> fetch = Begin(domain, id);
    if (fetch != nullptr && !same) co_await WaitFor(fetch);
  }
  entry = Find(domain);
  if (entry == nullptr) co_return StsKnowledge();
  StsKnowledge knowledge = entry->knowledge;
  if (!entry->valid(timers_.Now())) knowledge.policy.reset();
  co_return knowledge;
}

asio::awaitable<StsLookup::Record> StsLookup::LookUpRecord(const std::string& domain) {
  dns::Question question{.name = mailauth::StsRecordName(domain), .type = dns::Type::kTxt};
  const dns::Answer answer =
      co_await resolver_.Ask(std::move(question), timers_.Now() + options_.dns_timeout);
  Record record;
  record.unknown = answer.outcome == dns::Outcome::kFailed;
  std::vector<std::string> texts;
  for (const dns::Record& each : answer.records) {
    if (const auto* txt = std::get_if<dns::Txt>(&each)) texts.push_back(txt->text);
  }
  absl::StatusOr<std::string> id = mailauth::FindStsId(texts);
  if (id.ok()) record.id = *std::move(id);
  co_return record;
}

asio::awaitable<absl::Status> StsLookup::AskStore(const std::string& domain) {
  CO_ASSIGN_OR_RETURN(const store::StsState state, co_await store_.Get(domain, Context()));
  Learn(domain, state);
  co_return absl::OkStatus();
}

StsLookup::Entry& StsLookup::Learn(const std::string& domain, const store::StsState& state) {
  const auto [it, is_new] = entries_.try_emplace(domain);
  Entry& entry = it->second;
  if (is_new) order_.push_back(domain);
  bytes_ -= entry.bytes;
  const absl::Time now = timers_.Now();
  entry.knowledge.policy.reset();
  entry.knowledge.policy_id.clear();
  entry.valid_until = absl::InfinitePast();
  entry.fresh_until = absl::InfinitePast();
  absl::StatusOr<StsPolicy> policy = mailauth::ParseStsPolicy(state.policy);
  if (!state.policy_id.empty() && policy.ok()) {
    entry.knowledge.policy = *std::move(policy);
    entry.knowledge.policy_id = state.policy_id;
    entry.knowledge.failure.reset();
    entry.valid_until = now + state.valid_for;
    entry.fresh_until = now + state.fresh_for;
  }
  entry.retry_time = now + state.retry_after;
  entry.seen = now;
  entry.bytes = BytesOf(domain, entry.knowledge);
  bytes_ += entry.bytes;
  MakeRoom(domain);
  return entries_.find(domain)->second;
}

void StsLookup::MakeRoom(const std::string& domain) {
  while (bytes_ > options_.max_bytes && order_.size() > 1) {
    const std::string oldest = std::move(order_.front());
    order_.pop_front();
    if (oldest == domain) {
      // SECURITY: it is about to be looked at: without it, it would seem that the domain had no policy.
      order_.push_back(oldest);
      continue;
    }
    const auto it = entries_.find(oldest);
    bytes_ -= it->second.bytes;
    entries_.erase(it);
  }
}

std::shared_ptr<StsLookup::Fetch> StsLookup::Begin(const std::string& domain, const std::string& policy_id) {
  const auto it = fetches_.find(domain);
  if (it != fetches_.end()) return it->second;
  if (fetches_.size() >= options_.max_fetches) return nullptr;
  const auto fetch = std::make_shared<Fetch>();
  fetches_.emplace(domain, fetch);
  asio::co_spawn(executor_, Run(fetch, domain, policy_id), asio::detached);
  return fetch;
}

asio::awaitable<void> StsLookup::WaitFor(std::shared_ptr<Fetch> fetch) {
  if (fetch->ended) co_return;
  const std::unique_ptr<Timer> timer = timers_.NewTimer(executor_);
  fetch->waiting.push_back(timer.get());
  co_await timer->WaitUntil(timers_.Now() + options_.wait);
  std::erase(fetch->waiting, timer.get());
}

asio::awaitable<void> StsLookup::Run(std::shared_ptr<Fetch> fetch, std::string domain,
                                     std::string policy_id) {
  StsSource::Fetched fetched = co_await source_.Fetch(domain);
  std::optional<StsFetchFailure> failure = std::move(fetched.failure);
  StsPolicy policy;
  if (!failure.has_value()) {
    absl::StatusOr<StsPolicy> parsed = mailauth::ParseStsPolicy(fetched.file);
    if (parsed.ok()) {
      policy = *std::move(parsed);
    } else {
      failure = StsFetchFailure{TlsFailure::kStsPolicyInvalid,
                                absl::StrCat("the file is no policy: ", parsed.status().message())};
    }
  }
  if (!stopped_) {
    const std::string id = failure.has_value() ? "" : policy_id;
    const std::string file = failure.has_value() ? "" : mailauth::StsPolicyFile(policy);
    absl::StatusOr<store::StsState> kept = co_await store_.Keep(domain, id, file, Context());
    if (kept.ok()) {
      Learn(domain, *kept).knowledge.failure = failure;
    } else if (!failure.has_value()) {
      // It holds here, and is offered to the store again soon.
      Learn(domain,
            {id, file, policy.max_age, std::min(policy.max_age, options_.memory), absl::ZeroDuration()});
    } else if (const auto it = entries_.find(domain); it != entries_.end()) {
      it->second.knowledge.failure = failure;
      it->second.retry_time = timers_.Now() + options_.memory;
    }
    if (failure.has_value()) {
      const Entry* const entry = Find(domain);
      journal_.PolicyNotFetched(domain, policy_id, *failure, entry != nullptr && entry->valid(timers_.Now()));
    } else {
      journal_.PolicyFetched(domain, policy_id, policy);
    }
  }
  fetch->ended = true;
  for (Timer* const timer : fetch->waiting) timer->Cancel();
  fetches_.erase(domain);
}

}  // namespace mailstead::smtp::outbound
