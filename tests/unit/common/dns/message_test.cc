#include "common/dns/message.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/dns/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/dns/wire.h"

namespace mailstead::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::StatusOr<Response> Parse(const Packet& packet) {
  return ParseResponse(packet.Wire(), {packet.name, static_cast<Type>(packet.type)});
}

TEST(EncodeQueryTest, AsksForRecursionAuthenticDataAndDnssec) {
  const absl::StatusOr<std::string> query = EncodeQuery(0xabcd, {"Mail.example.TEST", Type::kAaaa});
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(absl::BytesToHexString(*query),
            absl::StrCat("abcd",              // ID
                         "0120",              // RD, AD
                         "0001000000000001",  // one question, one additional record
                         "046d61696c076578616d706c65047465737400", "001c", "0001",
                         // OPT: the root, 41, 1232 bytes, no error, version 0, DO, no data
                         "00", "0029", "04d0", "0000", "8000", "0000"));
}

TEST(EncodeQueryTest, TakesNamesOfTheDnsOnly) {
  const std::string label63(63, 'a');
  const std::string longest = absl::StrCat(label63, ".", label63, ".", label63, ".", std::string(61, 'a'));
  for (const std::string& name : {std::string("."), std::string("a"), std::string("_25._tcp.a-b.test"),
                                  std::string("0\\0471.2.0.192.in-addr.arpa"), label63, longest}) {
    EXPECT_TRUE(EncodeQuery(1, {name, Type::kA}).ok()) << name;
  }
  for (const std::string& name :
       {std::string(""), std::string("a..b"), std::string(".a"), std::string("a."), std::string("a b"),
        std::string("a\\b"), std::string("a\\25"), std::string("a\\256"), std::string("\xc3\xa4"),
        std::string("a\0b", 3), label63 + "a", longest + "a"}) {
    EXPECT_FALSE(EncodeQuery(1, {name, Type::kA}).ok()) << name;
  }
}

