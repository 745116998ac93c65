#include "common/dns/mx_order.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_resolver.h"

namespace mailstead::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Leaves an order as it is: each is swapped with itself.
size_t Last(size_t bound) { return bound - 1; }
size_t First(size_t) { return 0; }

std::vector<std::string> Hosts(const MxOrder& order) {
  std::vector<std::string> hosts;
  for (const Exchanger& each : order.hosts) hosts.push_back(absl::StrCat(each.preference, " ", each.host));
  return hosts;
}

TEST(OrderExchangersTest, Table) {
  struct Row {
    const char* what;
    Answer answer;
    MxOutcome outcome;
    std::vector<std::string> hosts;
  };
  const Row kRows[] = {
      {"lowest first",
       Answered({Mx{20, "b.test"}, Mx{0, "c.test"}, Mx{10, "a.test"}}),
       MxOutcome::kHosts,
       {"0 c.test", "10 a.test", "20 b.test"}},
      {"no MX", Absent(Outcome::kNoData), MxOutcome::kImplicit, {"0 example.test"}},
      {"no such domain", Absent(Outcome::kNoName), MxOutcome::kNoDomain, {}},
      {"a failure is not no MX", Failed(Failure::kServFail), MxOutcome::kFailed, {}},
      {"null MX", Answered({Mx{0, "."}}), MxOutcome::kNullMx, {}},
      {"null MX of any preference", Answered({Mx{10, "."}}), MxOutcome::kNullMx, {}},
      {"no null MX among others", Answered({Mx{0, "."}, Mx{10, "a.test"}}), MxOutcome::kHosts, {"10 a.test"}},
      {"an address is no host", Answered({Mx{0, "192.0.2.1"}}), MxOutcome::kNoHost, {}},
      {"what is no host is left out",
       Answered({Mx{0, "a\\000.test"}, Mx{5, "*.test"}, Mx{10, "a.test"}}),
       MxOutcome::kHosts,
       {"10 a.test"}},
      {"twice the same",
       Answered({Mx{20, "a.test"}, Mx{10, "a.test"}, Mx{15, "b.test"}}),
       MxOutcome::kHosts,
       {"10 a.test", "15 b.test"}},
      {"we are the backup",
       Answered({Mx{10, "a.test"}, Mx{20, "self.test"}, Mx{30, "c.test"}}),
       MxOutcome::kHosts,
       {"10 a.test"}},
      {"nor an equal one",
       Answered({Mx{10, "a.test"}, Mx{20, "b.test"}, Mx{20, "self.test"}}),
       MxOutcome::kHosts,
       {"10 a.test"}},
      {"we are the best", Answered({Mx{10, "self.test"}, Mx{20, "b.test"}}), MxOutcome::kLoop, {}},
      {"equal to the best", Answered({Mx{10, "b.test"}, Mx{10, "self.test"}}), MxOutcome::kLoop, {}},
      {"only us", Answered({Mx{10, "self.test"}}), MxOutcome::kLoop, {}},
      {"our better name counts",
       Answered({Mx{20, "self.test"}, Mx{5, "a.test"}, Mx{10, "other-self.test"}, Mx{15, "b.test"}}),
       MxOutcome::kHosts,
       {"5 a.test"}},
  };
  for (const Row& row : kRows) {
    const MxOrder order = OrderExchangers("example.test", row.answer, {"self.test", "other-self.test"}, Last);
    EXPECT_EQ(order.outcome, row.outcome) << row.what;
    EXPECT_EQ(Hosts(order), row.hosts) << row.what;
  }
}

TEST(OrderExchangersTest, ADomainThatIsOurOwnNameIsALoop) {
  EXPECT_EQ(OrderExchangers("self.test", Absent(Outcome::kNoData), {"self.test"}, Last).outcome,
            MxOutcome::kLoop);
}

TEST(OrderExchangersTest, EqualsAreShuffledAmongThemselves) {
  const Answer answer = Answered({Mx{10, "a.test"}, Mx{10, "b.test"}, Mx{10, "c.test"}, Mx{5, "x.test"},
                                  Mx{20, "y.test"}, Mx{20, "z.test"}});
  EXPECT_THAT(Hosts(OrderExchangers("example.test", answer, {}, Last)),
              ElementsAre("5 x.test", "10 a.test", "10 b.test", "10 c.test", "20 y.test", "20 z.test"));
  EXPECT_THAT(Hosts(OrderExchangers("example.test", answer, {}, First)),
              ElementsAre("5 x.test", "10 b.test", "10 c.test", "10 a.test", "20 z.test", "20 y.test"));
  // All six orders of three come.
  std::set<std::vector<std::string>> orders;
  for (size_t i = 0; i < 6; ++i) {
    std::vector<size_t> numbers = {i / 2, i % 2};
    const Answer three = Answered({Mx{1, "a.test"}, Mx{1, "b.test"}, Mx{1, "c.test"}});
    const auto next = [&numbers](size_t bound) {
      const size_t number = numbers.front() % bound;
      numbers.erase(numbers.begin());
      return number;
    };
    orders.insert(Hosts(OrderExchangers("example.test", three, {}, next)));
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST(OrderExchangersTest, IsBounded) {
  for (const size_t count : {kMaxExchangers - 1, kMaxExchangers, kMaxExchangers + 1}) {
    std::vector<Record> records;
    for (size_t i = 0; i < count; ++i) {
      records.push_back(Mx{static_cast<uint16_t>(count - i), absl::StrCat("h", count - i, ".test")});
    }
    const MxOrder order = OrderExchangers("example.test", Answered(records), {}, Last);
    EXPECT_EQ(order.hosts.size(), std::min(count, kMaxExchangers));
    EXPECT_EQ(order.hosts.front().host, "h1.test");
  }
}

TEST(OrderExchangersTest, OurselvesAreFoundBeyondTheBound) {
  // Dropping comes before cutting.
  std::vector<Record> records = {Mx{1, "a.test"}};
  for (size_t i = 0; i < 2 * kMaxExchangers; ++i) records.push_back(Mx{2, absl::StrCat("h", i, ".test")});
  records.push_back(Mx{2, "self.test"});
  EXPECT_THAT(Hosts(OrderExchangers("example.test", Answered(records), {"self.test"}, Last)),
              ElementsAre("1 a.test"));
}

}  // namespace
}  // namespace mailstead::dns
