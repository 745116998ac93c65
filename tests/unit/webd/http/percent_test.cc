#include "webd/http/percent.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Percent, Decodes) {
  EXPECT_EQ(PercentDecoded("a%2Fb%c3%A9+c", PlusSign::kItself), "a/b\xc3\xa9+c");
  EXPECT_EQ(PercentDecoded("a+b%2B", PlusSign::kBlank), "a b+");
  EXPECT_EQ(PercentDecoded("", PlusSign::kItself), "");
  EXPECT_EQ(PercentDecoded("%00", PlusSign::kItself), std::string(1, '\0'));
  for (const char* const broken : {"%", "%4", "a%4g", "%g4", "%%41"}) {
    EXPECT_EQ(PercentDecoded(broken, PlusSign::kItself), std::nullopt) << broken;
  }
}

TEST(Percent, Encodes) {
  EXPECT_EQ(PercentEncoded("a-Z.0_~"), "a-Z.0_~");
  EXPECT_EQ(PercentEncoded("a b/\"'()\xc3\xa9"), "a%20b%2F%22%27%28%29%C3%A9");
}

TEST(Percent, EveryByteComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(PercentDecoded(PercentEncoded(all), PlusSign::kItself), all);
  EXPECT_EQ(PercentDecoded(PercentEncoded(all), PlusSign::kBlank), all);
}

}  // namespace
}  // namespace mailstead::web
