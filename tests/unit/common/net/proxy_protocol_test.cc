#include "common/net/proxy_protocol.h"

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"

namespace mailstead::net {
namespace {

using std::string;

const string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

string Binary(uint8_t command, uint8_t family, const string& block) {
  string header = kSignature;
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  header += static_cast<char>(block.size() >> 8);
  header += static_cast<char>(block.size() & 0xff);
  return header + block;
}

const string kTcp4Block("\xc0\x00\x02\x01\xc0\x00\x02\x09\xc0\x00\x00\x19", 12);
const string kTcp6Block = string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) +
                          string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09", 16) +
                          string("\xc0\x00\x00\x19", 4);
// A type 4 (NOOP) value of three bytes.
const string kNoopTlv("\x04\x00\x03xyz", 6);

struct Golden {
  string name;
  string header;
  // "" when the header gives no address.
  string source;
  uint16_t source_port = 0;
};

std::vector<Golden> Goldens() {
  return {
      {"v1 tcp4", "PROXY TCP4 192.0.2.1 192.0.2.9 49152 25\r\n", "192.0.2.1", 49152},
      {"v1 tcp6", "PROXY TCP6 2001:db8::1 2001:db8::9 49152 25\r\n", "2001:db8::1", 49152},
      {"v1 longest tcp6",
       "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 "
       "65535\r\n",
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
      {"v1 port 0", "PROXY TCP4 192.0.2.1 192.0.2.9 0 0\r\n", "192.0.2.1", 0},
      {"v1 unknown", "PROXY UNKNOWN\r\n", ""},
      {"v1 unknown with more", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""},
      {"v2 tcp4", Binary(0x21, 0x11, kTcp4Block), "192.0.2.1", 49152},
      {"v2 tcp4 with tlv", Binary(0x21, 0x11, kTcp4Block + kNoopTlv), "192.0.2.1", 49152},
      {"v2 tcp6", Binary(0x21, 0x21, kTcp6Block), "2001:db8::1", 49152},
      {"v2 tcp6 with tlv", Binary(0x21, 0x21, kTcp6Block + kNoopTlv + kNoopTlv), "2001:db8::1", 49152},
      {"v2 unix", Binary(0x21, 0x31, string(216, '/')), ""},
      {"v2 unspecified", Binary(0x21, 0x00, ""), ""},
      {"v2 unspecified with tlv", Binary(0x21, 0x00, kNoopTlv), ""},
      {"v2 local", Binary(0x20, 0x00, ""), ""},
      {"v2 local with an address", Binary(0x20, 0x11, kTcp4Block), ""},
      {"v2 local with a family of tomorrow", Binary(0x20, 0x77, "abc"), ""},
      {"v2 largest", Binary(0x21, 0x11, kTcp4Block + string(kMaxProxyHeaderBytes - 28, 't')), "192.0.2.1",
       49152},
  };
}

TEST(ProxyHeaderTest, ReadsGoldenHeadersAndNothingBehind) {
  for (const Golden& golden : Goldens()) {
    for (const string& behind : {string(), string("EHLO a\r\n"), string("\0\r\n", 3)}) {
      SCOPED_TRACE(golden.name);
      const absl::StatusOr<std::optional<ProxyHeader>> header = ParseProxyHeader(golden.header + behind);
      ASSERT_TRUE(header.ok()) << header.status();
      ASSERT_TRUE(header->has_value());
      EXPECT_EQ((*header)->size_bytes, golden.header.size());
      ASSERT_EQ((*header)->source.has_value(), !golden.source.empty());
      EXPECT_EQ((*header)->source.has_value(), (*header)->destination.has_value());
      if (golden.source.empty()) continue;
      EXPECT_EQ((*header)->source->address().to_string(), golden.source);
      EXPECT_EQ((*header)->source->port(), golden.source_port);
    }
  }
}

TEST(ProxyHeaderTest, ReadsTheDestination) {
  const auto text = ParseProxyHeader("PROXY TCP4 192.0.2.1 192.0.2.9 49152 25\r\n");
  ASSERT_TRUE(text.ok() && text->has_value());
  EXPECT_EQ(*(**text).destination, asio::ip::tcp::endpoint(asio::ip::make_address("192.0.2.9"), 25));
  const auto tcp4 = ParseProxyHeader(Binary(0x21, 0x11, kTcp4Block));
  ASSERT_TRUE(tcp4.ok() && tcp4->has_value());
  EXPECT_EQ(*(**tcp4).destination, asio::ip::tcp::endpoint(asio::ip::make_address("192.0.2.9"), 25));
  const auto tcp6 = ParseProxyHeader(Binary(0x21, 0x21, kTcp6Block));
  ASSERT_TRUE(tcp6.ok() && tcp6->has_value());
  EXPECT_EQ(*(**tcp6).destination, asio::ip::tcp::endpoint(asio::ip::make_address("2001:db8::9"), 25));
}

TEST(ProxyHeaderTest, EveryTruncationAsksForMore) {
  for (const Golden& golden : Goldens()) {
    for (size_t size = 0; size < golden.header.size(); ++size) {
      const auto header = ParseProxyHeader(golden.header.substr(0, size));
      ASSERT_TRUE(header.ok()) << golden.name << " at " << size << ": " << header.status();
      ASSERT_FALSE(header->has_value()) << golden.name << " at " << size;
    }
  }
}

TEST(ProxyHeaderTest, RefusesWhatIsNone) {
  const std::vector<string> bad = {
      "EHLO a\r\n",
      "proxy TCP4 192.0.2.1 192.0.2.9 49152 25\r\n",
      "PROXY",  // right so far, wrong with the next byte
      "PROXYTCP4 192.0.2.1 192.0.2.9 49152 25\r\n",
      "PROXY  TCP4 192.0.2.1 192.0.2.9 49152 25\r\n",
      "PROXY TCP4  192.0.2.1 192.0.2.9 49152 25\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 49152 25 \r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 49152 25 1\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 49152\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 49152 25\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 49152 25\rx",
      "PROXY TCP4 192.0.2.256 192.0.2.9 49152 25\r\n",
      "PROXY TCP4 192.0.2 192.0.2.9 49152 25\r\n",
      "PROXY TCP4 2001:db8::1 2001:db8::9 49152 25\r\n",
      "PROXY TCP6 192.0.2.1 192.0.2.9 49152 25\r\n",
      "PROXY TCP6 fe80::1%1 2001:db8::9 49152 25\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 65536 25\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 -1 25\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 +1 25\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 01 25\r\n",
      "PROXY TCP4 192.0.2.1 192.0.2.9 0x1 25\r\n",
      "PROXY UDP4 192.0.2.1 192.0.2.9 49152 25\r\n",
      "PROXY UNKNOWNX\r\n",
      "PROXY \r\n",
      "\r\n",  // right so far
      "\r\nQUIT",
      Binary(0x11, 0x11, kTcp4Block),  // version 1 in binary
      Binary(0x22, 0x11, kTcp4Block),  // a command of tomorrow
      Binary(0x31, 0x11, kTcp4Block),
      Binary(0x21, 0x12, kTcp4Block),  // a datagram
      Binary(0x21, 0x41, kTcp4Block),
      Binary(0x21, 0x11, kTcp4Block.substr(0, 11)),
      Binary(0x21, 0x21, kTcp6Block.substr(0, 35)),
      Binary(0x21, 0x21, kTcp4Block),
      Binary(0x21, 0x31, string(215, '/')),
      Binary(0x21, 0x11, ""),
      Binary(0x21, 0x11, kTcp4Block + string(kMaxProxyHeaderBytes - 27, 't')),
  };
  for (const string& header : bad) {
    const bool right_so_far = header == "PROXY" || header == "\r\n";
    const auto parsed = ParseProxyHeader(right_so_far ? header + "x" : header);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << testing::PrintToString(header);
  }
}

TEST(ProxyHeaderTest, TextLineHasALimit) {
  const string longest = "PROXY UNKNOWN " + string(91, 'x');
  EXPECT_TRUE(ParseProxyHeader(longest + "\r\n")->has_value());
  EXPECT_EQ(ParseProxyHeader(longest + "x\r\n").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseProxyHeader(longest + "xx").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseProxyHeader(longest + string(100'000, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ProxyHeaderTest, NonsenseIsNotWaitedFor) {
  EXPECT_FALSE(ParseProxyHeader("G").ok());
  EXPECT_FALSE(ParseProxyHeader("PX").ok());
  EXPECT_FALSE(ParseProxyHeader(kSignature + "\x11").ok());
  EXPECT_FALSE(ParseProxyHeader(kSignature + string("\x21\x11\xff\xff", 4)).ok())
      << "a length beyond the limit";
}

// A header with bytes changed, added or cut is read, refused or asked more of, and never read past its end.
TEST(ProxyHeaderTest, MutationsNeverReachBeyondTheInput) {
  const std::vector<Golden> goldens = Goldens();
  std::mt19937 random(20261123);
  for (int round = 0; round < 200'000; ++round) {
    string bytes = goldens[random() % goldens.size()].header;
    for (uint32_t changes = random() % 4; changes > 0; --changes) {
      const size_t at = random() % std::min<size_t>(bytes.size(), 60);
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        default:
          if (bytes.size() > 1) bytes.erase(at, 1);
      }
    }
    // Exactly this many bytes on the heap, so that the address sanitizer sees one too many.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const auto header = ParseProxyHeader(absl::string_view(exact.data(), exact.size()));
    if (!header.ok()) {
      ASSERT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument);
    } else if (header->has_value()) {
      ASSERT_LE((*header)->size_bytes, bytes.size());
      ASSERT_LE((*header)->size_bytes, kMaxProxyHeaderBytes);
      ASSERT_GE((*header)->size_bytes, 15u);
    } else {
      ASSERT_LT(bytes.size(), kMaxProxyHeaderBytes);
    }
  }
}

TEST(ReadProxyHeaderTest, TakesTheHeaderAndLeavesTheRest) {
  for (const Golden& golden : Goldens()) {
    SCOPED_TRACE(golden.name);
    Loopback link;
    const auto own = link.stream->peer();
    ASSERT_TRUE(link.client.Send(golden.header + "EHLO a\r\n"));
    const absl::Status status = Await(link.context, ReadProxyHeader(*link.stream, absl::Seconds(10)));
    ASSERT_TRUE(status.ok()) << status;
    if (golden.source.empty()) {
      EXPECT_EQ(link.stream->peer(), own);
    } else {
      EXPECT_EQ(AddressText(link.stream->peer()), golden.source);
      EXPECT_EQ(link.stream->peer().port(), golden.source_port);
    }
    const auto rest = Await(link.context, ReadUpTo(*link.stream, 100, absl::Seconds(10)));
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(*rest, "EHLO a\r\n");
  }
}

TEST(ReadProxyHeaderTest, TakesAHeaderThatComesInPieces) {
  for (const string& header :
       {string("PROXY TCP4 192.0.2.1 192.0.2.9 49152 25\r\n"), Binary(0x21, 0x21, kTcp6Block)}) {
    Loopback link;
    std::thread sender([&] {
      for (const char c : header + "NOOP") {
        link.client.Send(absl::string_view(&c, 1));
        absl::SleepFor(absl::Milliseconds(1));
      }
    });
    const absl::Status status = Await(link.context, ReadProxyHeader(*link.stream, absl::Seconds(10)));
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(*Await(link.context, ReadExactly(*link.stream, 4, absl::Seconds(10))), "NOOP");
    sender.join();
  }
}

TEST(ReadProxyHeaderTest, EndsAtItsDeadlineHoweverItTrickles) {
  Loopback link;
  std::atomic<bool> done{false};
  std::thread trickle([&] {
    link.client.Send("PROXY UNKNOWN ");
    for (int i = 0; i < 90 && !done; ++i) {
      link.client.Send("x");
      absl::SleepFor(absl::Milliseconds(35));
    }
  });
  const absl::Time begin = absl::Now();
  const absl::Status status = Await(link.context, ReadProxyHeader(*link.stream, absl::Milliseconds(150)));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2.5));
  done = true;
  trickle.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST(ReadProxyHeaderTest, SaysWhyItFailed) {
  Loopback no_header;
  ASSERT_TRUE(no_header.client.Send("EHLO a\r\n"));
  EXPECT_EQ(Await(no_header.context, ReadProxyHeader(*no_header.stream, absl::Seconds(10))).code(),
            absl::StatusCode::kInvalidArgument);
  Loopback gone;
  ASSERT_TRUE(gone.client.Send("PROXY TCP4"));
  gone.client.Close();
  EXPECT_EQ(Await(gone.context, ReadProxyHeader(*gone.stream, absl::Seconds(10))).code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace mailstead::net
