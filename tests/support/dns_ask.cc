// dns_ask SERVERS TRUSTED [TRY_TIMEOUT_MS [TRIES]]: asks real servers, for tests/integration. Each line on standard
// input is one question, and each gets one line of JSON:
//   TYPE NAME           what the resolver answers
//   cached TYPE NAME    the same through a cache
//   together TYPE NAME... all of them at once: the answers in a list
//   probe NAME          whether the resolver validates
//   hops DOMAIN         where its mail goes, with 127.0.0.0/8 allowed
// Deadlines are 20 seconds; "within MILLISECONDS" in front of a line gives another.
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/address.hpp"
#include "common/base/check.h"
#include "common/base/timers.h"
#include "common/dns/ares_resolver.h"
#include "common/dns/caching_resolver.h"
#include "common/dns/server_list.h"
#include "common/dns/validation_probe.h"
#include "smtpd/outbound/next_hops.h"

namespace mailstead {
namespace {

std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      quoted.push_back(c);
    } else {
      absl::StrAppend(&quoted, "\\u00", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return quoted + "\"";
}

struct RecordText {
  std::string operator()(const dns::Ipv4Bytes& bytes) const {
    return asio::ip::address_v4(bytes).to_string();
  }
  std::string operator()(const dns::Ipv6Bytes& bytes) const {
    return asio::ip::address_v6(bytes).to_string();
  }
  std::string operator()(const dns::Alias& alias) const { return alias.target; }
  std::string operator()(const dns::Pointer& pointer) const { return pointer.name; }
  std::string operator()(const dns::Mx& mx) const { return absl::StrCat(mx.preference, " ", mx.exchange); }
  std::string operator()(const dns::Txt& txt) const { return txt.text; }
  std::string operator()(const dns::Tlsa& tlsa) const {
    return absl::StrCat(tlsa.usage, " ", tlsa.selector, " ", tlsa.matching_type, " ",
                        absl::BytesToHexString(tlsa.data));
  }
  std::string operator()(const dns::Soa& soa) const {
    return absl::StrCat(soa.primary, " ", soa.mailbox, " ", soa.serial, " ", soa.minimum_seconds);
  }
};

std::string Json(const dns::Answer& answer) {
  std::vector<std::string> records;
  for (const dns::Record& record : answer.records)
    records.push_back(Quoted(std::visit(RecordText(), record)));
  return absl::StrCat("{\"outcome\": ", Quoted(dns::OutcomeText(answer.outcome)),
                      ", \"failure\": ", Quoted(dns::FailureText(answer.failure)),
                      ", \"secure\": ", answer.secure ? "true" : "false",
                      ", \"canonical_name\": ", Quoted(answer.canonical_name),
                      ", \"ttl\": ", absl::ToInt64Seconds(answer.ttl), ", \"records\": [",
                      absl::StrJoin(records, ", "), "]}");
}

std::string Json(const smtp::NextHopsResult& result) {
  if (const auto* none = std::get_if<smtp::NoNextHop>(&result)) {
    return absl::StrCat("{\"status\": ", Quoted(smtp::EnhancedStatus(none->reason)),
                        ", \"text\": ", Quoted(none->text), "}");
  }
  const auto& hops = std::get<smtp::NextHops>(result);
  std::vector<std::string> hosts;
  for (const smtp::NextHop& hop : hops.hosts) {
    std::vector<std::string> addresses;
    for (const asio::ip::address& address : hop.addresses) addresses.push_back(Quoted(address.to_string()));
    hosts.push_back(absl::StrCat("{\"host\": ", Quoted(hop.host), ", \"canonical_name\": ",
                                 Quoted(hop.canonical_name), ", \"secure\": ", hop.secure ? "true" : "false",
                                 ", \"addresses\": [", absl::StrJoin(addresses, ", "), "]}"));
  }
  std::vector<std::string> unresolved;
  for (const std::string& host : hops.unresolved) unresolved.push_back(Quoted(host));
  return absl::StrCat("{\"mx_secure\": ", hops.mx_secure ? "true" : "false",
                      ", \"implicit\": ", hops.implicit ? "true" : "false", ", \"unresolved\": [",
                      absl::StrJoin(unresolved, ", "), "], \"hosts\": [", absl::StrJoin(hosts, ", "), "]}");
}

class Asker {
 public:
  Asker(asio::io_context& context, dns::Resolver& resolver)
      : context_(context),
        resolver_(resolver),
        cache_(resolver, context.get_executor(), dns::CacheOptions(), Timers::Steady()) {}

  // What is said to one line.
  asio::awaitable<std::string> Reply(const std::string& line) {
    std::vector<std::string> words = absl::StrSplit(line, ' ');
    absl::Duration timeout = absl::Seconds(20);
    if (words.size() > 2 && words[0] == "within") {
      int64_t milliseconds = 0;
      CHECK(absl::SimpleAtoi(words[1], &milliseconds));
      timeout = absl::Milliseconds(milliseconds);
      words.erase(words.begin(), words.begin() + 2);
    }
    CHECK(words.size() >= 2);
    const absl::Time deadline = Timers::Steady().Now() + timeout;
    if (words[0] == "probe") return Probe(words[1], timeout);
    if (words[0] == "hops") return Hops(words[1], deadline);
    if (words[0] == "together") return Together({words.begin() + 2, words.end()}, TypeOf(words[1]), deadline);
    if (words[0] == "cached") return Ask(cache_, {words.at(2), TypeOf(words[1])}, deadline);
    return Ask(resolver_, {words[1], TypeOf(words[0])}, deadline);
  }

  void Run() {
    std::string line;
    while (std::getline(std::cin, line)) {
      asio::co_spawn(context_, Reply(line), [](const std::exception_ptr&, const std::string& said) {
        std::cout << said << std::endl;
      });
      // Until nothing is open any more, what c-ares has included.
      context_.run();
      context_.restart();
    }
  }

 private:
  static dns::Type TypeOf(const std::string& text) {
    const std::optional<dns::Type> type = dns::ParseType(text);
    CHECK(type.has_value());
    return *type;
  }

  asio::awaitable<std::string> Ask(dns::Resolver& resolver, dns::Question question, absl::Time deadline) {
    const dns::Answer answer = co_await resolver.Ask(std::move(question), deadline);
    co_return Json(answer);
  }

  asio::awaitable<std::string> Together(std::vector<std::string> names, dns::Type type, absl::Time deadline) {
    std::vector<dns::Question> questions;
    for (const std::string& name : names) questions.push_back({name, type});
    const std::vector<dns::Answer> answers = co_await dns::AskAll(resolver_, std::move(questions), deadline);
    std::vector<std::string> each;
    for (const dns::Answer& answer : answers) each.push_back(Json(answer));
    co_return absl::StrCat("[", absl::StrJoin(each, ", "), "]");
  }

  asio::awaitable<std::string> Probe(std::string name, absl::Duration timeout) {
    dns::ProbeOptions options{.name = std::move(name), .timeout = timeout};
    dns::ValidationProbe probe(resolver_, options, Timers::Steady(), [](bool) {});
    co_await probe.Turn();
    const absl::string_view validates = !probe.validates().has_value() ? "null"
                                        : *probe.validates()           ? "true"
                                                                       : "false";
    co_return absl::StrCat("{\"validates\": ", validates,
                           ", \"failure\": ", Quoted(dns::FailureText(probe.last_failure())), "}");
  }

  asio::awaitable<std::string> Hops(std::string domain, absl::Time deadline) {
    smtp::NextHopOptions options;
    options.own_names = {"self.signed.test"};
    options.rules.allowed = *net::NetworkList::Parse("127.0.0.0/8");
    smtp::NextHopFinder finder(resolver_, options, [](size_t) { return size_t{0}; });
    const smtp::NextHopsResult result = co_await finder.ForDomain(std::move(domain), deadline);
    co_return Json(result);
  }

  asio::io_context& context_;
  dns::Resolver& resolver_;
  dns::CachingResolver cache_;
};

int Main(int argc, char** argv) {
  CHECK(argc >= 3);
  dns::AresOptions options;
  const absl::StatusOr<std::vector<dns::Server>> servers = dns::ParseServers(argv[1]);
  const absl::StatusOr<std::vector<dns::Server>> trusted = dns::ParseServers(argv[2]);
  if (!servers.ok() || !trusted.ok()) {
    std::cerr << servers.status() << " " << trusted.status() << "\n";
    return 2;
  }
  options.servers = *servers;
  options.trusted = *trusted;
  int64_t milliseconds = 0;
  if (argc > 3 && absl::SimpleAtoi(argv[3], &milliseconds))
    options.try_timeout = absl::Milliseconds(milliseconds);
  if (argc > 4) CHECK(absl::SimpleAtoi(argv[4], &options.tries));

  asio::io_context context{1};
  absl::StatusOr<std::unique_ptr<dns::AresResolver>> resolver =
      dns::AresResolver::Start(context.get_executor(), options);
  if (!resolver.ok()) {
    std::cerr << resolver.status() << "\n";
    return 1;
  }
  Asker(context, **resolver).Run();
  resolver->reset();
  context.run();
  return 0;
}

}  // namespace
}  // namespace mailstead

int main(int argc, char** argv) { return mailstead::Main(argc, argv); }
