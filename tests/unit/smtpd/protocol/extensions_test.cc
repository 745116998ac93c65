#include "smtpd/protocol/extensions.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Extensions Of(std::vector<std::string> lines) {
  PeerReply reply;
  reply.code = 250;
  reply.lines = std::move(lines);
  return ParseExtensions(reply);
}

TEST(ExtensionsTest, ReadsAllThatWeKnow) {
  const Extensions all =
      Of({"mx.example.test Hello", "PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN",
          "ENHANCEDSTATUSCODES", "STARTTLS", "REQUIRETLS", "AUTH PLAIN scram-sha-256", "XFORWARD NAME"});
  EXPECT_TRUE(all.pipelining && all.eight_bit_mime && all.smtputf8 && all.chunking && all.dsn &&
              all.enhanced_status_codes && all.starttls && all.require_tls && all.size);
  EXPECT_EQ(all.max_size_bytes, 1000u);
  EXPECT_THAT(all.auth_mechanisms, ElementsAre("PLAIN", "SCRAM-SHA-256"));
  EXPECT_TRUE(all.OffersMechanism("scram-SHA-256"));
  EXPECT_FALSE(all.OffersMechanism("SCRAM-SHA-1"));
}

TEST(ExtensionsTest, NothingIsReadThatIsNotOffered) {
  // The first line is the host's own.
  for (const Extensions& none :
       {Of({}), Of({"PIPELINING"}), Of({"mx", "", "XPIPELINING", "PIPELININGS", "8BIT", "AUTHX A"})}) {
    EXPECT_FALSE(none.pipelining || none.eight_bit_mime || none.smtputf8 || none.chunking || none.dsn ||
                 none.enhanced_status_codes || none.starttls || none.require_tls || none.size);
    EXPECT_EQ(none.max_size_bytes, 0u);
    EXPECT_THAT(none.auth_mechanisms, IsEmpty());
  }
}

TEST(ExtensionsTest, KeywordsAreReadInAnyCaseAndWithBlanks) {
  const Extensions some = Of({"mx", "pipelining ", "size\t20", "  8BitMime"});
  EXPECT_TRUE(some.pipelining && some.eight_bit_mime);
  EXPECT_EQ(some.max_size_bytes, 20u);
}

TEST(ExtensionsTest, Size) {
  EXPECT_TRUE(Of({"mx", "SIZE"}).size);
  EXPECT_EQ(Of({"mx", "SIZE"}).max_size_bytes, 0u);
  EXPECT_EQ(Of({"mx", "SIZE 0"}).max_size_bytes, 0u);
  EXPECT_EQ(Of({"mx", "SIZE 18446744073709551615"}).max_size_bytes, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Of({"mx", "SIZE 99999999999999999999"}).max_size_bytes, std::numeric_limits<uint64_t>::max());
  for (const char* odd : {"SIZE -1", "SIZE 10k", "SIZE unlimited", "SIZE 999999999999999999999"}) {
    EXPECT_TRUE(Of({"mx", odd}).size) << odd;
    EXPECT_EQ(Of({"mx", odd}).max_size_bytes, 0u) << odd;
  }
}

TEST(ExtensionsTest, MechanismsOfBothFormsOnceEachAndNoMoreThanMany) {
  EXPECT_THAT(Of({"mx", "AUTH=LOGIN PLAIN", "AUTH PLAIN CRAM-MD5"}).auth_mechanisms,
              ElementsAre("LOGIN", "PLAIN", "CRAM-MD5"));
  EXPECT_THAT(Of({"mx", "AUTH", "AUTH="}).auth_mechanisms, IsEmpty());
  EXPECT_THAT(Of({"mx", "AUTH A-NAME-OF-21-BYTES-XX PLAIN"}).auth_mechanisms, ElementsAre("PLAIN"));
  std::string many = "AUTH";
  for (size_t i = 0; i <= kMaxPeerMechanisms; ++i) absl::StrAppend(&many, " M", i);
  EXPECT_THAT(Of({"mx", many}).auth_mechanisms, SizeIs(kMaxPeerMechanisms));
}

}  // namespace
}  // namespace mailstead::smtp
