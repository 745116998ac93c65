// Backups of a store that goes on, on a disk that fills up and a machine that stops; and stores that are opened from them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/fault/store_fixture.h"

namespace mailstead::engine {
namespace {

using rocksdb::IOStatus;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class EngineBackupTest : public testing::Test {
 protected:
  EngineBackupTest() : backups_(store_.path() + ".backups") {
    std::filesystem::create_directory(backups_);
    store_.SetTweak([this](RocksDbOptions& options) { options.backup_path = backups_; });
    store_.Open();
    account_ = MakeAccount(engine(), "a@example.test");
  }
  ~EngineBackupTest() override {
    store_.Close();
    std::filesystem::remove_all(backups_);
  }

  SyncEngine engine() { return store_.engine(); }
  void Deliver(int number, size_t size = 1000) {
    const std::string content = RandomText(size, static_cast<uint32_t>(number));
    const auto appended =
        AppendStaged(engine(), absl::StrCat("delivery-number-", number), {account_}, content);
    ASSERT_TRUE(appended.ok()) << appended.status();
  }
  static std::vector<std::string> UniqueIds(SyncEngine engine, AccountId account) {
    std::vector<std::string> ids;
    const auto messages = engine.ListMessages(account, MessageId(), 1000);
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (messages.ok()) {
      for (const MessageSummary& message : *messages) ids.push_back(message.unique_id);
    }
    return ids;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto backups = engine().ListBackups();
    EXPECT_TRUE(backups.ok()) << backups.status();
    if (backups.ok()) {
      for (const Backup& backup : *backups) names.push_back(backup.name);
    }
    return names;
  }
  // What lies in the folder, but for the lock, when work that was given up has put it in order.
  std::vector<std::string> Entries() {
    EXPECT_TRUE(engine().ListBackups().ok());
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(backups_)) {
      if (entry.path().filename() != ".lock") names.push_back(entry.path().filename());
    }
    return names;
  }
  // Takes the steps of `work` until one fails, or `count` were taken.
  static absl::Status TakeSteps(BackupWork& work, int count) {
    for (int i = 0; i < count; ++i) {
      const auto step = BlockOn(work.Step());
      if (!step.ok() || step->done.has_value()) return step.status();
    }
    return absl::OkStatus();
  }
  // An engine of its own on a copy of a backup.
  std::unique_ptr<Engine> Restore(const std::string& name, const std::string& path) {
    std::filesystem::copy(backups_ + "/" + name + "/rocksdb", path, std::filesystem::copy_options::recursive);
    RocksDbOptions options = store_.options();
    options.path = path;
    auto opened = OpenRocksDbEngine(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  FaultyStore store_;
  const std::string backups_;
  AccountId account_;
};

TEST_F(EngineBackupTest, HoldsWhatWasThereAndNothingElse) {
  for (int i = 0; i < 20; ++i) Deliver(i, i % 5 == 0 ? 200'000 : 1000);
  const std::vector<std::string> before = UniqueIds(engine(), account_);
  const auto backup = engine().CreateBackup("a");
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->name, "a");
  EXPECT_EQ(backup->message_count, 20);
  EXPECT_EQ(backup->damaged_count, 0);
  EXPECT_EQ(backup->incarnation, engine().Status()->incarnation);
  EXPECT_NE(backup->verify_time, absl::InfinitePast());
  EXPECT_GT(backup->disk_bytes, 800'000);
  Deliver(100);
  ASSERT_TRUE(engine().DeleteMessages(account_, {MessageId{1}}).ok());

  const std::string path = store_.path() + ".restored";
  auto restored = Restore("a", path);
  ASSERT_NE(restored, nullptr);
  EXPECT_EQ(UniqueIds(SyncEngine(*restored), account_), before);
  EXPECT_EQ(Fetch(SyncEngine(*restored), account_, MessageId{1}).value(), RandomText(200'000, 0));
  // What the front-ends were told holds here, too.
  const auto again = Append(SyncEngine(*restored), "delivery-number-3", {account_}, RandomText(1000, 3));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->already_stored);
  restored.reset();
  RocksDbOptions options = store_.options();
  options.path = path;
  EXPECT_EQ(CheckRecords(options, store_.env()), "");
  std::filesystem::remove_all(path);
}

TEST_F(EngineBackupTest, AStoreThatIsOpenedFromItHasAnotherHistory) {
  ASSERT_TRUE(engine().RenewLease("lease", "test", absl::Seconds(60)).ok());
  ASSERT_TRUE(OpenMaildrop(engine(), account_, "lease").ok());
  const std::string original = engine().Status()->incarnation;
  ASSERT_TRUE(engine().CreateBackup("a").ok());
  EXPECT_EQ(engine().Status()->incarnation, original);

  std::vector<std::string> incarnations = {original};
  for (const std::string suffix : {".one", ".two"}) {
    const std::string path = store_.path() + suffix;
    auto restored = Restore("a", path);
    ASSERT_NE(restored, nullptr);
    const std::string incarnation = SyncEngine(*restored).Status()->incarnation;
    EXPECT_EQ(restored->upkeep().Incarnation(), incarnation);
    EXPECT_THAT(incarnations, testing::Not(testing::Contains(incarnation)));
    incarnations.push_back(incarnation);
    // Nobody holds anything.
    EXPECT_TRUE(absl::IsNotFound(SyncEngine(*restored).FindLock(account_).status()));
    EXPECT_FALSE(SyncEngine(*restored).IsLive("lease"));
    EXPECT_FALSE(std::filesystem::exists(path + "/backup"));
    // From then on it is a store like any other.
    restored.reset();
    RocksDbOptions options = store_.options();
    options.path = path;
    restored = OpenRocksDbEngine(options).value();
    EXPECT_EQ(restored->upkeep().Incarnation(), incarnation);
    restored.reset();
    std::filesystem::remove_all(path);
  }
}

TEST_F(EngineBackupTest, AnEmptyMarkIsOneToo) {
  Deliver(0);
  const std::string original = engine().Status()->incarnation;
  store_.Close();
  std::ofstream(store_.path() + "/backup").close();
  store_.Open();
  EXPECT_NE(engine().Status()->incarnation, original);
  EXPECT_FALSE(std::filesystem::exists(store_.path() + "/backup"));
  EXPECT_THAT(UniqueIds(engine(), account_), SizeIs(1));
}

TEST_F(EngineBackupTest, MailComesInMeanwhile) {
  std::atomic<bool> stop = false;
  std::atomic<int> delivered = 0;
  std::thread sender([&] {
    for (int i = 0; !stop; ++i) {
      Deliver(i, 20'000);
      ++delivered;
    }
  });
  for (int i = 0; i < 5; ++i) {
    const int before = delivered;
    const auto backup = engine().CreateBackup(absl::StrCat("backup-", i));
    ASSERT_TRUE(backup.ok()) << backup.status();
    EXPECT_EQ(backup->damaged_count, 0);
    EXPECT_GE(backup->message_count, before);
    EXPECT_LE(backup->message_count, delivered + 1);
  }
  stop = true;
  sender.join();
  EXPECT_TRUE(engine().Health().ok());
}

TEST_F(EngineBackupTest, ListsByNameAndRemoves) {
  EXPECT_THAT(Names(), IsEmpty());
  for (const char* name : {"b", "a", "c"}) ASSERT_TRUE(engine().CreateBackup(name).ok());
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(engine().ListBackups("a", 1).value(), SizeIs(1));
  EXPECT_EQ(engine().ListBackups("a", 1)->front().name, "b");
  // What is not a backup is not listed, and cannot be removed.
  std::filesystem::create_directory(backups_ + "/other");
  EXPECT_THAT(Names(), SizeIs(3));
  EXPECT_EQ(ReasonOf(engine().DeleteBackup("other")), kReasonBackupNotFound);
  EXPECT_EQ(ReasonOf(engine().VerifyBackup("other").status()), kReasonBackupNotFound);
  EXPECT_EQ(ReasonOf(engine().CreateBackup("other").status()), kReasonBackupExists);
  EXPECT_EQ(ReasonOf(engine().CreateBackup("b").status()), kReasonBackupExists);
  ASSERT_TRUE(engine().DeleteBackup("b").ok());
  EXPECT_THAT(Names(), ElementsAre("a", "c"));
  EXPECT_EQ(ReasonOf(engine().DeleteBackup("b")), kReasonBackupNotFound);
  // Of one whose note is damaged the name is known.
  std::filesystem::resize_file(backups_ + "/c/rocksdb/backup", 5);
  EXPECT_THAT(Names(), ElementsAre("a", "c"));
  EXPECT_TRUE(engine().DeleteBackup("c").ok());
}

TEST_F(EngineBackupTest, BadNamesAndNoFolder) {
  for (const char* name : {"", ".", "..", "../a", "a/b", ".unfinished"}) {
    EXPECT_EQ(FieldOf(engine().CreateBackup(name).status()), "name") << name;
    EXPECT_EQ(FieldOf(engine().VerifyBackup(name).status()), "name") << name;
    EXPECT_EQ(FieldOf(engine().DeleteBackup(name)), "name") << name;
  }
  std::filesystem::remove_all(backups_);
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().CreateBackup("a").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().ListBackups().status()));
  store_.SetTweak(nullptr);
  store_.Close();
  store_.Open();
  EXPECT_EQ(ReasonOf(engine().CreateBackup("a").status()), kReasonNoBackupDir);
  EXPECT_EQ(ReasonOf(engine().VerifyBackup("a").status()), kReasonNoBackupDir);
  EXPECT_EQ(ReasonOf(engine().ListBackups().status()), kReasonNoBackupDir);
  EXPECT_EQ(ReasonOf(engine().DeleteBackup("a")), kReasonNoBackupDir);
}

TEST_F(EngineBackupTest, OneAtATime) {
  ASSERT_TRUE(engine().CreateBackup("a").ok());
  auto work = engine().BeginBackup("b");
  ASSERT_TRUE(work.ok()) << work.status();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ReasonOf(engine().CreateBackup("c").status()), kReasonBusy);
    EXPECT_EQ(ReasonOf(engine().VerifyBackup("a").status()), kReasonBusy);
    EXPECT_EQ(ReasonOf(engine().DeleteBackup("a")), kReasonBusy);
    EXPECT_THAT(Names(), ElementsAre("a"));
    ASSERT_TRUE(TakeSteps(**work, 1).ok());
  }
  work->reset();
  EXPECT_TRUE(engine().CreateBackup("c").ok());
}

TEST_F(EngineBackupTest, GivenUpAtAnyStepItLeavesNothingOrAWholeBackup) {
  for (int i = 0; i < 10; ++i) Deliver(i, 100'000);
  bool was_whole = false;
  for (int steps = 0; steps < 20 && !was_whole; ++steps) {
    auto work = engine().BeginBackup("a");
    ASSERT_TRUE(work.ok()) << work.status();
    ASSERT_TRUE(TakeSteps(**work, steps).ok());
    work->reset();
    // Behind the work that the one given up has left to do.
    const std::vector<std::string> names = Names();
    EXPECT_EQ(Entries(), names);
    was_whole = !names.empty();
  }
  ASSERT_TRUE(was_whole);
  EXPECT_EQ(engine().ListBackups()->front().verify_time, absl::InfinitePast());
  EXPECT_EQ(engine().VerifyBackup("a")->message_count, 10);
  EXPECT_NE(engine().ListBackups()->front().verify_time, absl::InfinitePast());
}

TEST_F(EngineBackupTest, StopEndsIt) {
  Deliver(0);
  auto work = engine().BeginBackup("a");
  ASSERT_TRUE(work.ok());
  ASSERT_TRUE(TakeSteps(**work, 1).ok());
  store_.facets().upkeep().Stop();
  EXPECT_TRUE(absl::IsCancelled(TakeSteps(**work, 1)));
  work->reset();
  EXPECT_TRUE(absl::IsCancelled(engine().CreateBackup("b").status()));
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(EngineBackupTest, AFullDiskInTheMiddle) {
  for (int i = 0; i < 10; ++i) Deliver(i, 100'000);
  // Each file in turn that is written to the folder.
  int failures = 0;
  for (int good = 0; good < 100; ++good) {
    std::atomic<int> left = good;
    std::atomic<bool> failed = false;
    store_.files().SetFault([&](FaultyFileSystem::Operation operation, const std::string& file) {
      if (!absl::StrContains(file, "/.unfinished/") || operation != FaultyFileSystem::Operation::kAppend ||
          left-- > 0) {
        return IOStatus::OK();
      }
      failed = true;
      return IOStatus::NoSpace("full");
    });
    const auto backup = engine().CreateBackup("a");
    store_.files().SetFault(nullptr);
    if (!failed) {
      ASSERT_TRUE(backup.ok()) << backup.status();
      break;
    }
    ++failures;
    EXPECT_EQ(ReasonOf(backup.status()), kReasonDiskFull) << backup.status();
    EXPECT_THAT(Names(), IsEmpty());
    EXPECT_THAT(Entries(), IsEmpty());
    EXPECT_TRUE(engine().Health().ok()) << "the store has its own disk";
  }
  EXPECT_GT(failures, 3);
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(EngineBackupTest, TooLittleIsFree) {
  Deliver(0);
  auto work = engine().BeginBackup("a");
  ASSERT_TRUE(work.ok());
  store_.files().SetFreeBytes(1000);
  const absl::Status status = TakeSteps(**work, 100);
  EXPECT_EQ(ReasonOf(status), kReasonDiskFull) << status;
  work->reset();
  EXPECT_EQ(ReasonOf(engine().CreateBackup("a").status()), kReasonDiskFull);
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(EngineBackupTest, AMachineThatStopsInTheMiddle) {
  for (int i = 0; i < 10; ++i) Deliver(i, 100'000);
  const std::vector<std::string> messages = UniqueIds(engine(), account_);
  bool ended = false;
  int without = 0;
  for (uint64_t count = 1; !ended; count += 3) {
    ASSERT_LT(count, 2000u);
    store_.files().StopAfter(count);
    ended = engine().CreateBackup("a").ok();
    store_.Close();
    store_.files().KillProcess();
    store_.Open();
    ASSERT_TRUE(store_.BecomesHealthy());
    EXPECT_EQ(UniqueIds(engine(), account_), messages);
    // What has the name is whole.
    if (Names().empty()) {
      EXPECT_FALSE(ended);
      ++without;
    } else {
      const auto verified = engine().VerifyBackup("a");
      ASSERT_TRUE(verified.ok()) << verified.status();
      EXPECT_EQ(verified->message_count, 10);
      ASSERT_TRUE(engine().DeleteBackup("a").ok());
    }
  }
  EXPECT_GT(without, 3);
  // What was left behind goes with the next one.
  std::filesystem::create_directories(backups_ + "/.unfinished/rocksdb/db");
  std::filesystem::create_directories(backups_ + "/.removed/rocksdb/db");
  ASSERT_TRUE(engine().CreateBackup("b").ok());
  EXPECT_THAT(Entries(), ElementsAre("b"));
}

TEST_F(EngineBackupTest, VerificationFindsWhatIsMissing) {
  for (int i = 0; i < 5; ++i) Deliver(i, 100'000);
  ASSERT_TRUE(engine().CreateBackup("a").ok());
  // A copy: the backup shares its files with the store.
  std::filesystem::copy(backups_ + "/a", backups_ + "/b", std::filesystem::copy_options::recursive);
  int removed = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(backups_ + "/b")) {
    if (entry.path().extension() == ".blob") removed += std::filesystem::remove(entry.path()) ? 1 : 0;
  }
  ASSERT_GT(removed, 0);
  EXPECT_FALSE(engine().VerifyBackup("b").ok());
  EXPECT_EQ(engine().VerifyBackup("a")->damaged_count, 0);
}

// The file system cannot link, as that of another disk.
class NoLinks final : public rocksdb::FileSystemWrapper {
 public:
  explicit NoLinks(std::shared_ptr<rocksdb::FileSystem> files) : FileSystemWrapper(std::move(files)) {}
  const char* Name() const override { return "NoLinks"; }
  IOStatus LinkFile(const std::string&, const std::string&, const rocksdb::IOOptions&,
                    rocksdb::IODebugContext*) override {
    return IOStatus::NotSupported("no links");
  }
};

TEST_F(EngineBackupTest, CopiesWhereItCannotLink) {
  const std::unique_ptr<rocksdb::Env> env =
      rocksdb::NewCompositeEnv(std::make_shared<NoLinks>(store_.env().GetFileSystem()));
  store_.Close();
  store_.SetTweak([&](RocksDbOptions& options) {
    options.backup_path = backups_;
    options.env = env.get();
  });
  store_.Open();
  for (int i = 0; i < 40; ++i) Deliver(i, 1 << 20);
  // More than there is room for is refused before it is written.
  store_.files().SetFreeBytes(20 << 20);
  EXPECT_EQ(ReasonOf(engine().CreateBackup("a").status()), kReasonDiskFull);
  EXPECT_THAT(Entries(), IsEmpty());
  store_.files().SetFreeBytes(uint64_t{1} << 40);
  const auto backup = engine().CreateBackup("a");
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->message_count, 40);
  EXPECT_EQ(backup->damaged_count, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(backups_ + "/a")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(entry.hard_link_count(), 1u) << entry.path();
  }
  store_.Close();
}

TEST_F(EngineBackupTest, SharesFilesWhereItCan) {
  for (int i = 0; i < 5; ++i) Deliver(i, 200'000);
  ASSERT_TRUE(engine().CreateBackup("a").ok());
  int shared = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(backups_ + "/a")) {
    if (entry.path().extension() == ".blob") shared += entry.hard_link_count() == 2 ? 1 : 0;
  }
  EXPECT_GT(shared, 0);
}

}  // namespace
}  // namespace mailstead::engine
