#include "smtpd/outbound/dane.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace mailstead::smtp::outbound {
namespace {

using Kind = DaneAnswer::Kind;

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  names.push_back(name);
}

DaneAnswer NotKnown(const std::string& base_domain, dns::Failure failure) {
  DaneAnswer answer;
  answer.base_domain = base_domain;
  answer.why = std::string(dns::FailureText(failure));
  switch (failure) {
    case dns::Failure::kServFail:
      answer.kind = Kind::kBogus;
      break;
    case dns::Failure::kTooLarge:
      answer.kind = Kind::kTooLarge;
      break;
    default:
      answer.kind = Kind::kUnreachable;
  }
  return answer;
}

// Whether the set is one that we take.
bool IsWithinBounds(const std::vector<dns::Record>& records) {
  size_t bytes = 0;
  for (const dns::Record& record : records) bytes += std::get<dns::Tlsa>(record).data.size();
  return records.size() <= kMaxTlsaRecords && bytes <= kMaxTlsaBytes;
}

// RFC 7672 section 3.2.2: by which the certificate of a host may go.
std::vector<std::string> ReferenceNames(const std::string& base_domain, const NextHop& host,
                                        const std::string& domain, const std::string& canonical_domain) {
  std::vector<std::string> names = {base_domain};
  AddOnce(names, absl::AsciiStrToLower(host.host));
  AddOnce(names, domain);
  AddOnce(names, canonical_domain);
  return names;
}

// A host that is known by its address alone has no records.
bool HasName(const NextHop& host) {
  asio::error_code not_an_address;
  (void)asio::ip::make_address(host.host, not_an_address);
  return not_an_address && host.host.front() != '[';
}

}  // namespace

DaneFinder::DaneFinder(dns::Resolver& resolver, KeepUsable keep_usable)
    : resolver_(resolver), keep_usable_(std::move(keep_usable)) {}

asio::awaitable<std::vector<DaneFinder::Candidates>> DaneFinder::FindCandidates(const NextHops& hops,
                                                                                absl::Time deadline) {
  std::vector<Candidates> candidates(hops.hosts.size());
  std::vector<dns::Question> questions;
  std::vector<size_t> asked_for;
  for (size_t i = 0; i < hops.hosts.size(); ++i) {
    const NextHop& host = hops.hosts[i];
    const std::string name = absl::AsciiStrToLower(host.host);
    // RFC 7672 section 2.2.1: SECURITY: whoever can name another host can name one of his own.
    if (!hops.mx_secure || !HasName(host)) continue;
    if (host.secure) {
      // Section 2.2.3: where the aliases lead, and if there are no records, the name itself.
      AddOnce(candidates[i].names, host.canonical_name);
      AddOnce(candidates[i].names, name);
    } else if (host.canonical_name != name) {
      // Section 2.2.2: the aliases lead out of what is signed. The first of them may be signed.
      questions.push_back({name, dns::Type::kCname});
      asked_for.push_back(i);
    }
  }
  const std::vector<dns::Answer> answers = co_await dns::AskAll(resolver_, std::move(questions), deadline);
  for (size_t i = 0; i < answers.size(); ++i) {
    Candidates& of_host = candidates[asked_for[i]];
    const bool failed = answers[i].outcome == dns::Outcome::kFailed;
    if (failed) of_host.failure = answers[i].failure;
    if (failed || answers[i].secure)
      AddOnce(of_host.names, absl::AsciiStrToLower(hops.hosts[asked_for[i]].host));
  }
  co_return candidates;
}

asio::awaitable<std::vector<DaneAnswer>> DaneFinder::Ask(const NextHops& hops, std::string domain,
                                                         uint16_t port, absl::Time deadline) {
  const std::vector<Candidates> candidates = co_await FindCandidates(hops, deadline);
  std::vector<dns::Question> questions;
  for (const Candidates& of_host : candidates) {
    if (of_host.failure != dns::Failure::kNone) continue;
    for (const std::string& name : of_host.names) {
      questions.push_back({absl::StrCat("_", port, "._tcp.", name), dns::Type::kTlsa});
    }
  }
  const std::vector<dns::Answer> answers = co_await dns::AskAll(resolver_, std::move(questions), deadline);
  std::vector<DaneAnswer> found(candidates.size());
  size_t next = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidates& of_host = candidates[i];
    if (of_host.names.empty()) continue;
    if (of_host.failure != dns::Failure::kNone) {
      found[i] = NotKnown(of_host.names.front(), of_host.failure);
      continue;
    }
    found[i].kind = Kind::kMissing;
    const size_t first = next;
    next += of_host.names.size();
    for (size_t j = 0; j < of_host.names.size() && found[i].kind == Kind::kMissing; ++j) {
      found[i] = OfAnswer(of_host.names[j], answers[first + j]);
      if (found[i].kind == Kind::kUsable) {
        found[i].names = ReferenceNames(of_host.names[j], hops.hosts[i], domain, hops.canonical_domain);
      }
    }
  }
  co_return found;
}

DaneAnswer DaneFinder::OfAnswer(const std::string& base_domain, const dns::Answer& answer) const {
  // SECURITY: RFC 7672 section 2.1.2: nobody knows whether there are records. To take that for "there are none" would let
  // whoever stands in between turn DANE off.
  if (answer.outcome == dns::Outcome::kFailed) return NotKnown(base_domain, answer.failure);
  DaneAnswer found;
  found.kind = Kind::kMissing;
  // What is not signed proves nothing, and is no reason to wait (RFC 7672 section 2.1.1).
  if (!answer.secure || answer.outcome != dns::Outcome::kAnswer) return found;
  if (!IsWithinBounds(answer.records)) return NotKnown(base_domain, dns::Failure::kTooLarge);
  found.base_domain = base_domain;
  for (const dns::Record& record : answer.records) found.records.push_back(std::get<dns::Tlsa>(record));
  found.records = keep_usable_(std::move(found.records));
  // The DNS gives them in any order, and reports have them as they are here.
  std::sort(found.records.begin(), found.records.end(), TlsaLess);
  found.kind = found.records.empty() ? Kind::kUnusable : Kind::kUsable;
  return found;
}

}  // namespace mailstead::smtp::outbound
