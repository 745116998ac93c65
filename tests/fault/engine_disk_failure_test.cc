// A disk that is full or fails: callers get a temporary error, Health tells, reads go on, and when the disk
// takes writes again the engine does too, with everything that it had acknowledged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/reason.h"
#include "tests/fault/store_fixture.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using rocksdb::IOStatus;
using Operation = FaultyFileSystem::Operation;

// Of what is written out of memory.
bool IsTable(const std::string& file) { return absl::EndsWith(file, ".sst") || absl::EndsWith(file, ".blob"); }

class EngineDiskFailure : public testing::Test {
 protected:
  EngineDiskFailure() {
    store_.Open();
    mailbox_ = MakeAccount(store_.engine(), "a@example.test");
  }
  SyncEngine engine() { return store_.engine(); }
  FaultyFileSystem& files() { return store_.files(); }

  std::set<std::string> DeliveryIds() {
    std::set<std::string> ids;
    const auto messages = engine().ListMessages(mailbox_, MessageId{0}, 1'000'000);
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (!messages.ok()) return ids;
    for (const MessageSummary& message : *messages) {
      EXPECT_TRUE(ids.insert(message.delivery_id).second) << message.delivery_id << " twice";
      const auto content = Fetch(engine(), mailbox_, message.id);
      EXPECT_TRUE(content.ok()) << content.status();
      if (content.ok()) {
        EXPECT_EQ(Sha256(*content), message.sha256);
      }
    }
    return ids;
  }