TEST(ParseResponseTest, ReadsEachType) {
  const std::string ipv6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
  const struct {
    unsigned type;
    std::string data;
    Record record;
  } kRows[] = {
      {kA, std::string("\xc0\0\2\1", 4), Ipv4Bytes{192, 0, 2, 1}},
      {kAaaa, ipv6, Ipv6Bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
      {kCname, Name("other.test"), Alias{"other.test"}},
      {kPtr, Name("Host.Example.TEST"), Pointer{"host.example.test"}},
      {kMx, U16(10) + Name("MX.example.test"), Mx{10, "mx.example.test"}},
      {kMx, U16(65535) + Name("."), Mx{65535, "."}},
      {kMx, U16(0) + U8(2) + "mx" + ToQuestion(), Mx{0, "mx.example.test"}},
      {kTxt, U8(5) + "v=spf" + U8(0) + U8(2) + "1 ", Txt{"v=spf1 "}},
      {kTxt, U8(0), Txt{""}},
      {kTlsa, TlsaData("abc"), Tlsa{3, 1, 1, "abc"}},
      {kTlsa, TlsaData(""), Tlsa{3, 1, 1, ""}},
      {kSoa, SoaData(60), Soa{"ns.test", "admin.test", 1, 2, 3, 4, 60}},
  };
  for (const auto& row : kRows) {
    const Packet packet{.type = row.type, .answer = {Rr(ToQuestion(), row.type, 300, row.data)}};
    const absl::StatusOr<Response> response = Parse(packet);
    ASSERT_TRUE(response.ok()) << row.type << " " << response.status();
    EXPECT_THAT(response->records, ElementsAre(row.record));
    EXPECT_EQ(response->ttl_seconds, 300u);
    EXPECT_EQ(response->id, 0x1234);
    EXPECT_TRUE(response->has_edns);
    EXPECT_TRUE(response->recursion_available);
    EXPECT_FALSE(response->authentic_data);
  }
}

TEST(ParseResponseTest, DataMustHaveTheLengthOfItsType) {
  const std::pair<unsigned, std::string> kRows[] = {
      {kA, "abc"},
      {kA, "abcde"},
      {kAaaa, "0123456789abcde"},
      {kAaaa, "0123456789abcdefg"},
      {kCname, ""},
      {kCname, Name("a") + "x"},
      {kCname,
       "\x02"
       "a"},
      {kMx, U16(1)},
      {kMx, U8(1)},
      {kMx, U16(1) + Name("a") + "x"},
      {kTxt, ""},
      {kTxt, U8(3) + "ab"},
      {kTxt, U8(1) + "a" + U8(1)},
      {kTlsa, "ab"},
      {kSoa, SoaData(1) + "x"},
      {kSoa, SoaData(1).substr(1)},
      {kSoa, Name("a") + Name("b") + U32(1)},
  };
  for (const auto& [type, data] : kRows) {
    const Packet packet{.type = type, .answer = {Rr(ToQuestion(), type, 300, data)}};
    EXPECT_EQ(Parse(packet).status().code(), absl::StatusCode::kInvalidArgument)
        << type << " " << absl::CHexEscape(data);
  }
}

TEST(ParseResponseTest, EveryBeginningIsNoAnswer) {
  const std::string wire =
      Packet{.answer = {Rr(ToQuestion(), kMx, 300, U16(10) + Name("mx.example.test"))}}.Wire();
  for (size_t size = 0; size < wire.size(); ++size) {
    EXPECT_FALSE(ParseResponse(wire.substr(0, size), {"example.test", Type::kMx}).ok()) << size;
  }
  EXPECT_TRUE(ParseResponse(wire, {"example.test", Type::kMx}).ok());
  EXPECT_FALSE(ParseResponse(wire + "x", {"example.test", Type::kMx}).ok());
}

TEST(ParseResponseTest, AnswersTheQuestionThatWasAsked) {
  const std::string wire = Packet{}.Wire();
  EXPECT_TRUE(ParseResponse(wire, {"EXAMPLE.test", Type::kMx}).ok());
  EXPECT_FALSE(ParseResponse(wire, {"example.tes", Type::kMx}).ok());
  EXPECT_FALSE(ParseResponse(wire, {"example.test", Type::kA}).ok());
  EXPECT_FALSE(ParseResponse(wire, {".", Type::kMx}).ok());
  // A query, another opcode (STATUS), no question, two.
  EXPECT_FALSE(Parse(Packet{.flags = 0x0180}).ok());
  EXPECT_FALSE(Parse(Packet{.flags = 0x9180}).ok());
  for (const unsigned count : {0, 2}) {
    std::string other = wire;
    other[5] = static_cast<char>(count);
    EXPECT_FALSE(ParseResponse(other, {"example.test", Type::kMx}).ok());
  }
  // Another class (CH).
  std::string chaos = wire;
  chaos[12 + Name("example.test").size() + 3] = 3;
  EXPECT_FALSE(ParseResponse(chaos, {"example.test", Type::kMx}).ok());
}

TEST(ParseResponseTest, NamesAreTheSameInAnyCase) {
  Packet packet{.answer = {Rr(Name("EXAMPLE.Test"), kMx, 300, U16(10) + Name("MX.Example.Test"))}};
  const absl::StatusOr<Response> response = Parse(packet);
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(response->records, ElementsAre(Record(Mx{10, "mx.example.test"})));
}

TEST(ParseResponseTest, BytesThatAreNoTextAreEscaped) {
  const std::string odd = U8(3) + std::string("a.b", 3) + U8(4) + std::string("\0\\\xff\n", 4) + U8(0);
  const absl::StatusOr<Response> response =
      Parse(Packet{.answer = {Rr(ToQuestion(), kMx, 1, U16(10) + odd)}});
  ASSERT_TRUE(response.ok());
  const std::string& exchange = std::get<Mx>(response->records.front()).exchange;
  EXPECT_EQ(exchange, "a\\046b.\\000\\092\\255\\010");
  EXPECT_FALSE(IsHostName(exchange));
  // And the text can be asked for again.
  const absl::StatusOr<std::string> query = EncodeQuery(1, {exchange, Type::kA});
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->substr(12, odd.size()), odd);
}

