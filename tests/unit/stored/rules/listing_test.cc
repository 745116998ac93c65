#include "stored/rules/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailstead::rules {
namespace {

using testing::ElementsAre;

TEST(Listing, VersionsComeBack) {
  for (const ListingVersion& version :
       {ListingVersion{"counter", 1, 0}, ListingVersion{"", 1'000'000'000'000, 77},
        ListingVersion{std::string(255, '\xff'), 5, 1}}) {
    EXPECT_EQ(ParseListingVersion(Format(version)), version);
  }
}

TEST(Listing, WhatIsNoVersion) {
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(15, '\1'), std::string(16, '\0'),
        std::string(16, '\xff'), std::string(16 + 256, '\1')}) {
    EXPECT_FALSE(ParseListingVersion(bytes).has_value()) << bytes.size();
  }
}

TEST(Listing, WhatIsRememberedIsUsable) {
  const ListingVersion now{"c", 100, 50};
  struct Case {
    const char* what;
    ListingVersion known;
    bool usable;
  };
  for (const Case& c : {
           Case{"the same", {"c", 100, 50}, true},
           Case{"fewer messages", {"c", 1, 50}, true},
           Case{"fewer deletions", {"c", 100, 49}, true},
           Case{"as many deletions as are remembered", {"c", 100, 50 - kMaxRemovals}, true},
           Case{"more than are remembered", {"c", 100, 50 - kMaxRemovals - 1}, false},
           Case{"of the future", {"c", 101, 50}, false},
           Case{"more deletions than were", {"c", 100, 51}, false},
           Case{"counted by another", {"d", 100, 50}, false},
       }) {
    const auto usable = Usable(Format(c.known), now);
    EXPECT_EQ(usable.has_value(), c.usable) << c.what;
    if (usable.has_value()) {
      EXPECT_EQ(*usable, c.known) << c.what;
    }
  }
  EXPECT_FALSE(Usable("", now).has_value());
}

TEST(Listing, OnlyWhatItHadIsRemovedFromIt) {
  EXPECT_THAT(RemovedFrom({"c", 5, 0}, {MessageId{7}, MessageId{4}, MessageId{5}, MessageId{1}}),
              ElementsAre(MessageId{1}, MessageId{4}));
}

}  // namespace
}  // namespace mailstead::rules
