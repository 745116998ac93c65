#include "common/dns/mx_order.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "common/dns/message.h"

namespace mailstead::dns {
namespace {

template <typename Iterator>
void Shuffle(Iterator begin, Iterator end, RandomBelow random) {
  for (auto left = end - begin; left > 1; --left) {
    std::iter_swap(begin + (left - 1), begin + static_cast<ptrdiff_t>(random(static_cast<size_t>(left))));
  }
}

bool BetterPreference(const Exchanger& a, const Exchanger& b) { return a.preference < b.preference; }

void ShuffleEquals(std::vector<Exchanger>& hosts, RandomBelow random) {
  for (auto begin = hosts.begin(); begin != hosts.end();) {
    const auto end = std::upper_bound(begin, hosts.end(), *begin, BetterPreference);
    Shuffle(begin, end, random);
    begin = end;
  }
}

void DropRepeated(std::vector<Exchanger>& hosts) {
  absl::flat_hash_set<std::string> seen;
  const auto repeated = [&seen](const Exchanger& each) { return !seen.insert(each.host).second; };
  hosts.erase(std::remove_if(hosts.begin(), hosts.end(), repeated), hosts.end());
}

MxOrder OrderRecords(const std::vector<Record>& records, const std::vector<std::string>& own_names,
                     RandomBelow random) {
  MxOrder order;
  const bool alone = records.size() == 1;
  for (const Record& record : records) {
    const Mx& mx = std::get<Mx>(record);
    if (alone && mx.exchange == ".") {
      order.outcome = MxOutcome::kNullMx;
      return order;
    }
    if (IsHostName(mx.exchange)) order.hosts.push_back({mx.preference, mx.exchange});
  }
  if (order.hosts.empty()) {
    order.outcome = MxOutcome::kNoHost;
    return order;
  }
  std::stable_sort(order.hosts.begin(), order.hosts.end(), BetterPreference);
  DropRepeated(order.hosts);
  const auto ourselves =
      std::find_if(order.hosts.begin(), order.hosts.end(), [&own_names](const Exchanger& each) {
        return std::find(own_names.begin(), own_names.end(), each.host) != own_names.end();
      });
  if (ourselves != order.hosts.end()) {
    order.hosts.erase(std::lower_bound(order.hosts.begin(), order.hosts.end(), *ourselves, BetterPreference),
                      order.hosts.end());
  }
  order.outcome = order.hosts.empty() ? MxOutcome::kLoop : MxOutcome::kHosts;
  ShuffleEquals(order.hosts, random);
  if (order.hosts.size() > kMaxExchangers) order.hosts.resize(kMaxExchangers);
  return order;
}

}  // namespace

MxOrder OrderExchangers(absl::string_view domain, const Answer& answer,
                        const std::vector<std::string>& own_names, RandomBelow random) {
  switch (answer.outcome) {
    case Outcome::kAnswer:
      return OrderRecords(answer.records, own_names, random);
    case Outcome::kNoData: {
      const bool ourselves = std::find(own_names.begin(), own_names.end(), domain) != own_names.end();
      if (ourselves) return {.outcome = MxOutcome::kLoop};
      return {.outcome = MxOutcome::kImplicit, .hosts = {{.host = std::string(domain)}}};
    }
    case Outcome::kNoName:
      return {.outcome = MxOutcome::kNoDomain};
    case Outcome::kFailed:
      return {.outcome = MxOutcome::kFailed};
  }
  return {};
}

}  // namespace mailstead::dns