  // The disk fails as `fault` says while mail comes in; then it heals.
  void FailAndHeal(const FaultyFileSystem::Fault& fault, StatusCode code, absl::string_view reason) {
    const std::string large = RandomText(400'000, 1);
    ASSERT_TRUE(Append(engine(), "before-the-fault", {mailbox_}, "before").ok());
    ASSERT_TRUE(AppendStaged(engine(), "before-the-fault-large", {mailbox_}, large).ok());
    files().SetFault(fault);
    for (int i = 0; i < 3; ++i) {
      const auto failed = Append(engine(), "during-the-fault", {mailbox_}, "during");
      EXPECT_EQ(failed.status().code(), code) << failed.status();
      EXPECT_EQ(ReasonOf(failed.status()), reason) << failed.status();
      EXPECT_EQ(engine().Health().code(), code) << engine().Health();
      EXPECT_FALSE(engine().CreateDomain({"other.test", true, absl::Now()}).ok());
      // Reads go on.
      EXPECT_EQ(DeliveryIds(), (std::set<std::string>{"before-the-fault", "before-the-fault-large"}));
      absl::SleepFor(absl::Milliseconds(30));
    }
    EXPECT_FALSE(AppendStaged(engine(), "during-the-fault-large", {mailbox_}, large).ok());

    files().SetFault(nullptr);
    ASSERT_TRUE(store_.BecomesHealthy()) << engine().Health();
    const auto retried = Append(engine(), "during-the-fault", {mailbox_}, "during");
    ASSERT_TRUE(retried.ok()) << retried.status();
    ASSERT_TRUE(AppendStaged(engine(), "after-the-fault", {mailbox_}, large).ok());
    const std::set<std::string> expected = {"before-the-fault", "before-the-fault-large", "during-the-fault",
                                            "after-the-fault"};
    EXPECT_EQ(DeliveryIds(), expected);
    // All of this is on the disk, not in the kernel's memory of what it could not write.
    files().Stop();
    store_.Close();
    files().CutPower(7);
    EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
    store_.Open();
    EXPECT_EQ(DeliveryIds(), expected);
  }

  FaultyStore store_;
  AccountId mailbox_;
};

TEST_F(EngineDiskFailure, AFullDisk) {
  FailAndHeal(
      [](Operation operation, const std::string&) {
        return operation == Operation::kAppend ? IOStatus::NoSpace("full") : IOStatus::OK();
      },
      StatusCode::kResourceExhausted, kReasonDiskFull);
}

TEST_F(EngineDiskFailure, ADiskThatIsFullOnSync) {
  FailAndHeal(
      [](Operation operation, const std::string&) {
        return operation == Operation::kSync ? IOStatus::NoSpace("full") : IOStatus::OK();
      },
      StatusCode::kResourceExhausted, kReasonDiskFull);
}

// A live session must not lose its maildrop to a disk that hangs.
TEST_F(EngineDiskFailure, AHeartbeatWaitsForNoDisk) {
  ASSERT_TRUE(engine().RenewLease("lease", "front-end", absl::Minutes(1)).ok());
  ASSERT_TRUE(OpenMaildrop(engine(), mailbox_, "lease").ok());
  absl::Notification hangs, heals;
  files().SetFault([&](Operation operation, const std::string&) {
    if (operation != Operation::kSync || heals.HasBeenNotified()) return IOStatus::OK();
    if (!hangs.HasBeenNotified()) hangs.Notify();
    heals.WaitForNotification();
    return IOStatus::OK();
  });
  std::thread writer([&] { EXPECT_TRUE(Append(engine(), "stuck", {mailbox_}, "stuck").ok()); });
  hangs.WaitForNotification();
  // On this thread from beginning to end: neither the writer, nor a reader, nor the executor has a part in it.
  std::optional<absl::Status> renewed;
  const auto renew = [&]() -> Task<void> {
    renewed = co_await store_.facets().leases().Renew("lease", "front-end", absl::Minutes(1));
  };
  Start(renew());
  EXPECT_TRUE(renewed.has_value() && renewed->ok());
  heals.Notify();
  writer.join();
  files().SetFault(nullptr);
}

TEST_F(EngineDiskFailure, AHeartbeatNeedsNoRoom) {
  ASSERT_TRUE(engine().RenewLease("lease", "front-end", absl::Minutes(1)).ok());
  files().SetFault([](Operation operation, const std::string&) {
    return operation == Operation::kAppend ? IOStatus::NoSpace("full") : IOStatus::OK();
  });
  EXPECT_FALSE(Append(engine(), "no-room", {mailbox_}, "no room").ok());
  EXPECT_TRUE(engine().RenewLease("lease", "front-end", absl::Minutes(1)).ok());
  files().SetFault(nullptr);
  EXPECT_TRUE(store_.BecomesHealthy());
}

TEST_F(EngineDiskFailure, FailingAppends) {
  FailAndHeal(
      [](Operation operation, const std::string&) {
        return operation == Operation::kAppend ? IOStatus::IOError("broken") : IOStatus::OK();
      },
      StatusCode::kUnavailable, "");
}

TEST_F(EngineDiskFailure, FailingSyncs) {
  FailAndHeal(
      [](Operation operation, const std::string&) {
        return operation == Operation::kSync ? IOStatus::IOError("broken") : IOStatus::OK();
      },
      StatusCode::kUnavailable, "");
}

TEST_F(EngineDiskFailure, OnlyTheLogFails) {
  const auto fault = [](Operation operation, const std::string& file) {
    return operation == Operation::kSync && absl::EndsWith(file, ".log") ? IOStatus::IOError("broken")
                                                                         : IOStatus::OK();
  };
  files().SetFault(fault);
  EXPECT_FALSE(Append(engine(), "during-the-fault", {mailbox_}, "during").ok());
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy());
  EXPECT_TRUE(Append(engine(), "during-the-fault", {mailbox_}, "during").ok());
  EXPECT_EQ(DeliveryIds(), (std::set<std::string>{"during-the-fault"}));
}

