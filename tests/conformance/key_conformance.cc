#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Key NewKey(const std::string& id) {
  Key key;
  key.id = id;
  key.name = "name of " + id;
  key.scopes = 1 << 14;
  key.sight = {false, {AccountId{1}, AccountId{300}}, {"a.test", "b.test"}};
  key.ip_ranges = {"192.0.2.0/24"};
  key.certificate_names = {"desk.test"};
  key.limits = {1, 2, 3};
  key.secrets = {{std::string("\0\xff", 2), absl::FromUnixMicros(5)},
                 {"older", absl::FromUnixMicros(4), absl::FromUnixMicros(9)}};
  key.create_time = absl::FromUnixMicros(1);
  key.update_time = absl::FromUnixMicros(2);
  key.expire_time = absl::FromUnixMicros(3);
  key.request_id = "operator/request";
  key.request_fingerprint = std::string("\0fingerprint", 12);
  key.version = 1;
  return key;
}

TEST_P(KeyConformance, KeysAreKeptAsGivenAndById) {
  EXPECT_THAT(Keys(), IsEmpty());
  Key plain;
  plain.id = "b";
  plain.sight.all = true;
  plain.version = 1;
  plain.create_time = plain.update_time = absl::UnixEpoch();
  for (const Key& key : {NewKey("c"), NewKey("a"), plain}) ASSERT_OK(BlockOn(keys().Put(key)));
  EXPECT_THAT(Keys(), ElementsAre(NewKey("a"), plain, NewKey("c")));
  Restart();
  EXPECT_THAT(Keys(), ElementsAre(NewKey("a"), plain, NewKey("c")));
  EXPECT_THAT(Keys("a", 1), ElementsAre(plain));
  EXPECT_THAT(Keys("c"), IsEmpty());
  EXPECT_THAT(Keys("", 0), IsEmpty());
}

TEST_P(KeyConformance, AChangeTakesThePlaceOfTheVersionBeforeIt) {
  Key key = NewKey("a");
  const auto is_refused = [this](const Key& put) {
    const absl::Status status = BlockOn(keys().Put(put));
    return absl::IsAborted(status) && ReasonOf(status) == kReasonEtagMismatch;
  };
  key.version = 2;
  EXPECT_TRUE(is_refused(key)) << "there is none to take the place of";
  key.version = 1;
  ASSERT_OK(BlockOn(keys().Put(key)));
  EXPECT_TRUE(is_refused(key)) << "it is there";
  key.version = 3;
  EXPECT_TRUE(is_refused(key));
  key.version = 2;
  key.name = "another";
  ASSERT_OK(BlockOn(keys().Put(key)));
  EXPECT_THAT(Keys(), ElementsAre(key));
}

TEST_P(KeyConformance, AUseGoesWithItsKey) {
  ASSERT_OK(BlockOn(keys().Put(NewKey("a"))));
  ASSERT_OK(BlockOn(keys().Put(NewKey("b"))));
  const KeyUse first = {"a", absl::FromUnixMicros(7), "192.0.2.1"};
  const KeyUse later = {"a", absl::FromUnixMicros(8), "2001:db8::1"};
  ASSERT_OK(BlockOn(
      keys().NoteUses({first, {"b", absl::FromUnixMicros(7), ""}, {"none", absl::FromUnixMicros(7), ""}})));
  EXPECT_THAT(Uses(), SizeIs(2));
  ASSERT_OK(BlockOn(keys().NoteUses({later})));
  EXPECT_THAT(Uses("", 1), ElementsAre(later));
  EXPECT_THAT(Keys(), SizeIs(2)) << "and changes nothing else";
  ASSERT_OK(BlockOn(keys().Delete("a")));
  ASSERT_OK(BlockOn(keys().Delete("a")));
  EXPECT_THAT(Keys(), ElementsAre(NewKey("b")));
  EXPECT_THAT(Uses(), SizeIs(1));
}

}  // namespace
}  // namespace mailstead::engine
