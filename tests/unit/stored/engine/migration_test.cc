// A folder that the programs of schema version 2 have left (tests/fixtures/store_v2) is taken on, whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <rocksdb/db.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/rocksdb_engine.h"
#include "tests/support/block_on.h"
#include "tests/support/sync_engine.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr AccountId kAnn{1};
constexpr AccountId kBob{2};
constexpr AccountId kCarol{3};

// As text() of make.py.
std::string Text(int lines, int seed) {
  std::string text = absl::StrFormat("Subject: %d\r\n\r\n", seed);
  for (int i = 0; i < lines; ++i) absl::StrAppendFormat(&text, "%d line %d of %d\r\n", seed, i, lines);
  return text;
}

std::string Sha256(const std::string& bytes) {
  std::string sum(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(sum.data()));
  return sum;
}

class MigrationTest : public testing::Test {
 protected:
  MigrationTest() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-migration-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
    const std::string unpack = "tar -xzf tests/fixtures/store_v2/store.tar.gz -C " + path_;
    CHECK(std::system(unpack.c_str()) == 0);
    OpenEngine();
  }
  ~MigrationTest() override {
    engine_.reset();
    std::filesystem::remove_all(path_);
  }
  void OpenEngine() {
    engine_.reset();
    RocksDbOptions options;
    options.path = path_ + "/rocksdb";
    options.min_free_bytes = 0;
    options.executor = &executor_;
    auto engine = OpenRocksDbEngine(options);
    if (!engine.ok()) ADD_FAILURE() << engine.status();
    CHECK(engine.ok());
    engine_ = *std::move(engine);
  }
  SyncEngine engine() { return SyncEngine(*engine_); }

  std::string Fetch(AccountId account, MessageId message) {
    const auto reader = engine().OpenMessage(account, message);
    CHECK(reader.ok());
    std::string all;
    for (;;) {
      const auto piece = BlockOn((*reader)->Read(static_cast<int64_t>(all.size()), 65536));
      CHECK(piece.ok());
      if (piece->empty()) return all;
      all += *piece;
    }
  }
  static NewMessage Repeat(const char* scope, int number, const std::string& content) {
    NewMessage message;
    message.delivery_scope = scope;
    message.envelope.delivery_id = absl::StrCat("delivery-of-operator-", number);
    message.envelope.recipients.resize(1);
    message.envelope.recipients[0].address = "ann@example.test";
    message.copies.push_back({kAnn, "", {0}, std::nullopt, std::nullopt});
    message.sha256 = Sha256(content);
    message.fingerprint = Sha256("fingerprint of " + content);
    message.deliver_time = absl::Now();
    return message;
  }
  absl::StatusOr<Receipt> Deliver(NewMessage message, std::string content) {
    return engine().Append(std::move(message), Content{std::move(content), nullptr});
  }

  // In the closed store: `change` makes another value of that of a key.
  template <typename Change>
  void ChangeRecord(const std::string& family, const std::string& key, Change change) {
    const std::string path = path_ + "/rocksdb/db";
    std::vector<std::string> names;
    CHECK(rocksdb::DB::ListColumnFamilies(rocksdb::Options(), path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    CHECK(rocksdb::DB::Open(rocksdb::Options(), path, families, &handles, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == family) {
        std::string bytes;
        CHECK(db->Get(rocksdb::ReadOptions(), handle, key, &bytes).ok());
        rocksdb::WriteOptions synced;
        synced.sync = true;
        CHECK(db->Put(synced, handle, key, change(bytes)).ok());
      }
      CHECK(db->DestroyColumnFamilyHandle(handle).ok());
    }
  }

  std::string path_;
  ThreadExecutor executor_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(MigrationTest, TheDirectoryIsThere) {
  EXPECT_TRUE(engine().GetDomain("example.test")->plus_addressing);
  const auto other = engine().GetDomain("other.test");
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(other->plus_addressing);
  EXPECT_EQ(other->version, 1);
  EXPECT_EQ(other->update_time, other->create_time);

  const auto ann = engine().GetAccount("ann@example.test");
  ASSERT_TRUE(ann.ok());
  EXPECT_EQ(ann->id, kAnn);
  EXPECT_EQ(ann->address, "Ann@example.test");
  EXPECT_EQ(ann->quota_messages, 100);
  EXPECT_EQ(ann->credential.kind, Credential::Kind::kScramSha256);
  EXPECT_EQ(ann->credential.stored_key.size(), 32u);
  EXPECT_EQ(ann->version, 1);
  EXPECT_EQ(ann->usage.message_count, 5);
  const auto bob = engine().FindAccount(kBob);
  ASSERT_TRUE(bob.ok());
  EXPECT_EQ(bob->credential.kind, Credential::Kind::kCrypt);
  EXPECT_EQ(bob->credential.crypt_hash.rfind("$6$saltsalt$", 0), 0u);
  const auto carol = engine().GetAccount("carol@other.test");
  ASSERT_TRUE(carol.ok());
  EXPECT_EQ(carol->credential.kind, Credential::Kind::kNone);
  EXPECT_EQ(carol->quota_bytes, 10 << 20);

  EXPECT_THAT(engine().GetAlias("team@example.test")->targets,
              ElementsAre("ann@example.test", "bob@example.test"));
  EXPECT_THAT(engine().GetAlias("@example.test")->targets, ElementsAre("bob@example.test"));
  const auto status = engine().Status();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->schema_version, 9);
  EXPECT_FALSE(status->incarnation.empty());
  EXPECT_EQ(status->domain_count, 2);
  EXPECT_EQ(status->account_count, 3);
  EXPECT_EQ(status->alias_count, 2);
  EXPECT_EQ(status->message_count, 12);
  // The store is the same from now on.
  OpenEngine();
  EXPECT_EQ(engine().Status()->incarnation, status->incarnation);
}

TEST_F(MigrationTest, EveryMessageIsWhole) {
  EXPECT_EQ(
      engine().Verify(AccountId{0}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
      12);
  const auto of_ann = engine().ListMessages(kAnn, MessageId{0}, 100);
  const auto of_bob = engine().ListMessages(kBob, MessageId{0}, 100);
  const auto of_carol = engine().ListMessages(kCarol, MessageId{0}, 100);
  ASSERT_TRUE(of_ann.ok() && of_bob.ok() && of_carol.ok());
  ASSERT_THAT(*of_ann, SizeIs(5));
  ASSERT_THAT(*of_bob, SizeIs(4));
  ASSERT_THAT(*of_carol, SizeIs(3));
  const std::string front = "Return-Path: <sender@example.org>\r\n";
  const std::string large = Text(4000, 2);
  const std::string huge = Text(50000, 3);
  ASSERT_GT(large.size(), 64u << 10);
  ASSERT_GT(huge.size(), 1u << 20);
  // Ann's first is deleted.
  EXPECT_EQ((*of_ann)[0].id, MessageId{2});
  EXPECT_EQ(Fetch(kAnn, (*of_ann)[0].id), front + large);
  EXPECT_EQ(Fetch(kBob, (*of_bob)[0].id), front + large);
  EXPECT_EQ(Fetch(kAnn, (*of_ann)[1].id), front + huge);
  EXPECT_EQ(Fetch(kBob, (*of_bob)[1].id), front + huge);
  EXPECT_EQ(Fetch(kCarol, (*of_carol)[0].id), front + huge);
  EXPECT_EQ(Fetch(kAnn, (*of_ann)[2].id), front + Text(5, 4));
  EXPECT_EQ(Fetch(kBob, (*of_bob)[2].id), front + Text(5, 4));
  EXPECT_EQ(Fetch(kAnn, (*of_ann)[3].id), front + Text(2, 5));
  EXPECT_EQ(engine().OpenMessage(kAnn, MessageId{1}).status().code(), absl::StatusCode::kNotFound);

  const MessageSummary& summary = (*of_ann)[0];
  EXPECT_EQ(summary.size_bytes, static_cast<int64_t>(front.size() + large.size()));
  EXPECT_EQ(summary.content_bytes, static_cast<int64_t>(large.size()));
  EXPECT_EQ(summary.sha256, Sha256(large));
  // Whoever wants its subject has the message read.
  EXPECT_FALSE(summary.searched.known);
  EXPECT_EQ(summary.delivery_id, "delivery-of-operator-2");
  EXPECT_EQ(summary.reverse_path, "sender@example.org");
  ASSERT_THAT(summary.recipients, SizeIs(1));
  EXPECT_EQ(summary.recipients[0].address, "ann@example.test");

  const MessageSummary& by_smtp = (*of_ann)[4];
  EXPECT_EQ(by_smtp.reverse_path, "smtp-sender@example.org");
  ASSERT_THAT(by_smtp.recipients, SizeIs(1));
  EXPECT_EQ(by_smtp.recipients[0].address, "ann+tag@example.test");
  const std::string received = Fetch(kAnn, by_smtp.id);
  EXPECT_EQ(received.rfind("Return-Path: <smtp-sender@example.org>\r\nReceived: ", 0), 0u) << received;
  EXPECT_EQ(received.substr(received.size() - Text(10, 6).size()), Text(10, 6));
  EXPECT_EQ(Fetch(kBob, (*of_bob)[3].id), received);
}

TEST_F(MigrationTest, LocksOfFrontEndsOfThenAreGone) {
  EXPECT_EQ(engine().FindLock(kBob).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(engine().Status()->leases, IsEmpty());
  ASSERT_TRUE(engine().RenewLease("lease", "front-end", absl::Seconds(60)).ok());
  OpenRequest request;
  request.account = kBob;
  request.session_id = "session-1";
  request.lease_id = "lease";
  const auto opened = engine().OpenMaildrop(request);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_THAT(opened->entries, SizeIs(4));
  const auto summaries = engine().ListMessages(kBob, MessageId{0}, 100);
  ASSERT_TRUE(summaries.ok());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(opened->entries[i].id, (*summaries)[i].id);
    EXPECT_EQ(opened->entries[i].unique_id, (*summaries)[i].unique_id);
    EXPECT_EQ(opened->entries[i].size_bytes, (*summaries)[i].size_bytes);
  }
  // What the earlier program has written is deleted like everything else, and counted off.
  const auto committed = engine().CommitMaildrop(
      {kBob, "session-1", opened->token, {opened->entries[0].id, opened->entries[2].id}});
  ASSERT_TRUE(committed.ok());
  EXPECT_EQ(committed->deleted_count, 2);
  OpenEngine();
  EXPECT_EQ(engine().FindAccount(kBob)->usage.message_count, 2);
  EXPECT_EQ(engine().Status()->message_count, 10);
  EXPECT_EQ(Fetch(kAnn, MessageId{2}), "Return-Path: <sender@example.org>\r\n" + Text(4000, 2));
}

// POP3 ends the last line where the message does not: a listing says so much, and nothing else is changed.
TEST_F(MigrationTest, WhatHasNoEndOfItsLastLineIsListedWithIt) {
  ASSERT_TRUE(engine().RenewLease("lease", "front-end", absl::Seconds(60)).ok());
  for (int round = 0; round < 2; ++round) {
    OpenRequest request;
    request.account = kCarol;
    request.session_id = "session-1";
    request.lease_id = "lease";
    const auto opened = engine().OpenMaildrop(request);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_THAT(opened->entries, SizeIs(3));
    const auto summaries = engine().ListMessages(kCarol, MessageId{0}, 100);
    ASSERT_TRUE(summaries.ok());
    for (size_t i = 0; i < 3; ++i) {
      const std::string message = Fetch(kCarol, opened->entries[i].id);
      const bool has_end = message.ends_with("\r\n");
      EXPECT_EQ(has_end, i == 0);
      EXPECT_EQ(opened->entries[i].size_bytes, static_cast<int64_t>(message.size()) + (has_end ? 0 : 2)) << i;
      EXPECT_EQ((*summaries)[i].size_bytes, static_cast<int64_t>(message.size())) << i;
    }
    std::ifstream schema(path_ + "/rocksdb/schema");
    std::string line;
    std::getline(schema, line);
    EXPECT_EQ(line, "9") << "looked through";
    OpenEngine();
  }
  EXPECT_TRUE(Fetch(kCarol, MessageId{2}).ends_with("7 line 0 of 1\r\nno end"));
}

// Version 3 wrote the record of today, and took such messages in, too.
TEST_F(MigrationTest, AStoreOfVersion3IsLookedThroughAsWell) {
  ASSERT_TRUE(Deliver(Repeat("operator", 99, "x: y\r\n\r\nno end"), "x: y\r\n\r\nno end").ok());
  engine_.reset();
  std::ofstream(path_ + "/rocksdb/schema") << "3\n";
  OpenEngine();
  ASSERT_TRUE(engine().RenewLease("lease", "front-end", absl::Seconds(60)).ok());
  OpenRequest request;
  request.account = kAnn;
  request.session_id = "session-1";
  request.lease_id = "lease";
  const auto opened = engine().OpenMaildrop(request);
  ASSERT_TRUE(opened.ok()) << opened.status();
  for (size_t i = 0; i < opened->entries.size(); ++i) {
    const std::string message = Fetch(kAnn, opened->entries[i].id);
    const int64_t end_bytes = message.ends_with("\r\n") ? 0 : 2;
    EXPECT_EQ(end_bytes == 2, i + 1 == opened->entries.size()) << i;
    EXPECT_EQ(opened->entries[i].size_bytes, static_cast<int64_t>(message.size()) + end_bytes) << i;
  }
}

TEST_F(MigrationTest, ADeliveryThatWasStoredIsNotStoredAgain) {
  const std::string content = Text(3, 1);
  // Receipts of then knew no scope: they may have been either's.
  for (const char* scope : {"smtp", "operator"}) {
    const auto repeated = Deliver(Repeat(scope, 1, content), content);
    ASSERT_TRUE(repeated.ok()) << repeated.status();
    EXPECT_TRUE(repeated->already_stored);
    EXPECT_EQ(repeated->sha256, Sha256(content));
    const auto reused = Deliver(Repeat(scope, 1, "another"), "another");
    EXPECT_EQ(reused.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(ReasonOf(reused.status()), kReasonDeliveryIdReused);
  }
  EXPECT_FALSE(Deliver(Repeat("another", 1, content), content)->already_stored);
  EXPECT_EQ(engine().FindAccount(kAnn)->usage.message_count, 6);
  // They are forgotten as all receipts are; and again after a restart.
  OpenEngine();
  EXPECT_TRUE(Deliver(Repeat("smtp", 2, Text(4000, 2)), Text(4000, 2))->already_stored);
  ASSERT_TRUE(engine().Sweep(-absl::Hours(24 * 365 * 20)).ok());
  EXPECT_FALSE(Deliver(Repeat("smtp", 1, content), content)->already_stored);
}

TEST_F(MigrationTest, WhatIsChangedIsKeptInTheNewForm) {
  AccountChange change;
  change.id = kAnn;
  change.expected_version = 1;
  change.address = "anna@other.test";
  change.time = absl::FromUnixSeconds(2'000'000'000);
  ASSERT_TRUE(engine().UpdateAccount(change).ok());
  ASSERT_TRUE(engine().UpdateDomain({"other.test", 1, true, change.time}).ok());
  ASSERT_TRUE(engine().UpdateAlias({"team@example.test", 1, {{"bob@example.test"}}, change.time}).ok());
  OpenEngine();
  const auto anna = engine().GetAccount("anna@other.test");
  ASSERT_TRUE(anna.ok());
  EXPECT_EQ(anna->id, kAnn);
  EXPECT_EQ(anna->version, 2);
  EXPECT_EQ(anna->update_time, change.time);
  EXPECT_EQ(anna->credential.kind, Credential::Kind::kScramSha256);
  EXPECT_EQ(anna->usage.message_count, 5);
  EXPECT_EQ(engine().GetDomain("other.test")->version, 2);
  EXPECT_EQ(engine().GetAlias("team@example.test")->version, 2);
  EXPECT_EQ(engine().GetAccount("ann@example.test").status().code(), absl::StatusCode::kNotFound);
}

// Which did not count it.
TEST_F(MigrationTest, TheTrashOfVersion7IsCounted) {
  DomainChange window;
  window.name = "example.test";
  window.undelete_window = absl::Hours(1);
  ASSERT_TRUE(engine().UpdateDomain(window).ok());
  ASSERT_EQ(engine().DeleteMessages(kAnn, {MessageId{2}, MessageId{3}}).value(), 2);
  const auto before = engine().Status();
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->trash_message_count, 2);
  EXPECT_GT(before->trash_message_bytes, 1 << 20);
  engine_.reset();
  // The last two numbers, each of whose bytes but the last has its high bit set.
  ChangeRecord("default", "counters", [](std::string bytes) {
    CHECK(bytes[0] == 3);
    bytes[0] = 2;
    for (int numbers = 0; numbers < 2; ++numbers) {
      bytes.pop_back();
      while ((bytes.back() & 0x80) != 0) bytes.pop_back();
    }
    return bytes;
  });
  std::ofstream(path_ + "/rocksdb/schema") << "7\n";
  OpenEngine();
  const auto after = engine().Status();
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->trash_message_count, 2);
  EXPECT_EQ(after->trash_message_bytes, before->trash_message_bytes);
  ASSERT_EQ(engine().Restore(kAnn, {MessageId{2}})->count, 1);
  OpenEngine();
  EXPECT_EQ(engine().Status()->trash_message_count, 1);
}

// What is damaged in one mailbox does not keep others from losing what is too old.
TEST_F(MigrationTest, ADamagedMailboxIsPassedOver) {
  DomainChange change;
  change.name = "example.test";
  change.retention = absl::Microseconds(1);
  ASSERT_TRUE(engine().UpdateDomain(change).ok());
  engine_.reset();
  ChangeRecord("message", MessageKey(kAnn, MessageId{2}), [](const std::string&) { return "damaged"; });
  OpenEngine();
  int64_t count = 0;
  for (bool more = true; more;) {
    const auto step = engine().Expire();
    ASSERT_TRUE(step.ok()) << step.status();
    count += step->count;
    more = step->more;
  }
  EXPECT_EQ(count, 4);
  EXPECT_EQ(engine().FindAccount(kBob)->usage.message_count, 0);
  EXPECT_EQ(engine().FindAccount(kAnn)->usage.message_count, 5);
}

// One line, and nothing is touched.
TEST_F(MigrationTest, AVersionThatCannotBeTakenIsRefused) {
  engine_.reset();
  std::ofstream(path_ + "/rocksdb/schema") << "10\n";
  RocksDbOptions options;
  options.path = path_ + "/rocksdb";
  options.executor = &executor_;
  const absl::Status refused = OpenRocksDbEngine(options).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(refused.message()),
            absl::StrCat("the store in ", path_,
                         "/rocksdb has schema version 10; this program reads and writes version 9"));
}

}  // namespace
}  // namespace mailstead::engine