// A flush and a commit both sync the logs before the newest, and RocksDB ends the process when one of them
// finds a log whose sync failed under the other: no such sync may be left to do.
TEST_F(EngineDiskFailure, ALogIsOnTheDiskBeforeTheNextIsBegun) {
  absl::Mutex mutex;
  std::set<std::string> logs;
  int older_synced = 0;
  files().SetFault([&](Operation operation, const std::string& file) {
    if (!absl::EndsWith(file, ".log")) return IOStatus::OK();
    {
      absl::MutexLock lock(&mutex);
      logs.insert(file);
      if (operation != Operation::kSync || file == *logs.rbegin()) return IOStatus::OK();
      ++older_synced;
    }
    absl::SleepFor(absl::Milliseconds(20));
    return IOStatus::IOError("broken");
  });
  for (int i = 0; i < 20; ++i) {
    const std::string content = RandomText(200'000, static_cast<uint32_t>(i));
    EXPECT_TRUE(AppendStaged(engine(), absl::StrCat("staged-", i), {mailbox_}, content).ok());
    EXPECT_TRUE(Append(engine(), absl::StrCat("at-once-", i), {mailbox_}, content).ok());
  }
  files().SetFault(nullptr);
  EXPECT_GT(logs.size(), 5u);
  EXPECT_EQ(older_synced, 0);
  EXPECT_EQ(DeliveryIds().size(), 40u);
}

// The pieces of a body are written without sync: the first to learn that the disk fails is the one that needs
// a new log.
TEST_F(EngineDiskFailure, ALogThatFailsWhenTheNextIsBegun) {
  ASSERT_TRUE(Append(engine(), "before-the-fault", {mailbox_}, "before").ok());
  auto body = engine().NewBody();
  ASSERT_TRUE(body.ok()) << body.status();
  files().SetFault([](Operation operation, const std::string& file) {
    return operation == Operation::kSync && absl::EndsWith(file, ".log") ? IOStatus::IOError("broken")
                                                                         : IOStatus::OK();
  });
  absl::Status appended;
  for (uint32_t i = 0; i < 100 && appended.ok(); ++i)
    appended = BlockOn((*body)->Append(RandomText(50'000, i)));
  EXPECT_EQ(appended.code(), StatusCode::kUnavailable) << appended;
  EXPECT_EQ(engine().Health().code(), StatusCode::kUnavailable) << engine().Health();
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy());
  EXPECT_TRUE(Append(engine(), "after-the-fault", {mailbox_}, "after").ok());
  EXPECT_EQ(DeliveryIds(), (std::set<std::string>{"before-the-fault", "after-the-fault"}));
}

TEST_F(EngineDiskFailure, TablesAndBlobsFailInTheBackground) {
  std::atomic<int> hits{0};
  files().SetFault([&](Operation operation, const std::string& file) {
    if (!IsTable(file) || operation != Operation::kAppend) return IOStatus::OK();
    ++hits;
    return IOStatus::NoSpace("full");
  });
  // Fills the buffers until they are written out.
  std::set<std::string> acknowledged;
  for (int i = 0; i < 200 && engine().Health().ok(); ++i) {
    const std::string id = absl::StrCat("delivery-number-", i);
    if (Append(engine(), id, {mailbox_}, RandomText(50'000, static_cast<uint32_t>(i))).ok())
      acknowledged.insert(id);
  }
  EXPECT_GT(hits, 0);
  EXPECT_EQ(ReasonOf(engine().Health()), kReasonDiskFull);
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy());
  ASSERT_TRUE(Append(engine(), "after-the-fault", {mailbox_}, "after").ok());
  acknowledged.insert("after-the-fault");
  const std::set<std::string> found = DeliveryIds();
  for (const std::string& id : acknowledged) EXPECT_TRUE(found.contains(id)) << id;
}

// What the log holds is written anew when the files are opened: without room for that they stay as they are.
TEST_F(EngineDiskFailure, WithoutRoomForTheLogReadsGoOn) {
  constexpr uint64_t kContentBytes = 3'000'000;
  // Nothing leaves the log before that.
  store_.Close();
  store_.SetTweak([](RocksDbOptions& options) { options.write_buffer_bytes = size_t{64} << 20; });
  store_.Open();
  ASSERT_TRUE(Append(engine(), "delivery-id-0001", {mailbox_}, RandomText(kContentBytes, 1)).ok());
  // Before the first look at whether there is room again.
  files().SetFreeBytes(2'000'000);
  files().SetFault([](Operation, const std::string&) { return IOStatus::NoSpace("full"); });
  EXPECT_FALSE(Append(engine(), "delivery-id-0002", {mailbox_}, "x").ok());
  // A little is free again: less than it takes to write out what the log holds, whoever tries.
  files().SetFault([](Operation operation, const std::string& file) {
    return IsTable(file) && operation == Operation::kAppend ? IOStatus::NoSpace("full") : IOStatus::OK();
  });
  for (int i = 0; i < 10; ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    EXPECT_EQ(ReasonOf(engine().Health()), kReasonDiskFull);
    EXPECT_EQ(DeliveryIds(), std::set<std::string>{"delivery-id-0001"});
  }
  files().SetFreeBytes(2 * kContentBytes);
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy()) << engine().Health();
  EXPECT_TRUE(Append(engine(), "delivery-id-0002", {mailbox_}, "x").ok());
}

TEST_F(EngineDiskFailure, WhatIsKnownIsToldWhileTheFilesCannotBeOpened) {
  ASSERT_TRUE(Append(engine(), "delivery-id-0001", {mailbox_}, "x").ok());
  files().SetFault([](Operation, const std::string& file) {
    return absl::EndsWith(file, "/probe") ? IOStatus::OK() : IOStatus::IOError("broken");
  });
  EXPECT_FALSE(Append(engine(), "delivery-id-0002", {mailbox_}, "x").ok());
  for (int i = 0; i < 3000 && engine().ListMessages(mailbox_, MessageId{0}, 10).ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  ASSERT_EQ(engine().ListMessages(mailbox_, MessageId{0}, 10).status().code(), StatusCode::kUnavailable);
  const auto status = engine().Status();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->message_count, 1);
  EXPECT_GT(status->disk_bytes, 0);
  EXPECT_EQ(status->open_maildrop_count, 0);
  EXPECT_FALSE(engine().Health().ok());
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy()) << engine().Health();
  EXPECT_EQ(DeliveryIds(), std::set<std::string>{"delivery-id-0001"});
}

TEST_F(EngineDiskFailure, AReaderOutlivesTheRecovery) {
  const std::string large = RandomText(1'000'000, 4);
  ASSERT_TRUE(AppendStaged(engine(), "delivery-id-0001", {mailbox_}, large).ok());
  auto reader = engine().OpenMessage(mailbox_, engine().ListMessages(mailbox_, MessageId{0}, 1)->front().id);
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(BlockOn((*reader)->Read(0, 1000)).ok());
  auto body = engine().NewBody();
  ASSERT_TRUE(body.ok());
  ASSERT_TRUE(BlockOn((*body)->Append(large)).ok());
  files().SetFault([](Operation, const std::string&) { return IOStatus::IOError("broken"); });
  EXPECT_FALSE(Append(engine(), "delivery-id-0002", {mailbox_}, "x").ok());
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy());
  std::string all;
  for (;;) {
    const auto piece = BlockOn((*reader)->Read(static_cast<int64_t>(all.size()), 65536));
    ASSERT_TRUE(piece.ok()) << piece.status();
    if (piece->empty()) break;
    all += *piece;
  }
  EXPECT_TRUE(absl::EndsWith(all, large));
  // The chunks of a body that was under way were swept: its writer says so instead of storing half of it.
  EXPECT_EQ(BlockOn((*body)->Append(large)).code(), StatusCode::kUnavailable);
  reader->reset();
  body->reset();
  EXPECT_TRUE(engine().Sweep(absl::Hours(1)).ok());
}

// Acknowledged, it would be a message whose chunks were swept by the recovery.
TEST_F(EngineDiskFailure, ABodyFromBeforeTheRecoveryIsNotStored) {
  const std::string large = RandomText(1'000'000, 4);
  auto body = Stage(engine(), large);
  ASSERT_TRUE(body.ok()) << body.status();
  files().SetFault([](Operation, const std::string&) { return IOStatus::IOError("broken"); });
  EXPECT_FALSE(Append(engine(), "delivery-id-0001", {mailbox_}, "x").ok());
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy());
  const auto late = AppendBody(engine(), "delivery-id-0002", {mailbox_}, large, *std::move(body));
  EXPECT_EQ(late.status().code(), StatusCode::kUnavailable) << late.status();
  EXPECT_THAT(DeliveryIds(), testing::Not(testing::Contains("delivery-id-0002")));
  // The sender's repeat is stored.
  const auto repeat = AppendStaged(engine(), "delivery-id-0002", {mailbox_}, large);
  ASSERT_TRUE(repeat.ok()) << repeat.status();
  EXPECT_FALSE(repeat->already_stored);
  EXPECT_THAT(DeliveryIds(), testing::Contains("delivery-id-0002"));
  store_.Close();
  EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
}

// A lock is not synced, and a power cut may forget it: then its token fences nothing unless it is never given out again.
TEST_F(EngineDiskFailure, ATokenThatAPowerCutForgotIsNotGivenOutAgain) {
  const auto open = [&] {
    EXPECT_TRUE(engine().RenewLease("lease", "one", absl::Minutes(1)).ok());
    const auto maildrop = OpenMaildrop(engine(), mailbox_, "lease");
    EXPECT_TRUE(maildrop.ok()) << maildrop.status();
    return maildrop.ok() ? maildrop->token : LockToken();
  };
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    // Nothing is synced behind the opening.
    store_.Close();
    store_.Open();
    const LockToken forgotten = open();
    files().Stop();
    store_.Close();
    files().CutPower(seed);
    store_.Open();
    const LockToken token = open();
    EXPECT_NE(token, forgotten);
    EXPECT_TRUE(CommitMaildrop(engine(), mailbox_, "lease", token, {}).ok());
  }
}

