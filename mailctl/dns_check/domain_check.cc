#include "mailctl/dns_check/domain_check.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "asio/ip/address.hpp"
#include "common/mailauth/dmarc_record.h"
#include "common/mailauth/key_record.h"
#include "common/mailauth/spf_record.h"
#include "common/mailauth/sts_policy.h"
#include "common/mailauth/tag_list.h"
#include "common/mailauth/tls_report_record.h"
#include "common/text/utf8.h"

namespace mailstead::ctl {
namespace {

using Level = CheckLine::Level;
using Lines = std::vector<CheckLine>;
using mailauth::SpfTerm;
using mailauth::StsPolicy;

// Of what a stranger's record says, shown.
constexpr size_t kMaxShownBytes = 500;
// Hosts of a domain that are looked at; a domain with more has some that no sender tries.
constexpr size_t kMaxHosts = 20;
// RFC 9989 section 4.10: of the walk up the tree.
constexpr size_t kMaxTreeQueries = 8;
// RFC 7208 section 4.6.4: lookups that find nothing.
constexpr int kMaxVoidLookups = 2;
// Records that are followed, also behind the tenth: to say how many there are.
constexpr size_t kMaxFollowed = 30;
// RFC 8461 section 3.2 wants weeks; less than a day protects nobody who writes seldom.
constexpr absl::Duration kShortAge = absl::Hours(24);

std::string Shown(absl::string_view text) { return PrintableUtf8(text, kMaxShownBytes); }

struct Subject {
  std::string subject;
  std::string name;

