#include "smtpd/outbound/tls_reporter.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "asio/ip/address.hpp"
#include "common/mailauth/tls_report.h"
#include "common/mailauth/tls_report_record.h"
#include "common/mailauth/tls_result.h"
#include "common/store/tls_report_limits.h"

namespace mailstead::smtp::outbound {
namespace {

// A stranger chooses how many there are.
constexpr size_t kMaxAddresses = 4;
// Of what the receiver's server says, which is not looked at.
constexpr size_t kMaxAnswerBytes = 16'384;
// Of the policy, in one report.
constexpr size_t kMaxPolicyStrings = 64;
constexpr size_t kMaxPolicyStringBytes = 512;

store::TlsSessions ToStore(const std::string& domain, const TlsSession& session) {
  store::TlsSessions sessions;
  sessions.policy_type = std::string(mailauth::PolicyTypeName(session.type));
  sessions.policy_domain = session.policy_domain.empty() ? domain : session.policy_domain;
  for (const std::string& text : session.policy_strings) {
    const bool fits =
        sessions.policy_strings.size() < kMaxPolicyStrings && text.size() <= kMaxPolicyStringBytes;
    if (fits) sessions.policy_strings.push_back(text);
  }
  sessions.mx_host = session.mx_host;
  if (session.failure.has_value()) {
    sessions.result_type = std::string(mailauth::FailureName(*session.failure));
    sessions.address = session.address;
    sessions.reason_code = session.reason;
  }
  sessions.count = 1;
  return sessions;
}

std::vector<asio::ip::address> AllowedOf(const std::vector<dns::Answer>& answers,
                                         const net::AddressRules& rules) {
  std::vector<asio::ip::address> allowed;
  for (const dns::Answer& answer : answers) {
    for (const dns::Record& record : answer.records) {
      asio::ip::address address;
      if (const auto* ipv4 = std::get_if<dns::Ipv4Bytes>(&record)) address = asio::ip::address_v4(*ipv4);
      if (const auto* ipv6 = std::get_if<dns::Ipv6Bytes>(&record)) address = asio::ip::address_v6(*ipv6);
      if (allowed.size() < kMaxAddresses && CheckAddress(address, rules) == net::AddressVerdict::kAllowed)
        allowed.push_back(address);
    }
  }
  return allowed;
}

}  // namespace

TlsReporter::TlsReporter(asio::any_io_executor executor, store::TlsReportApi& store, dns::Resolver& resolver,
                         http::HttpsClient& client, TlsReportJournal& journal, TlsReporterOptions options,
                         Timers& timers)
    : executor_(executor),
      store_(store),
      resolver_(resolver),
      client_(client),
      journal_(journal),
      options_(std::move(options)),
      timers_(timers),
      timer_(timers.NewTimer(executor)) {}

TlsReporter::~TlsReporter() = default;

store::CallContext TlsReporter::Context() const {
  return {.session_id = "", .timeout = options_.store_timeout, .patience = absl::ZeroDuration()};
}

void TlsReporter::Add(const std::string& domain, store::TlsSessions sessions) {
  std::vector<store::TlsSessions>& of_domain = waiting_[domain];
  const auto like =
      std::find_if(of_domain.begin(), of_domain.end(),
                   [&sessions](const store::TlsSessions& each) { return each.IsLike(sessions); });
  if (like != of_domain.end()) {
    like->count += sessions.count;
  } else if (waiting_count_ < kMaxWaitingKinds) {
    of_domain.push_back(std::move(sessions));
    ++waiting_count_;
  }
  if (of_domain.empty()) waiting_.erase(domain);
}

void TlsReporter::Count(const std::string& domain, const std::vector<TlsSession>& sessions) {
  if (!wanted_.load(std::memory_order_relaxed)) return;
  absl::MutexLock lock(&mutex_);
  for (const TlsSession& session : sessions) Add(domain, ToStore(domain, session));
}

std::vector<store::DomainTlsSessions> TlsReporter::TakeCounts() {
  std::vector<store::DomainTlsSessions> counts;
  absl::MutexLock lock(&mutex_);
  while (!waiting_.empty() && counts.size() < static_cast<size_t>(store::kMaxCountedTlsDomains)) {
    auto node = waiting_.extract(waiting_.begin());
    waiting_count_ -= node.mapped().size();
    counts.push_back({node.key(), std::move(node.mapped())});
  }
  return counts;
}

void TlsReporter::PutBack(std::vector<store::DomainTlsSessions> counts) {
  absl::MutexLock lock(&mutex_);
  for (store::DomainTlsSessions& count : counts) {
    for (store::TlsSessions& sessions : count.sessions) Add(count.domain, std::move(sessions));
  }
}

asio::awaitable<void> TlsReporter::TellCounts() {
  for (std::vector<store::DomainTlsSessions> counts = TakeCounts(); !counts.empty(); counts = TakeCounts()) {
    const absl::StatusOr<bool> wanted = co_await store_.Count(counts, Context());
    if (!wanted.ok()) {
      // One that the store has taken without our hearing of it counts twice then.
      if (absl::IsUnavailable(wanted.status()) || absl::IsDeadlineExceeded(wanted.status()))
        PutBack(std::move(counts));
      co_return;
    }
    wanted_ = *wanted;
  }
}

asio::awaitable<void> TlsReporter::Run() {
  running_ = true;
  absl::Time look = timers_.Now();
  while (!stopping_) {
    co_await TellCounts();
    if (timers_.Now() >= look) {
      look = timers_.Now() + options_.report_period;
      // Whoever runs the store may have changed its mind.
      wanted_ = true;
      co_await SendDue();
    }
    if (!stopping_) co_await timer_->WaitUntil(std::min(look, timers_.Now() + options_.count_period));
  }
  co_await TellCounts();
  running_ = false;
}

void TlsReporter::Stop() {
  stopping_ = true;
  timer_->Cancel();
}

asio::awaitable<void> TlsReporter::SendDue() {
  while (!stopping_) {
    absl::StatusOr<std::vector<store::DueTlsReport>> due =
        co_await store_.Lease(store::kMaxLeasedTlsReports, Context());
    if (!due.ok() || due->empty()) co_return;
    for (store::DueTlsReport& report : *due) {
      if (stopping_) co_return;
      co_await Send(std::move(report));
    }
  }
}

asio::awaitable<void> TlsReporter::Send(store::DueTlsReport report) {
  dns::Question question{.name = mailauth::TlsReportRecordName(report.domain), .type = dns::Type::kTxt};
  const dns::Answer answer =
      co_await resolver_.Ask(std::move(question), timers_.Now() + options_.dns_timeout);
  // It is given again, to us or to another one.
  if (answer.outcome == dns::Outcome::kFailed) co_return;
  std::vector<std::string> texts;
  for (const dns::Record& record : answer.records) texts.push_back(std::get<dns::Txt>(record).text);
  std::optional<mailauth::TlsReportRecord> record = mailauth::ParseTlsReportRecord(texts);
  if (!record.has_value()) {
    journal_.Reported(report.domain, "none", "", "");
    co_await store_.Finish(std::move(report), {}, Context());
    co_return;
  }
  bool posted = false;
  for (std::string& uri : record->post_to) {
    const bool taken = co_await Post(report.domain, std::move(uri), report.content);
    posted = posted || taken;
  }
  // When it could be left nowhere it is tried again, once an hour for a day.
  if (!posted && record->mail_to.empty()) co_return;
  const std::string domain = report.domain;
  const std::vector<std::string> mail_to = record->mail_to;
  const absl::Status finished = co_await store_.Finish(std::move(report), mail_to, Context());
  for (const std::string& to : mail_to)
    journal_.Reported(domain, "mail", to, finished.ok() ? "" : finished.ToString());
}

asio::awaitable<bool> TlsReporter::Post(const std::string& domain, std::string uri, std::string content) {
  const absl::StatusOr<http::HttpsUrl> url = http::ParseHttpsUrl(uri);
  if (!url.ok()) {
    journal_.Reported(domain, "https", uri, url.status().message());
    co_return false;
  }
  http::HttpsRequest request;
  request.host = url->host;
  request.port = url->port;
  request.path = url->path;
  std::vector<dns::Question> questions = {{url->host, dns::Type::kAaaa}, {url->host, dns::Type::kA}};
  const std::vector<dns::Answer> answers =
      co_await dns::AskAll(resolver_, std::move(questions), timers_.Now() + options_.dns_timeout);
  // SECURITY: a stranger names the host: it is not to be one in our own network.
  request.addresses = AllowedOf(answers, options_.rules);
  if (request.addresses.empty()) {
    journal_.Reported(domain, "https", uri, "the host has no address that may be connected to");
    co_return false;
  }
  request.content_type = std::string(mailauth::kTlsReportMediaType);
  request.body = std::move(content);
  request.max_body_bytes = kMaxAnswerBytes;
  request.timeout = options_.https_timeout;
  const absl::StatusOr<http::HttpsResponse> response = co_await client_.Send(std::move(request));
  // RFC 8460 section 5.4: any 2xx.
  const bool taken = response.ok() && response->status / 100 == 2;
  std::string error;
  if (!response.ok()) {
    error = std::string(response.status().message());
  } else if (!taken) {
    error = absl::StrCat("the server answers ", response->status);
  }
  journal_.Reported(domain, "https", uri, error);
  co_return taken;
}

}  // namespace mailstead::smtp::outbound