// Nor does one that was ended come back: its session could delete what it marked.
TEST_F(EngineDiskFailure, AnEndedSessionStaysEndedAfterAPowerCut) {
  ASSERT_TRUE(Append(engine(), "delivery-id-0001", {mailbox_}, "x").ok());
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    ASSERT_TRUE(engine().RenewLease("lease", "one", absl::Minutes(1)).ok());
    const auto maildrop = OpenMaildrop(engine(), mailbox_, "lease");
    ASSERT_TRUE(maildrop.ok()) << maildrop.status();
    ASSERT_TRUE(engine().End(mailbox_, "").ok());
    files().Stop();
    store_.Close();
    files().CutPower(seed);
    store_.Open();
    EXPECT_TRUE(absl::IsNotFound(engine().FindLock(mailbox_).status())) << seed;
    EXPECT_EQ(ReasonOf(CommitMaildrop(engine(), mailbox_, "lease", maildrop->token, {MessageId{1}})),
              kReasonFenced);
    EXPECT_EQ(DeliveryIds().size(), 1u);
  }
}

// An end that cannot be written is none: the session still holds the maildrop.
TEST_F(EngineDiskFailure, AnEndThatCannotBeWrittenIsNone) {
  ASSERT_TRUE(engine().RenewLease("lease", "one", absl::Minutes(1)).ok());
  ASSERT_TRUE(OpenMaildrop(engine(), mailbox_, "lease").ok());
  files().SetFault([](Operation operation, const std::string&) {
    return operation == Operation::kAppend ? IOStatus::IOError("broken") : IOStatus::OK();
  });
  EXPECT_EQ(engine().End(mailbox_, "").status().code(), StatusCode::kUnavailable);
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy()) << engine().Health();
  EXPECT_TRUE(engine().FindLock(mailbox_).ok());
}