  CheckLine Line(Level level, std::string found, std::string wanted, std::string text) const {
    return {level, subject, name, std::move(found), std::move(wanted), std::move(text)};
  }
  CheckLine Ok(std::string found, std::string text) const {
    return Line(Level::kOk, std::move(found), "", std::move(text));
  }
  CheckLine Warning(std::string found, std::string text) const {
    return Line(Level::kWarning, std::move(found), "", std::move(text));
  }
  CheckLine Error(std::string found, std::string text) const {
    return Line(Level::kError, std::move(found), "", std::move(text));
  }
  CheckLine NotAnswered(dns::Failure failure) const {
    return Error("", absl::StrCat("The DNS does not answer (", dns::FailureText(failure),
                                  "): try again, or look at the domain's DNS servers."));
  }
};

asio::awaitable<dns::Answer> Ask(CheckContext& context, std::string name, dns::Type type) {
  dns::Question question{std::move(name), type};
  co_return co_await context.resolver.Ask(std::move(question), context.steady.Now() + context.dns_timeout);
}

std::vector<std::string> TextsOf(const dns::Answer& answer) {
  std::vector<std::string> texts;
  for (const dns::Record& record : answer.records) {
    if (const auto* txt = std::get_if<dns::Txt>(&record)) texts.push_back(txt->text);
  }
  return texts;
}

template <typename Predicate>
std::vector<std::string> Those(std::vector<std::string> texts, Predicate is_wanted) {
  std::erase_if(texts, [&](const std::string& text) { return !is_wanted(text); });
  return texts;
}

void Append(Lines more, Lines& lines) {
  lines.insert(lines.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// ---- MX

// Hosts in the order of their preference, each once.
std::vector<std::string> ExchangersOf(const dns::Answer& answer) {
  std::vector<dns::Mx> records;
  for (const dns::Record& record : answer.records) {
    if (const auto* mx = std::get_if<dns::Mx>(&record)) records.push_back(*mx);
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const dns::Mx& a, const dns::Mx& b) { return a.preference < b.preference; });
  std::vector<std::string> hosts;
  for (const dns::Mx& mx : records) {
    if (std::find(hosts.begin(), hosts.end(), mx.exchange) == hosts.end()) hosts.push_back(mx.exchange);
  }
  return hosts;
}

// What is wrong with an address that others are to connect to; empty: nothing that can be seen.
std::string Unreachable(const dns::Record& record) {
  if (const auto* ipv4 = std::get_if<dns::Ipv4Bytes>(&record)) {
    const asio::ip::address_v4 address(*ipv4);
    const bool is_private = (*ipv4)[0] == 10 || ((*ipv4)[0] == 172 && ((*ipv4)[1] & 0xf0) == 16) ||
                            ((*ipv4)[0] == 192 && (*ipv4)[1] == 168) ||
                            ((*ipv4)[0] == 169 && (*ipv4)[1] == 254);
    if (address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_private)
      return address.to_string();
  }
  if (const auto* ipv6 = std::get_if<dns::Ipv6Bytes>(&record)) {
    const asio::ip::address_v6 address(*ipv6);
    const bool is_private = ((*ipv6)[0] & 0xfe) == 0xfc;
    if (address.is_loopback() || address.is_unspecified() || address.is_multicast() ||
        address.is_link_local() || is_private) {
      return address.to_string();
    }
  }
  return "";
}

// TLSA records of a host (RFC 7672).
asio::awaitable<Lines> CheckTlsa(CheckContext& context, std::string host, bool host_secure) {
  const Subject subject{"DANE", absl::StrCat("_25._tcp.", host)};
  const dns::Answer answer = co_await Ask(context, subject.name, dns::Type::kTlsa);
  Lines lines;
  if (answer.outcome == dns::Outcome::kFailed) {
    lines.push_back(subject.Error(
        "", absl::StrCat("The DNS does not answer for TLSA records (", dns::FailureText(answer.failure),
                         "): senders that look for them, as DANE asks them to, send nothing to ", host,
                         " until it does.")));
    co_return lines;
  }
  if (answer.outcome != dns::Outcome::kAnswer) co_return lines;
  const std::string found =
      absl::StrCat(answer.records.size(), " TLSA record", answer.records.size() == 1 ? "" : "s");
  if (!context.knows_dnssec) {
    lines.push_back(subject.Warning(found,
                                    "Whether DNSSEC proves them is not known: ask a resolver that validates "
                                    "and is trusted (--dns_servers=127.0.0.1)."));
    co_return lines;
  }
  if (!answer.secure || !host_secure) {
    lines.push_back(subject.Error(
        found, absl::StrCat("DNSSEC does not prove ", answer.secure ? "the host's addresses" : "them",
                            ", so that nobody uses them: sign the zone, or take the records away.")));
    co_return lines;
  }
  const bool usable =
      std::any_of(answer.records.begin(), answer.records.end(), [](const dns::Record& record) {
        const auto* tlsa = std::get_if<dns::Tlsa>(&record);
        return tlsa != nullptr && (tlsa->usage == 2 || tlsa->usage == 3) && tlsa->selector <= 1 &&
               tlsa->matching_type <= 2;
      });
  lines.push_back(
      usable ? subject.Ok(found, "Senders with DANE want TLS with a certificate that one of them is for.")
             : subject.Error(
                   found,
                   "None of them can be used for mail: the usage must be 2 or 3 (RFC 7672 section 3.1)."));
  co_return lines;
}

asio::awaitable<Lines> CheckHost(CheckContext& context, std::string host) {
  const Subject subject{"MX host", host};
  Lines lines;
  if (!dns::IsHostName(host)) {
    lines.push_back(subject.Error(host, "That is not the name of a host."));
    co_return lines;
  }
  const dns::Answer ipv4 = co_await Ask(context, host, dns::Type::kA);
  const dns::Answer ipv6 = co_await Ask(context, host, dns::Type::kAaaa);
  const dns::Answer& better = ipv4.outcome == dns::Outcome::kAnswer ? ipv4 : ipv6;
  if (better.outcome != dns::Outcome::kAnswer) {
    const bool failed = ipv4.outcome == dns::Outcome::kFailed || ipv6.outcome == dns::Outcome::kFailed;
    lines.push_back(
        failed ? subject.NotAnswered(ipv4.outcome == dns::Outcome::kFailed ? ipv4.failure : ipv6.failure)
               : subject.Error(
                     "", "It has no address: no mail can be brought there. Give it an A or AAAA record."));
    co_return lines;
  }
  std::vector<std::string> addresses;
  std::vector<std::string> unreachable;
  for (const dns::Answer* answer : {&ipv4, &ipv6}) {
    for (const dns::Record& record : answer->records) {
      if (const auto* v4 = std::get_if<dns::Ipv4Bytes>(&record))
        addresses.push_back(asio::ip::address_v4(*v4).to_string());
      if (const auto* v6 = std::get_if<dns::Ipv6Bytes>(&record))
        addresses.push_back(asio::ip::address_v6(*v6).to_string());
      if (const std::string address = Unreachable(record); !address.empty()) unreachable.push_back(address);
    }
  }
  const std::string found = absl::StrJoin(addresses, ", ");
  if (better.canonical_name != host) {
    lines.push_back(subject.Error(
        absl::StrCat("alias of ", better.canonical_name),
        absl::StrCat("An MX record must name a host by its own name (RFC 2181 section 10.3): name ",
                     better.canonical_name, ", or give ", host, " addresses.")));
  }
  if (!unreachable.empty()) {
    lines.push_back(subject.Error(absl::StrJoin(unreachable, ", "), "Nobody else can reach that address."));
  } else {
    lines.push_back(subject.Ok(found, "It has addresses."));
  }
  const bool secure = (ipv4.outcome == dns::Outcome::kAnswer && ipv4.secure) ||
                      (ipv6.outcome == dns::Outcome::kAnswer && ipv6.secure);
  Append(co_await CheckTlsa(context, host, secure), lines);
  co_return lines;
}

CheckLine CompareHosts(const Subject& subject, const std::vector<std::string>& found,
                       const DomainExpectation& expected) {
  const std::vector<std::string>& wanted = expected.mx_hosts;
  const auto has = [](const std::vector<std::string>& hosts, const std::string& host) {
    return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
  };
  const std::string shown = absl::StrJoin(found, ", ");
  if (wanted.empty()) return subject.Ok(shown, "");
  const std::string wanted_text = absl::StrJoin(wanted, ", ");
  const bool some =
      std::any_of(wanted.begin(), wanted.end(), [&](const std::string& host) { return has(found, host); });
  if (!some && expected.mx_hosts_guessed) {
    return subject.Line(Level::kWarning, shown, wanted_text,
                        "The domain's mail goes elsewhere than to the name that this system's relay says: "
                        "where that is right, say so by --mx_host.");
  }
  if (!some) {
    return subject.Line(Level::kError, shown, wanted_text,
                        "The domain's mail goes elsewhere: name this system's host in an MX record.");
  }
  for (const std::string& host : found) {
    if (!has(wanted, host)) {
      return subject.Line(Level::kWarning, shown, wanted_text,
                          absl::StrCat("Some of the domain's mail goes to ", host, "."));
    }
  }
  for (const std::string& host : wanted) {
    if (!has(found, host))
      return subject.Line(Level::kWarning, shown, wanted_text, absl::StrCat(host, " is not named."));
  }
  return subject.Ok(shown, "");
}

// ---- SPF

// One walk over a record and those that it includes.
struct SpfWalk {
  int lookup_count = 0;
  int void_count = 0;
  // The first that makes the record an error for all who check it.
  std::string problem;
  std::set<std::string> seen;
};

asio::awaitable<dns::Answer> AskSpf(CheckContext& context, std::string domain) {
  co_return co_await Ask(context, std::move(domain), dns::Type::kTxt);
}

void NoteVoid(const dns::Answer& answer, SpfWalk& walk) {
  if (answer.outcome == dns::Outcome::kNoData || answer.outcome == dns::Outcome::kNoName) ++walk.void_count;
}

// Follows what `record` of `domain` leads to, and counts. What has macros depends on the message, and is only counted.
asio::awaitable<void> WalkSpf(CheckContext& context, std::string domain, mailauth::SpfRecord record,
                              SpfWalk& walk) {
  std::deque<std::pair<std::string, mailauth::SpfRecord>> records;
  records.emplace_back(std::move(domain), std::move(record));
  size_t followed = 0;
  while (!records.empty() && walk.problem.empty()) {
    const auto [name, terms] = std::move(records.front());
    records.pop_front();
    for (const SpfTerm& term : terms.terms) {
      if (term.kind == SpfTerm::Kind::kAll) break;
      if (!term.is_lookup()) continue;
      ++walk.lookup_count;
      if (term.has_macro() || followed == kMaxFollowed) continue;
      std::string target = absl::AsciiStrToLower(term.value.empty() ? name : term.value);
      if (absl::EndsWith(target, ".")) target.pop_back();
      if (term.kind == SpfTerm::Kind::kMx) NoteVoid(co_await Ask(context, target, dns::Type::kMx), walk);
      if (term.kind != SpfTerm::Kind::kInclude && term.kind != SpfTerm::Kind::kRedirect) continue;
      ++followed;
      if (!walk.seen.insert(target).second && target == name) {
        walk.problem = absl::StrCat(name, " includes itself");
        break;
      }
      const dns::Answer answer = co_await AskSpf(context, target);
      NoteVoid(answer, walk);
      if (answer.outcome == dns::Outcome::kFailed) {
        walk.problem =
            absl::StrCat("the DNS does not answer for ", target, " (", dns::FailureText(answer.failure), ")");
        break;
      }
      const std::vector<std::string> found = Those(TextsOf(answer), mailauth::IsSpfRecord);
      if (found.size() != 1) {
        walk.problem = absl::StrCat(target, ", which ", name, " includes, has ",
                                    found.empty() ? "no" : "more than one", " SPF record");
        break;
      }
      absl::StatusOr<mailauth::SpfRecord> next = mailauth::ParseSpfRecord(found.front());
      if (!next.ok()) {
        walk.problem = absl::StrCat("the SPF record of ", target, ", which ", name,
                                    " includes, is none: ", next.status().message());
        break;
      }
      records.emplace_back(target, *std::move(next));
    }
    // Where "all" stands, "redirect" is not looked at: it is behind the loop's break as well (section 6.1).
  }
}

Lines JudgeSpf(const Subject& subject, const std::string& shown, const mailauth::SpfRecord& record,
               const SpfWalk& walk) {
  Lines lines;
  if (!walk.problem.empty()) {
    lines.push_back(subject.Error(
        shown, absl::StrCat("The record is an error for all who check it: ", walk.problem, ".")));
  }
  if (walk.lookup_count > mailauth::kMaxSpfLookups) {
    lines.push_back(subject.Line(
        Level::kError, absl::StrCat(walk.lookup_count, " lookups"),
        absl::StrCat("at most ", mailauth::kMaxSpfLookups),
        "The record asks the DNS too often (RFC 7208 section 4.6.4) and is an error for all who check it: "
        "name networks (ip4, ip6) in place of hosts and includes."));
  }
  if (walk.void_count > kMaxVoidLookups) {
    lines.push_back(
        subject.Warning(absl::StrCat(walk.void_count, " lookups that find nothing"),
                        "More than two are an error for many who check it (RFC 7208 section 4.6.4)."));
  }
  if (record.Find(SpfTerm::Kind::kPtr) != nullptr) {
    lines.push_back(subject.Warning("ptr", "It is slow and not to be used (RFC 7208 section 5.5)."));
  }
  const SpfTerm* const all = record.Find(SpfTerm::Kind::kAll);
  if (all != nullptr && all->qualifier == '+') {
    lines.push_back(
        subject.Line(Level::kError, "+all", "-all", "Every host in the world may send the domain's mail."));
  } else if (all != nullptr && all->qualifier == '?') {
    lines.push_back(subject.Line(Level::kWarning, "?all", "-all",
                                 "The record says nothing of hosts that it does not name."));
  } else if (all == nullptr && record.Find(SpfTerm::Kind::kRedirect) == nullptr) {
    lines.push_back(subject.Line(Level::kWarning, shown, "-all at the end",
                                 "The record says nothing of hosts that it does not name."));
  }
  if (lines.empty()) {
    lines.push_back(
        subject.Ok(shown, absl::StrCat(walk.lookup_count, " of ", mailauth::kMaxSpfLookups, " lookups.")));
  }
  return lines;
}

// ---- DKIM

// Empty: the record is for the key. Else what is wrong.
std::string KeyDifference(absl::string_view found, absl::string_view wanted) {
  const absl::StatusOr<mailauth::KeyRecord> there = mailauth::ParseKeyRecord(found);
  const absl::StatusOr<mailauth::KeyRecord> key = mailauth::ParseKeyRecord(wanted);
  if (!there.ok()) return absl::StrCat("it is no DKIM record: ", there.status().message());
  if (there->public_key.empty()) return "it says that the key is revoked (p is empty)";
  if (!key.ok() || there->type != key->type) return "its kind of key (k) is another";
  if (there->public_key != key->public_key) return "its key (p) is another";
  if (!there->TakesSha256()) return "it does not allow sha256 (h)";
  if (!there->IsForEmail()) return "it is not for mail (s)";
  return "";
}

asio::awaitable<CheckLine> CheckKey(CheckContext& context, DkimExpectation key) {
  const Subject subject{"DKIM", key.name};
  const dns::Answer answer = co_await Ask(context, key.name, dns::Type::kTxt);
  if (answer.outcome == dns::Outcome::kFailed) co_return subject.NotAnswered(answer.failure);
  const std::vector<std::string> texts = TextsOf(answer);
  const Level missing = key.active ? Level::kError : Level::kWarning;
  if (texts.empty()) {
    co_return subject.Line(
        missing, "", key.value,
        key.active    ? "Mail is signed with a key that nobody can find: publish it."
        : key.retired ? "Mail that the key signed, and that is on its way, cannot be checked any more."
                      : "The key is not published, and signs nothing until it is.");
  }
  if (texts.size() > 1) {
    co_return subject.Line(Level::kError, absl::StrCat(texts.size(), " records"), key.value,
                           "Any of them may be taken (RFC 6376 section 3.6.2.2): leave one.");
  }
  const std::string difference = KeyDifference(texts.front(), key.value);
  if (!difference.empty()) {
    co_return subject.Line(missing, Shown(texts.front()), key.value,
                           absl::StrCat("The record is not that of the key: ", difference, "."));
  }
  co_return subject.Ok(Shown(texts.front()), key.active ? "The key is published, and signs the domain's mail."
                                                        : "The key is published.");
}

// ---- DMARC

Lines JudgeDmarc(const Subject& subject, const std::vector<std::string>& found, const std::string& domain) {
  Lines lines;
  if (found.size() > 1) {
    lines.push_back(subject.Error(absl::StrCat(found.size(), " records"),
                                  "With several there is none (RFC 9989 section 4.10): leave one."));
    return lines;
  }
  const std::string shown = Shown(found.front());
  const absl::StatusOr<mailauth::DmarcRecord> record = mailauth::ParseDmarcRecord(found.front());
  if (!record.ok()) {
    lines.push_back(
        subject.Error(shown, absl::StrCat("The record does not count: ", record.status().message(), ".")));
    return lines;
  }
  for (const std::string& remark : record->remarks)
    lines.push_back(subject.Warning(shown, absl::StrCat(remark, ".")));
  std::string text = absl::StrCat("p=", mailauth::DmarcPolicyText(*record->policy));
  if (subject.name != absl::StrCat("_dmarc.", domain)) {
    const auto policy = record->subdomain_policy.has_value() ? *record->subdomain_policy : *record->policy;
    text = absl::StrCat("It stands above the domain, for which it says ", mailauth::DmarcPolicyText(policy));
  }
  if (record->aggregate_uris.empty()) absl::StrAppend(&text, "; nobody is told of what others see (rua)");
  lines.push_back(subject.Ok(shown, absl::StrCat(text, ".")));
  return lines;
}

// ---- MTA-STS

CheckLine CompareWithPolicy(const Subject& subject, const StsPolicy& policy,
                            const std::vector<std::string>& hosts) {
  std::vector<std::string> missing;
  for (const std::string& host : hosts) {
    if (!mailauth::StsAllows(policy, host)) missing.push_back(host);
  }
  const std::string mode = absl::StrCat("mode ", mailauth::StsModeText(policy.mode));
  const std::string found = absl::StrCat(mode, "; mx ", Shown(absl::StrJoin(policy.mx, ", ")));
  if (policy.mode == StsPolicy::Mode::kNone) {
    return subject.Warning(mode, "The policy asks for nothing: that is for giving MTA-STS up.");
  }
  if (!missing.empty()) {
    const bool enforces = policy.mode == StsPolicy::Mode::kEnforce;
    return subject.Line(
        enforces ? Level::kError : Level::kWarning, found, absl::StrJoin(hosts, ", "),
        absl::StrCat("The policy does not name ", absl::StrJoin(missing, ", "), ": ",
                     enforces ? "mail does not come there." : "with mode enforce no mail would come there.",
                     " Name it, and give the record another id."));
  }
  if (policy.max_age < kShortAge) {
    return subject.Line(Level::kWarning, absl::StrCat("max_age ", absl::ToInt64Seconds(policy.max_age)),
                        "weeks",
                        "A policy that ends within a day protects little mail (RFC 8461 section 3.2).");
  }
  return subject.Ok(found, policy.mode == StsPolicy::Mode::kTesting
                               ? "Nothing is enforced yet: when reports are clean, mode enforce."
                               : "");
}

// What is not as it should be where the policy is webd's; none otherwise.
Lines CompareWithServed(const Subject& record, const std::string& id, const Subject& policy_host,
                        const StsPolicy& policy, StsPolicy::Mode wanted) {
  Lines lines;
  if (policy.mode != wanted) {
    lines.push_back(policy_host.Line(
        Level::kError, absl::StrCat("mode ", mailauth::StsModeText(policy.mode)),
        absl::StrCat("mode ", mailauth::StsModeText(wanted)),
        "It is not what the domain has here (mailctl domain show): another server answers in webd's place."));
  } else if (const std::string present = mailauth::StsIdOf(policy); id != present) {
    lines.push_back(
        record.Line(Level::kWarning, absl::StrCat("id ", id), absl::StrCat("v=STSv1; id=", present),
                    "The policy is another one than the record was made for: senders that keep an "
                    "older one learn of it by the id."));
  }
  return lines;
}

// ---- TLS-RPT

// What is wrong with it; empty: nothing.
std::string TlsRptProblem(const std::string& text) {
  const absl::StatusOr<std::vector<mailauth::Tag>> tags = mailauth::ParseTagList(text);
  if (!tags.ok()) return std::string(tags.status().message());
  const std::string* const rua = mailauth::FindTag(*tags, "rua");
  if (rua == nullptr || rua->empty()) return "it names nobody (rua)";
  for (const absl::string_view uri : absl::StrSplit(*rua, ',')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(uri);
    if (!absl::StartsWithIgnoreCase(stripped, "mailto:") && !absl::StartsWithIgnoreCase(stripped, "https:")) {
      return "an address (rua) is neither mailto: nor https:";
    }
  }
  // As a relay of ours reads it.
  if (mailauth::ParseTlsReportRecord({text}).has_value()) return "";
  return "a report can be sent to none of its addresses (rua)";
}

}  // namespace

absl::string_view LevelText(Level level) {
  switch (level) {
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
    case Level::kOk:
      break;
  }
  return "ok";
}

Level WorstOf(const std::vector<CheckLine>& lines) {
  Level worst = Level::kOk;
  for (const CheckLine& line : lines) worst = std::max(worst, line.level);
  return worst;
}

asio::awaitable<Lines> CheckMx(CheckContext& context, const DomainExpectation& expected) {
  const Subject subject{"MX", expected.domain};
  const dns::Answer answer = co_await Ask(context, expected.domain, dns::Type::kMx);
  Lines lines;
  if (answer.outcome == dns::Outcome::kFailed) {
    lines.push_back(subject.NotAnswered(answer.failure));
    co_return lines;
  }
  if (answer.outcome == dns::Outcome::kNoName) {
    lines.push_back(
        subject.Error("", "The domain does not exist in the DNS: no mail comes, and none is taken from it."));
    co_return lines;
  }
  std::vector<std::string> hosts = ExchangersOf(answer);
  const bool is_null = std::find(hosts.begin(), hosts.end(), ".") != hosts.end();
  if (is_null) {
    const bool alone = hosts.size() == 1;
    lines.push_back(subject.Line(
        Level::kError, alone ? "null MX" : "null MX beside others", absl::StrJoin(expected.mx_hosts, ", "),
        alone ? "The domain says that it takes no mail (RFC 7505), and many take none from it."
              : "A null MX must stand alone (RFC 7505 section 3): take it away."));
    co_return lines;
  }
  if (hosts.empty()) {
    lines.push_back(subject.Line(
        Level::kWarning, "", absl::StrJoin(expected.mx_hosts, ", "),
        "Without an MX record mail goes to the addresses of the domain itself (RFC 5321 section 5.1)."));
    Append(co_await CheckHost(context, expected.domain), lines);
    co_return lines;
  }
  lines.push_back(CompareHosts(subject, hosts, expected));
  if (hosts.size() > kMaxHosts) hosts.resize(kMaxHosts);
  for (const std::string& host : hosts) Append(co_await CheckHost(context, host), lines);
  co_return lines;
}

asio::awaitable<Lines> CheckSpf(CheckContext& context, const std::string& domain) {
  const Subject subject{"SPF", domain};
  const dns::Answer answer = co_await AskSpf(context, domain);
  Lines lines;
  if (answer.outcome == dns::Outcome::kFailed) {
    lines.push_back(subject.NotAnswered(answer.failure));
    co_return lines;
  }
  const std::vector<std::string> found = Those(TextsOf(answer), mailauth::IsSpfRecord);
  if (found.empty()) {
    lines.push_back(subject.Line(Level::kError, "", "v=spf1 mx -all",
                                 "Large providers take no mail without SPF or DKIM: publish a record."));
    co_return lines;
  }
  if (found.size() > 1) {
    lines.push_back(subject.Error(
        absl::StrCat(found.size(), " SPF records"),
        "With several it is an error for all who check it (RFC 7208 section 4.5): make one of them."));
    co_return lines;
  }
  const std::string shown = Shown(found.front());
  absl::StatusOr<mailauth::SpfRecord> record = mailauth::ParseSpfRecord(found.front());
  if (!record.ok()) {
    lines.push_back(subject.Error(shown, absl::StrCat("The record is an error for all who check it: ",
                                                      record.status().message(), ".")));
    co_return lines;
  }
  SpfWalk walk;
  co_await WalkSpf(context, domain, *record, walk);
  co_return JudgeSpf(subject, shown, *record, walk);
}

asio::awaitable<Lines> CheckDkim(CheckContext& context, const DomainExpectation& expected) {
  Lines lines;
  if (expected.dkim.empty()) {
    const Subject subject{"DKIM", absl::StrCat("_domainkey.", expected.domain)};
    lines.push_back(subject.Warning(
        "", absl::StrCat("The domain has no key, so that its mail is not signed: mailctl dkim create ",
                         expected.domain)));
  }
  for (const DkimExpectation& key : expected.dkim) lines.push_back(co_await CheckKey(context, key));
  co_return lines;
}

asio::awaitable<Lines> CheckDmarc(CheckContext& context, const std::string& domain) {
  Lines lines;
  absl::string_view at = domain;
  // Section 4.10: of a name with more than eight labels those in the middle are left out.
  size_t left = kMaxTreeQueries;
  while (left > 0 && !at.empty()) {
    const Subject subject{"DMARC", absl::StrCat("_dmarc.", at)};
    const dns::Answer answer = co_await Ask(context, subject.name, dns::Type::kTxt);
    --left;
    if (answer.outcome == dns::Outcome::kFailed) {
      lines.push_back(subject.NotAnswered(answer.failure));
      co_return lines;
    }
    const std::vector<std::string> found = Those(TextsOf(answer), mailauth::IsDmarcRecord);
    if (!found.empty()) co_return JudgeDmarc(subject, found, domain);
    do {
      const size_t dot = at.find('.');
      at = dot == absl::string_view::npos ? absl::string_view() : at.substr(dot + 1);
    } while (static_cast<size_t>(std::count(at.begin(), at.end(), '.')) + 1 > left && !at.empty());
  }
  const Subject subject{"DMARC", absl::StrCat("_dmarc.", domain)};
  lines.push_back(subject.Line(Level::kError, "", "v=DMARC1; p=none",
                               "Large providers want a record of everybody who sends much: publish one."));
  co_return lines;
}

asio::awaitable<Lines> CheckSts(CheckContext& context, const DomainExpectation& expected) {
  const std::string& domain = expected.domain;
  const Subject record{"MTA-STS", mailauth::StsRecordName(domain)};
  const dns::Answer answer = co_await Ask(context, record.name, dns::Type::kTxt);
  Lines lines;
  if (answer.outcome == dns::Outcome::kFailed) {
    lines.push_back(record.NotAnswered(answer.failure));
    co_return lines;
  }
  const absl::StatusOr<std::string> id = mailauth::FindStsId(TextsOf(answer));
  if (absl::IsNotFound(id.status())) {
    lines.push_back(record.Warning("",
                                   "There is no MTA-STS: what is sent here can be read on the way where "
                                   "somebody takes TLS away, unless there is DANE."));
    co_return lines;
  }
  if (!id.ok()) {
    lines.push_back(record.Error(Shown(absl::StrJoin(TextsOf(answer), " | ")),
                                 absl::StrCat("It does not count: ", id.status().message(), ".")));
    co_return lines;
  }
  lines.push_back(record.Ok(absl::StrCat("id ", *id), ""));
  const Subject policy_host{
      "MTA-STS policy", absl::StrCat("https://", mailauth::StsPolicyHost(domain), mailauth::kStsPolicyPath)};
  const absl::StatusOr<std::string> file = co_await context.fetch_policy(domain);
  if (!file.ok()) {
    lines.push_back(
        policy_host.Error("", absl::StrCat("It cannot be fetched: ", Shown(file.status().message()), ".")));
    co_return lines;
  }
  const absl::StatusOr<StsPolicy> policy = mailauth::ParseStsPolicy(*file);
  if (!policy.ok()) {
    lines.push_back(
        policy_host.Error(Shown(*file), absl::StrCat("It is no policy: ", policy.status().message(), ".")));
    co_return lines;
  }
  const dns::Answer mx = co_await Ask(context, domain, dns::Type::kMx);
  std::vector<std::string> hosts = ExchangersOf(mx);
  if (mx.outcome == dns::Outcome::kNoData) hosts = {domain};
  lines.push_back(CompareWithPolicy(policy_host, *policy, hosts));
  if (expected.sts_mode.has_value()) {
    Append(CompareWithServed(record, *id, policy_host, *policy, *expected.sts_mode), lines);
  }
  co_return lines;
}

asio::awaitable<Lines> CheckTlsRpt(CheckContext& context, const std::string& domain) {
  const Subject subject{"TLS-RPT", absl::StrCat("_smtp._tls.", domain)};
  const dns::Answer answer = co_await Ask(context, subject.name, dns::Type::kTxt);
  Lines lines;
  if (answer.outcome == dns::Outcome::kFailed) {
    lines.push_back(subject.NotAnswered(answer.failure));
    co_return lines;
  }
  const std::vector<std::string> found =
      Those(TextsOf(answer), [](const std::string& text) { return absl::StartsWith(text, "v=TLSRPTv1;"); });
  if (found.empty()) {
    lines.push_back(
        subject.Warning("", "Nobody is told when senders cannot use TLS with the domain's hosts."));
  } else if (found.size() > 1) {
    lines.push_back(subject.Error(absl::StrCat(found.size(), " records"),
                                  "With several there is none (RFC 8460 section 3): leave one."));
  } else {
    const std::string problem = TlsRptProblem(found.front());
    lines.push_back(problem.empty() ? subject.Ok(Shown(found.front()), "")
                                    : subject.Error(Shown(found.front()),
                                                    absl::StrCat("It does not count: ", problem, ".")));
  }
  co_return lines;
}

asio::awaitable<Lines> CheckDomain(CheckContext& context, DomainExpectation expected) {
  Lines lines = co_await CheckMx(context, expected);
  Append(co_await CheckSpf(context, expected.domain), lines);
  Append(co_await CheckDkim(context, expected), lines);
  Append(co_await CheckDmarc(context, expected.domain), lines);
  Append(co_await CheckSts(context, expected), lines);
  Append(co_await CheckTlsRpt(context, expected.domain), lines);
  co_return lines;
}

}  // namespace mailstead::ctl
