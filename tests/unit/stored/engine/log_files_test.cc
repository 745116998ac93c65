#include "stored/engine/rocksdb/log_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mailstead::engine {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using testing::ElementsAre;
using testing::IsEmpty;

// A file system that keeps nothing, notes what it is asked, and syncs as the test says.
class Disk final : public rocksdb::FileSystemWrapper {
 public:
  Disk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "Disk"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions&,
                           std::unique_ptr<FSWritableFile>* result, IODebugContext*) override {
    asked.push_back("new " + name);
    *result = std::make_unique<File>(*this, name);
    return IOStatus::OK();
  }

  std::vector<std::string> asked;
  // Within a sync; null: it succeeds.
  std::function<IOStatus()> during_sync;

 private:
  class File final : public FSWritableFile {
   public:
    File(Disk& disk, std::string name) : disk_(disk), name_(std::move(name)) {}
    using FSWritableFile::Append;
    IOStatus Append(const rocksdb::Slice&, const IOOptions&, IODebugContext*) override {
      return IOStatus::OK();
    }
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions&, IODebugContext*) override {
      disk_.asked.push_back("sync " + name_);
      return disk_.during_sync != nullptr ? disk_.during_sync() : IOStatus::OK();
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }
    IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
      disk_.asked.push_back("sync a part of " + name_);
      return IOStatus::OK();
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return 0; }

   private:
    Disk& disk_;
    const std::string name_;
  };
};

class LogFilesTest : public testing::Test {
 protected:
  // Null when it cannot be begun.
  std::unique_ptr<FSWritableFile> New(const std::string& name) {
    std::unique_ptr<FSWritableFile> file;
    begun_ = files_.NewWritableFile(name, FileOptions(), &file, nullptr);
    return file;
  }
  static void Append(FSWritableFile& file) { ASSERT_TRUE(file.Append("bytes", IOOptions(), nullptr).ok()); }
  static IOStatus Sync(FSWritableFile& file) { return file.Sync(IOOptions(), nullptr); }
  // What the disk was asked since the last time.
  std::vector<std::string> Asked() { return std::exchange(disk_->asked, {}); }

  const std::shared_ptr<Disk> disk_ = std::make_shared<Disk>();
  LogFileSystem files_{disk_};
  IOStatus begun_;
};

TEST_F(LogFilesTest, ALogIsSyncedBeforeTheNextIsBegun) {
  const auto first = New("1.log");
  Append(*first);
  const auto second = New("2.log");
  EXPECT_THAT(Asked(), ElementsAre("new 1.log", "sync 1.log", "new 2.log"));
  // Nothing is left to do.
  EXPECT_TRUE(Sync(*first).ok());
  EXPECT_TRUE(first->Fsync(IOOptions(), nullptr).ok());
  EXPECT_TRUE(first->RangeSync(0, 5, IOOptions(), nullptr).ok());
  EXPECT_THAT(Asked(), IsEmpty());
  Append(*second);
  EXPECT_TRUE(second->RangeSync(0, 5, IOOptions(), nullptr).ok());
  EXPECT_TRUE(second->Fsync(IOOptions(), nullptr).ok());
  EXPECT_THAT(Asked(), ElementsAre("sync a part of 2.log", "sync 2.log"));
}

TEST_F(LogFilesTest, WithoutTheLogBeforeTheNextIsNotBegun) {
  const auto first = New("1.log");
  Append(*first);
  Asked();
  disk_->during_sync = [] { return IOStatus::IOError("broken"); };
  EXPECT_EQ(New("2.log"), nullptr);
  EXPECT_TRUE(begun_.IsIOError());
  EXPECT_THAT(Asked(), ElementsAre("sync 1.log"));
}

// The kernel would call the next sync a success, and have dropped what it could not write.
TEST_F(LogFilesTest, WhatFailedOnceStaysFailed) {
  const auto log = New("1.log");
  Append(*log);
  Asked();
  disk_->during_sync = [] { return IOStatus::IOError("broken"); };
  EXPECT_TRUE(Sync(*log).IsIOError());
  disk_->during_sync = nullptr;
  Append(*log);
  EXPECT_TRUE(Sync(*log).IsIOError());
  EXPECT_TRUE(log->Fsync(IOOptions(), nullptr).IsIOError());
  EXPECT_EQ(New("2.log"), nullptr);
  EXPECT_THAT(Asked(), ElementsAre("sync 1.log"));
}

TEST_F(LogFilesTest, WhatComesDuringASyncIsNotSyncedByIt) {
  const auto log = New("1.log");
  Append(*log);
  Asked();
  disk_->during_sync = [&] {
    Append(*log);
    return IOStatus::OK();
  };
  EXPECT_TRUE(Sync(*log).ok());
  disk_->during_sync = nullptr;
  EXPECT_TRUE(Sync(*log).ok());
  EXPECT_TRUE(Sync(*log).ok());
  EXPECT_THAT(Asked(), ElementsAre("sync 1.log", "sync 1.log"));
}

TEST_F(LogFilesTest, ALogThatIsClosedIsNotSyncedAnyMore) {
  auto first = New("1.log");
  Append(*first);
  first.reset();
  const auto second = New("2.log");
  EXPECT_THAT(Asked(), ElementsAre("new 1.log", "new 2.log"));
}

TEST_F(LogFilesTest, TheNewestIsSyncedWhicheverIsClosedBefore) {
  auto first = New("1.log");
  Append(*first);
  const auto second = New("2.log");
  Append(*second);
  first.reset();
  Asked();
  const auto third = New("3.log");
  EXPECT_THAT(Asked(), ElementsAre("sync 2.log", "new 3.log"));
}

TEST_F(LogFilesTest, OtherFilesAreNotItsAffair) {
  const auto log = New("1.log");
  Append(*log);
  const auto table = New("2.sst");
  Append(*table);
  EXPECT_TRUE(Sync(*table).ok());
  EXPECT_TRUE(Sync(*table).ok());
  EXPECT_THAT(Asked(), ElementsAre("new 1.log", "new 2.sst", "sync 2.sst", "sync 2.sst"));
}

}  // namespace
}  // namespace mailstead::engine
