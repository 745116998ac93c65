// What bodies leave behind in the database: it is counted while the store is open, since opening it sweeps.
#include "stored/engine/rocksdb/bodies.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/check.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "tests/support/block_on.h"

namespace mailstead::engine {
namespace {

class BodiesTest : public testing::Test {
 protected:
  BodiesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-bodies-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    RocksDbOptions options;
    options.path = folder_;
    options.min_free_bytes = 0;
    options.executor = &executor_;
    shared_ = std::make_unique<RocksDbShared>(options);
    CHECK(shared_->Open().ok());
    messages_ = std::make_unique<RocksDbMessages>(*shared_);
    RocksDbDirectory directory(*shared_);
    Account account;
    account.address = "a@example.test";
    const auto created = BlockOn(directory.Create({Domain{"example.test", true, absl::Now()}, account}));
    account_ = std::get<Account>(*created[1]).id;
  }
  ~BodiesTest() override {
    shared_->Close();
    messages_.reset();
    shared_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<BodyWriter> Stage(size_t bytes) {
    auto body = BlockOn(messages_->NewBody());
    CHECK(body.ok());
    CHECK(BlockOn((*body)->Append(std::string(bytes, 'x'))).ok());
    return *std::move(body);
  }
  absl::StatusOr<Receipt> Append(const std::string& delivery_id, std::unique_ptr<BodyWriter> body) {
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = delivery_id;
    message.envelope.recipients.emplace_back().address = "a@example.test";
    message.copies.push_back({account_, "", {0}, std::nullopt, std::nullopt});
    message.sha256 = message.fingerprint = std::string(32, 'f');
    message.deliver_time = absl::Now();
    Content content;
    content.staged = std::move(body);
    std::vector<NewNotice> no_notices;
    return BlockOn(messages_->Append(std::move(message), std::move(content), std::move(no_notices)));
  }

  size_t Count(Family family) {
    const Database::Use use(shared_->database());
    size_t count = 0;
    CHECK(Scan(use, family, "", "", [&](absl::string_view, absl::string_view) -> absl::StatusOr<bool> {
            ++count;
            return true;
          }).ok());
    return count;
  }
  // Chunks are swept on another thread: waits for it.
  bool ComesTo(size_t staged, size_t chunks) {
    for (int i = 0; i < 2000; ++i) {
      if (Count(Family::kStaged) == staged && Count(Family::kBody) == chunks) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }

  std::string folder_;
  ThreadExecutor executor_;
  std::unique_ptr<RocksDbShared> shared_;
  std::unique_ptr<RocksDbMessages> messages_;
  AccountId account_;
};

TEST_F(BodiesTest, ABodyThatIsGivenUpLeavesNothing) {
  auto body = Stage(4 * kChunkBytes);
  EXPECT_EQ(Count(Family::kStaged), 1u);
  EXPECT_EQ(Count(Family::kBody), 3u) << "the last one waits for the commit";
  body.reset();
  EXPECT_TRUE(ComesTo(0, 0)) << Count(Family::kStaged) << " and " << Count(Family::kBody);
}

TEST_F(BodiesTest, ABodyThatIsStoredIsNotStagedAnyMore) {
  ASSERT_TRUE(Append("delivery-id-0001", Stage(4 * kChunkBytes)).ok());
  EXPECT_EQ(Count(Family::kStaged), 0u);
  EXPECT_EQ(Count(Family::kBody), 4u);
}

TEST_F(BodiesTest, TheBodyOfARepeatLeavesNothing) {
  ASSERT_TRUE(Append("delivery-id-0001", Stage(4 * kChunkBytes)).ok());
  const auto repeat = Append("delivery-id-0001", Stage(4 * kChunkBytes));
  ASSERT_TRUE(repeat.ok()) << repeat.status();
  EXPECT_TRUE(repeat->already_stored);
  EXPECT_TRUE(ComesTo(0, 4)) << Count(Family::kStaged) << " and " << Count(Family::kBody);
}

TEST_F(BodiesTest, TheBodyOfARefusedMessageLeavesNothing) {
  account_ = AccountId{999};
  EXPECT_TRUE(absl::IsNotFound(Append("delivery-id-0001", Stage(4 * kChunkBytes)).status()));
  EXPECT_TRUE(ComesTo(0, 0)) << Count(Family::kStaged) << " and " << Count(Family::kBody);
  EXPECT_EQ(Count(Family::kBodyRef), 0u);
}

}  // namespace
}  // namespace mailstead::engine