// The note of what is synced replaces the one before: a name that reaches the disk before its content would keep the store
// from starting.
TEST_F(EngineDiskFailure, TheNoteOfWhatIsSyncedIsWholeAfterAPowerCut) {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    ASSERT_TRUE(Append(engine(), absl::StrCat("delivery-number-", seed), {mailbox_}, "x").ok());
    store_.Close();
    files().Stop();
    files().CutPower(seed, FaultyFileSystem::Entries::kNew);
    const absl::Status opened = store_.TryOpen();
    ASSERT_TRUE(opened.ok()) << opened;
    EXPECT_EQ(DeliveryIds().size(), seed);
  }
}

// A lock is written where it is asked for while the writer is idle.
TEST_F(EngineDiskFailure, ALockThatCannotBeWrittenIsNotHeld) {
  ASSERT_TRUE(engine().RenewLease("lease", "one", absl::Minutes(1)).ok());
  files().SetFault([](Operation operation, const std::string&) {
    return operation == Operation::kAppend ? IOStatus::IOError("broken") : IOStatus::OK();
  });
  EXPECT_EQ(OpenMaildrop(engine(), mailbox_, "lease").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(engine().Health().code(), StatusCode::kUnavailable);
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy()) << engine().Health();
  EXPECT_TRUE(absl::IsNotFound(engine().FindLock(mailbox_).status()));
  EXPECT_TRUE(OpenMaildrop(engine(), mailbox_, "lease").ok());
}