// What starts at byte 30, after the question about example.test; the record's owner.
TEST(ParseResponseTest, PointersLeadBackwardsOnly) {
  const std::string rest = U16(kMx) + U16(1) + U32(1) + U16(3) + U16(0) + U8(0);
  const std::pair<std::string, bool> kRows[] = {
      {PointerTo(12), true},
      {U8(1) + "a" + PointerTo(12), true},
      {PointerTo(20), true},
      // To itself, forwards, into the header, cut off.
      {PointerTo(30), false},
      {PointerTo(31), false},
      {PointerTo(0x3fff), false},
      {PointerTo(11), false},
      {PointerTo(0), false},
      // Through a label to itself.
      {U8(1) + "a" + PointerTo(30), false},
      // The two kinds of length bytes that do not exist (RFC 1035 section 4.1.4).
      {U8(0x40) + U8(0), false},
      {U8(0x80) + U8(0), false},
  };
  for (const auto& [owner, good] : kRows) {
    Packet packet{.answer = {owner + rest}};
    ASSERT_EQ(Packet{}.Wire().size() - OptRr().size(), 30u);
    EXPECT_EQ(Parse(packet).ok(), good) << absl::CHexEscape(owner);
  }
  const std::string cut = Packet{.additional = {}}.Wire() + U8(0xc0);
  EXPECT_FALSE(ParseResponse(cut, {"example.test", Type::kMx}).ok());
}

TEST(ParseResponseTest, ChainsOfPointersEnd) {
  // A hundred names, each one pointer to the one before it.
  Packet packet{.answer = {}};
  unsigned before = 12;
  unsigned at = 30;
  for (int i = 0; i < 100; ++i) {
    const std::string record = Rr(PointerTo(before), kMx, 1, U16(10) + U8(0));
    before = at;
    at += record.size();
    packet.answer.push_back(record);
  }
  const absl::StatusOr<Response> response = Parse(packet);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->records.size(), 100u);
}

TEST(ParseResponseTest, NamesHaveAtMost255Bytes) {
  const auto of_size = [](size_t last) {
    std::string wire;
    for (int i = 0; i < 3; ++i) wire += U8(63) + std::string(63, 'a');
    return wire + U8(last) + std::string(last, 'a') + U8(0);
  };
  ASSERT_EQ(of_size(61).size(), kMaxNameBytes);
  EXPECT_TRUE(Parse(Packet{.answer = {Rr(ToQuestion(), kMx, 1, U16(1) + of_size(61))}}).ok());
  EXPECT_FALSE(Parse(Packet{.answer = {Rr(ToQuestion(), kMx, 1, U16(1) + of_size(62))}}).ok());
}

TEST(ParseResponseTest, FollowsAliases) {
  Packet packet{
      .type = kA,
      .answer = {Rr(Name("c.test"), kA, 300, "abcd"), Rr(ToQuestion(), kCname, 100, Name("B.test")),
                 Rr(Name("b.test"), kCname, 200, Name("c.test")), Rr(Name("other.test"), kA, 5, "wxyz")}};
  const absl::StatusOr<Response> response = Parse(packet);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->canonical_name, "c.test");
  EXPECT_THAT(response->records, ElementsAre(Record(Ipv4Bytes{'a', 'b', 'c', 'd'})));
  // The least of what was used.
  EXPECT_EQ(response->ttl_seconds, 100u);
}

TEST(ParseResponseTest, AliasesThatLeadNowhere) {
  Packet packet{.type = kA,
                .answer = {Rr(ToQuestion(), kCname, 100, Name("b.test"))},
                .authority = {Rr(Name("test"), kSoa, 600, SoaData(60))}};
  absl::StatusOr<Response> response = Parse(packet);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->rcode, kNoError);
  EXPECT_EQ(response->canonical_name, "b.test");
  EXPECT_THAT(response->records, IsEmpty());
  EXPECT_EQ(response->negative_ttl_seconds, 60u);
  // RFC 6604 section 3: the code is that of the last name.
  packet.rcode = kNxDomain;
  response = Parse(packet);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->rcode, kNxDomain);
  EXPECT_EQ(response->canonical_name, "b.test");
}