TEST_F(EngineDiskFailure, TooFewFreeBytesRefuseMailButNotDeletions) {
  ASSERT_TRUE(Append(engine(), "delivery-id-0001", {mailbox_}, "x").ok());
  ASSERT_TRUE(engine().RenewLease("lease", "one", absl::Minutes(1)).ok());
  const auto maildrop = OpenMaildrop(engine(), mailbox_, "lease");
  ASSERT_TRUE(maildrop.ok());
  files().SetFreeBytes((1 << 20) - 1);
  absl::SleepFor(absl::Milliseconds(1100));  // it looks once per second
  for (const absl::Status& refused :
       {Append(engine(), "delivery-id-0002", {mailbox_}, "y").status(), engine().NewBody().status(),
        engine().CreateDomain({"other.test", true, absl::Now()}), engine().Health()}) {
    EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted) << refused;
    EXPECT_EQ(ReasonOf(refused), kReasonDiskFull);
  }
  EXPECT_TRUE(CommitMaildrop(engine(), mailbox_, "lease", maildrop->token, {maildrop->entries[0].id}).ok());
  files().SetFreeBytes(1 << 20);
  ASSERT_TRUE(store_.BecomesHealthy());
  EXPECT_TRUE(Append(engine(), "delivery-id-0002", {mailbox_}, "y").ok());
}

TEST_F(EngineDiskFailure, AFlickeringDiskLosesNothingAcknowledged) {
  std::atomic<bool> stop{false};
  std::vector<std::set<std::string>> acknowledged(3);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < acknowledged.size(); ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; !stop; ++i) {
        const std::string id = absl::StrCat("delivery-", thread, "-", i);
        const std::string content = RandomText(i % 10 == 0 ? 150'000 : 2'000, static_cast<uint32_t>(i));
        const auto receipt = i % 2 == 0 ? Append(engine(), id, {mailbox_}, content)
                                        : AppendStaged(engine(), id, {mailbox_}, content);
        if (receipt.ok()) {
          acknowledged[thread].insert(id);
        } else {
          absl::SleepFor(absl::Milliseconds(1));
        }
      }
    });
  }
  for (int i = 0; i < 12; ++i) {
    absl::SleepFor(absl::Milliseconds(60));
    files().SetFault([i](Operation operation, const std::string&) {
      if (i % 3 == 0) return IOStatus::NoSpace("full");
      if (i % 3 == 1 && operation == Operation::kAppend) return IOStatus::OK();
      return IOStatus::IOError("broken");
    });
    absl::SleepFor(absl::Milliseconds(25));
    files().SetFault(nullptr);
    ASSERT_TRUE(store_.BecomesHealthy());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const std::set<std::string> found = DeliveryIds();
  size_t total = 0;
  for (const auto& ids : acknowledged) {
    total += ids.size();
    for (const std::string& id : ids) EXPECT_TRUE(found.contains(id)) << id;
  }
  EXPECT_GT(total, 0u);
  store_.Close();
  EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
}