TEST(ParseResponseTest, AliasesInACircleOrTooManyAreNoAnswer) {
  EXPECT_FALSE(Parse(Packet{.answer = {Rr(ToQuestion(), kCname, 1, ToQuestion())}}).ok());
  EXPECT_FALSE(Parse(Packet{.answer = {Rr(ToQuestion(), kCname, 1, Name("b.test")),
                                       Rr(Name("b.test"), kCname, 1, Name("example.test"))}})
                   .ok());
  for (const int count : {kMaxAliases - 1, kMaxAliases, kMaxAliases + 1}) {
    Packet packet{.type = kA};
    std::string owner = "example.test";
    for (int i = 0; i < count; ++i) {
      const std::string target = absl::StrCat("n", i, ".test");
      packet.answer.push_back(Rr(Name(owner), kCname, 1, Name(target)));
      owner = target;
    }
    packet.answer.push_back(Rr(Name(owner), kA, 1, "abcd"));
    EXPECT_EQ(Parse(packet).ok(), count <= kMaxAliases) << count;
  }
}

TEST(ParseResponseTest, ANameHasOneAlias) {
  Packet packet{
      .answer = {Rr(ToQuestion(), kCname, 1, Name("a.test")), Rr(ToQuestion(), kCname, 1, Name("b.test"))}};
  EXPECT_FALSE(Parse(packet).ok());
  packet.answer.pop_back();
  packet.answer.push_back(Rr(ToQuestion(), kCname, 1, Name("A.test")));
  EXPECT_TRUE(Parse(packet).ok());
}

TEST(ParseResponseTest, WhoeverAsksForAnAliasGetsIt) {
  const absl::StatusOr<Response> response =
      Parse(Packet{.type = kCname,
                   .answer = {Rr(ToQuestion(), kCname, 1, Name("a.test")),
                              Rr(Name("a.test"), kCname, 1, Name("b.test"))}});
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(response->records, ElementsAre(Record(Alias{"a.test"})));
  EXPECT_EQ(response->canonical_name, "example.test");
}

TEST(ParseResponseTest, OtherRecordsAreLeftAlone) {
  const std::string other_class = absl::StrCat(ToQuestion(), U16(kMx), U16(3), U32(1), U16(1), "x");
  const absl::StatusOr<Response> response = Parse(
      Packet{.answer = {Rr(ToQuestion(), kRrsig, 1, "whatever"), other_class, Rr(ToQuestion(), kA, 1, "x"),
                        Rr(Name("example.tes"), kMx, 1, U16(1) + Name("no.test"))},
             .authority = {Rr(ToQuestion(), 2, 1, "x")},
             .additional = {Rr(ToQuestion(), kA, 1, "x"), OptRr()}});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(response->records, IsEmpty());
  EXPECT_FALSE(response->ttl_seconds.has_value());
}

TEST(ParseResponseTest, NegativeTtlIsThatOfAZoneAboveTheName) {
  const struct {
    const char* zone;
    uint32_t ttl;
    uint32_t minimum;
    std::optional<uint32_t> want;
  } kRows[] = {
      {"example.test", 600, 60, 60},
      {"test", 60, 600, 60},
      {".", 600, 60, 60},
      {"xample.test", 600, 60, std::nullopt},
      {"a.example.test", 600, 60, std::nullopt},
      {"other.test", 600, 60, std::nullopt},
      {"test", 0x80000000, 60, 0},
  };
  for (const auto& row : kRows) {
    const absl::StatusOr<Response> response = Parse(
        Packet{.rcode = kNxDomain, .authority = {Rr(Name(row.zone), kSoa, row.ttl, SoaData(row.minimum))}});
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->negative_ttl_seconds, row.want) << row.zone;
  }
  const absl::StatusOr<Response> without = Parse(Packet{.rcode = kNxDomain});
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without->negative_ttl_seconds, std::nullopt);
}

TEST(ParseResponseTest, ANameThatDoesNotExistHasNoRecords) {
  EXPECT_FALSE(
      Parse(Packet{.type = kA, .rcode = kNxDomain, .answer = {Rr(ToQuestion(), kA, 1, "abcd")}}).ok());
}