TEST_F(EngineDiskFailure, DamagedBytesAreDataLoss) {
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(AppendStaged(engine(), absl::StrCat("delivery-number-", i), {mailbox_},
                             RandomText(100'000, static_cast<uint32_t>(i)))
                    .ok());
  }
  store_.Close();
  size_t damaged_files = 0;
  for (const auto& file : std::filesystem::directory_iterator(store_.path() + "/db")) {
    if (file.path().extension() != ".blob" || file.file_size() < 10'000) continue;
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(static_cast<std::streamoff>(file.file_size() / 2));
    bytes.write("damage", 6);
    ++damaged_files;
  }
  ASSERT_GT(damaged_files, 0u);
  store_.Open();
  size_t reported = 0;
  const auto checked = engine().Verify(AccountId{0}, [&](AccountId in, MessageId, const absl::Status& error) {
    EXPECT_EQ(in, mailbox_);
    EXPECT_EQ(error.code(), StatusCode::kDataLoss) << error;
    ++reported;
  });
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(*checked, 30);
  EXPECT_EQ(reported, damaged_files);
}

// Unlike the torn tail of a power cut: what is damaged here had been synced and acknowledged.
TEST_F(EngineDiskFailure, DamageInTheMiddleOfTheLogIsAnAlarm) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Append(engine(), absl::StrCat("delivery-number-", i), {mailbox_}, "in the log only").ok());
  }
  store_.Close();
  std::filesystem::path log;
  for (const auto& file : std::filesystem::directory_iterator(store_.path() + "/db")) {
    if (file.path().extension() == ".log" && file.file_size() > 0) log = file.path();
  }
  ASSERT_FALSE(log.empty());
  std::fstream bytes(log, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(static_cast<std::streamoff>(std::filesystem::file_size(log) / 2));
  bytes.write("damage", 6);
  bytes.close();
  const absl::Status refused = store_.TryOpen();
  EXPECT_EQ(refused.code(), StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr(store_.path() + "/acknowledged"));
  EXPECT_EQ(store_.TryOpen().code(), StatusCode::kDataLoss);
  EXPECT_TRUE(std::filesystem::exists(log)) << "it is left as it is for whoever can mend it";
  // The operator's way out.
  std::filesystem::remove(store_.path() + "/acknowledged");
  store_.Open();
  const size_t left = DeliveryIds().size();
  EXPECT_GT(left, 0u);
  EXPECT_LT(left, 50u);
}

TEST_F(EngineDiskFailure, OneProcessAtATime) {
  const auto second = OpenRocksDbEngine(store_.options());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable) << second.status();
  EXPECT_TRUE(Append(engine(), "delivery-id-0001", {mailbox_}, "x").ok());
}

TEST_F(EngineDiskFailure, WhatASlowDiskHoldsUpIsTold) {
  absl::Notification disk_is_fast;
  files().SetFault([&](Operation, const std::string& file) {
    if (IsTable(file)) disk_is_fast.WaitForNotification();
    return IOStatus::OK();
  });
  std::atomic<bool> delivered = false;
  std::thread sender([&] {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(
          AppendStaged(engine(), absl::StrCat("delivery-number-", i), {mailbox_}, RandomText(1 << 20, 1))
              .ok());
    }
    delivered = true;
  });
  WriteStall worst = WriteStall::kNone;
  for (int i = 0; i < 2000 && worst != WriteStall::kStopped; ++i) {
    absl::SleepFor(absl::Milliseconds(5));
    worst = std::max(worst, engine().Status()->write_stall);
  }
  EXPECT_EQ(worst, WriteStall::kStopped);
  EXPECT_FALSE(delivered);
  disk_is_fast.Notify();
  sender.join();
  const auto status = engine().Status();
  ASSERT_TRUE(status.ok());
  EXPECT_GT(status->writes_stalled, absl::ZeroDuration());
  files().SetFault(nullptr);
}

}  // namespace
}  // namespace mailstead::engine