TEST(ParseResponseTest, ATtlWithItsHighestBitIsNone) {
  const absl::StatusOr<Response> response =
      Parse(Packet{.type = kA, .answer = {Rr(ToQuestion(), kA, 0x80000001, "abcd")}});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->ttl_seconds, 0u);
}

TEST(ParseResponseTest, RecordsAreBounded) {
  for (const size_t count : {kMaxRecords - 1, kMaxRecords, kMaxRecords + 1}) {
    const Packet packet{.type = kA,
                        .answer = std::vector<std::string>(count, Rr(ToQuestion(), kA, 1, "abcd"))};
    const absl::StatusOr<Response> response = Parse(packet);
    if (count <= kMaxRecords) {
      ASSERT_TRUE(response.ok());
      EXPECT_EQ(response->records.size(), count);
    } else {
      EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted);
    }
  }
}

TEST(ParseResponseTest, ErrorsNeedNoMoreThanTheQuestion) {
  for (const unsigned rcode : {1, 2, 4, 5, 9, 15}) {
    Packet packet{.rcode = rcode, .additional = {"not a record"}};
    const absl::StatusOr<Response> response = Parse(packet);
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->rcode, rcode);
  }
  const absl::StatusOr<Response> truncated = Parse(Packet{.flags = 0x8380, .answer = {"cut"}});
  ASSERT_TRUE(truncated.ok());
  EXPECT_TRUE(truncated->truncated);
}

TEST(ParseResponseTest, OptHasTheUpperBitsOfTheCode) {
  const absl::StatusOr<Response> response = Parse(Packet{.additional = {OptRr(1)}});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->rcode, 16);
  EXPECT_FALSE(Parse(Packet{.additional = {OptRr(), OptRr()}}).ok());
  EXPECT_FALSE(Parse(Packet{.additional = {Name("a") + OptRr().substr(1)}}).ok());
  const absl::StatusOr<Response> without = Parse(Packet{.additional = {}});
  ASSERT_TRUE(without.ok());
  EXPECT_FALSE(without->has_edns);
}

TEST(ParseResponseTest, TheRootIsANameToo) {
  const absl::StatusOr<Response> response =
      Parse(Packet{.name = ".", .type = kSoa, .answer = {Rr(Name("."), kSoa, 300, SoaData(60))}});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->canonical_name, ".");
  EXPECT_THAT(response->records, ElementsAre(Record(Soa{"ns.test", "admin.test", 1, 2, 3, 4, 60})));
}

TEST(ParseResponseTest, SaysWhatTheServerSays) {
  const absl::StatusOr<Response> response = Parse(Packet{.flags = 0x8120});
  ASSERT_TRUE(response.ok());
  EXPECT_TRUE(response->authentic_data);
  EXPECT_FALSE(response->recursion_available);
}

TEST(IsHostNameTest, Table) {
  const std::string label63(63, 'a');
  const std::string name253 = absl::StrCat(label63, ".", label63, ".", label63, ".", std::string(61, 'a'));
  for (const std::string& name :
       {std::string("a"), std::string("mx.example.test"), std::string("a_b.test"), std::string("_tcp.test"),
        std::string("xn--bcher-kva.test"), std::string("1.2.3.a"), label63, name253}) {
    EXPECT_TRUE(IsHostName(name)) << name;
  }
  for (const std::string& name :
       {std::string(""), std::string("."), std::string("a."), std::string("a..b"), std::string("-a.test"),
        std::string("a-.test"), std::string("a\\046b"), std::string("*.test"), std::string("192.0.2.1"),
        std::string("1"), std::string("a b"), std::string("\xc3\xa4.test"), label63 + "a", name253 + "a"}) {
    EXPECT_FALSE(IsHostName(name)) << name;
  }
}

TEST(TypeTest, HasATextForEach) {
  for (const char* text : {"A", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "TLSA"}) {
    const std::optional<Type> type = ParseType(text);
    ASSERT_TRUE(type.has_value()) << text;
    EXPECT_EQ(TypeText(*type), text);
  }
  EXPECT_EQ(ParseType("mx"), Type::kMx);
  EXPECT_EQ(ParseType("ANY"), std::nullopt);
}

}  // namespace
}  // namespace mailstead::dns
