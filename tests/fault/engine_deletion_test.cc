// Deletions of any size: all or none whatever happens, at once for every reader, and never much work in one write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/reason.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/rules/listing.h"
#include "tests/fault/store_fixture.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using rocksdb::IOStatus;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Operation = FaultyFileSystem::Operation;

// What the store has written, as it tells.
class Recorder {
 public:
  void Wrote(const WriteWork& work) {
    absl::MutexLock lock(&mutex_);
    ++writes_;
    most_.records = std::max(most_.records, work.records);
    most_.bytes = std::max(most_.bytes, work.bytes);
  }
  // The most of one write since the last call.
  WriteWork TakeMost() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(most_, WriteWork());
  }
  int64_t writes() const {
    absl::MutexLock lock(&mutex_);
    return writes_;
  }
  void AwaitWrites(int64_t count) {
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return writes_ >= count; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&there));
  }

 private:
  mutable absl::Mutex mutex_;
  WriteWork most_ ABSL_GUARDED_BY(mutex_);
  int64_t writes_ ABSL_GUARDED_BY(mutex_) = 0;
};

Task<void> AppendOne(Engine& engine, NewMessage message, std::string content) {
  Content whole;
  whole.whole = std::move(content);
  std::vector<NewNotice> no_notices;
  const auto receipt =
      co_await engine.messages().Append(std::move(message), std::move(whole), std::move(no_notices));
  EXPECT_TRUE(receipt.ok()) << receipt.status();
}

class EngineDeletion : public testing::Test {
 protected:
  EngineDeletion() {
    store_.SetTweak([this](RocksDbOptions& options) {
      options.on_write = [this](const WriteWork& work) { recorder_.Wrote(work); };
      if (tweak_) tweak_(options);
    });
    store_.Open();
    ann_ = MakeAccount(engine(), "ann@example.test");
    bob_ = MakeAccount(engine(), "bob@example.test");
  }
  ~EngineDeletion() override { store_.Close(); }

  SyncEngine engine() { return store_.engine(); }
  FaultyFileSystem& files() { return store_.files(); }
  void Reopen() {
    store_.Close();
    EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
    store_.Open();
  }
  void Reopen(std::function<void(RocksDbOptions&)> tweak) {
    tweak_ = std::move(tweak);
    Reopen();
  }

  // `count` messages, one copy of each for each of the mailboxes; many share a sync.
  void Fill(const std::vector<AccountId>& mailboxes, int count) {
    absl::Mutex mutex;
    int under_way = 0;
    for (int i = 0; i < count; ++i) {
      NewMessage message;
      message.delivery_scope = "smtp";
      message.envelope.delivery_id = absl::StrCat("filled-delivery-", ++filled_);
      message.envelope.recipients.resize(1);
      message.envelope.recipients[0].address = "r@example.test";
      for (const AccountId account : mailboxes) message.copies.push_back({account, "", {0}, {}, {}});
      const std::string content = absl::StrCat("message ", i % 10);
      message.sha256 = Sha256(content);
      message.fingerprint = Sha256(message.envelope.delivery_id);
      message.deliver_time = absl::Now();
      {
        absl::MutexLock lock(&mutex);
        const auto room = [&] { return under_way < 500; };
        mutex.Await(absl::Condition(&room));
        ++under_way;
      }
      Start(AppendOne(store_.facets(), std::move(message), content), [&] {
        absl::MutexLock lock(&mutex);
        --under_way;
      });
    }
    absl::MutexLock lock(&mutex);
    const auto none = [&] { return under_way == 0; };
    mutex.Await(absl::Condition(&none));
  }

  std::vector<MessageId> Ids(AccountId mailbox) {
    std::vector<MessageId> ids;
    const auto messages = engine().ListMessages(mailbox, MessageId{0}, 1'000'000);
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (!messages.ok()) return ids;
    for (const MessageSummary& message : *messages) ids.push_back(message.id);
    return ids;
  }
  int64_t Count(AccountId mailbox) { return engine().GetUsage(mailbox)->message_count; }

  // A QUIT.
  absl::Status Quit(AccountId mailbox, std::vector<MessageId> deletions) {
    const absl::Status renewed = engine().RenewLease("lease", "host", absl::Minutes(1));
    if (!renewed.ok()) return renewed;
    const auto opened = OpenMaildrop(engine(), mailbox, "lease");
    if (!opened.ok()) return opened.status();
    return CommitMaildrop(engine(), mailbox, "lease", opened->token, std::move(deletions));
  }

  // Until the store has taken away all that was deleted.
  void AwaitReclaim() {
    for (int i = 0; i < 10; ++i) {
      if (engine().Sweep(absl::Hours(1)).ok()) return;
    }
    ADD_FAILURE() << "never";
  }
  // An account with this id: Unavailable while the messages of the one before are still being taken away.
  absl::Status Restore(AccountId id) {
    Account account;
    account.address = absl::StrCat("restored", id.value, "@example.test");
    account.id = id;
    return engine().CreateAccounts({account})[0].status();
  }

  Recorder recorder_;
  std::function<void(RocksDbOptions&)> tweak_;
  FaultyStore store_;
  AccountId ann_;
  AccountId bob_;
  int filled_ = 0;
};

// The most that each verb writes at once, and what is done afterwards by itself.
TEST_F(EngineDeletion, NoWriteGrowsWithTheMailbox) {
  struct Work {
    std::string verb;
    WriteWork most;
  };
  const auto measure = [&](int messages) {
    std::vector<Work> all;
    std::vector<AccountId> mailboxes;
    for (int i = 0; i < 4; ++i) {
      mailboxes.push_back(MakeAccount(engine(), absl::StrCat("box", i, "-", messages, "@example.test")));
    }
    recorder_.TakeMost();
    const auto note = [&](const char* verb) {
      AwaitReclaim();
      all.push_back({verb, recorder_.TakeMost()});
    };
    Fill(mailboxes, messages);
    // How many share a commit is not what is looked at.
    recorder_.TakeMost();
    EXPECT_TRUE(Append(engine(), absl::StrCat("delivery-to-", messages), mailboxes, "x").ok());
    note("Append");
    EXPECT_TRUE(Quit(mailboxes[0], {}).ok());
    note("a QUIT without deletions");
    EXPECT_TRUE(Quit(mailboxes[0], Ids(mailboxes[0])).ok());
    note("a QUIT that deletes all");
    std::vector<MessageId> some = Ids(mailboxes[1]);
    std::erase_if(some, [](MessageId id) { return id.value % 2 == 0; });
    EXPECT_TRUE(Quit(mailboxes[1], some).ok());
    note("a QUIT that deletes every other one");
    EXPECT_EQ(engine().DeleteMessages(mailboxes[2], Ids(mailboxes[2])).value(), messages + 1);
    note("Delete (messages)");
    DomainChange window;
    window.name = "example.test";
    window.undelete_window = absl::Hours(1);
    EXPECT_TRUE(engine().UpdateDomain(window).ok());
    recorder_.TakeMost();
    std::vector<MessageId> rest = Ids(mailboxes[1]);
    const std::vector<MessageId> few(rest.begin(), rest.begin() + 2);
    EXPECT_TRUE(Quit(mailboxes[1], rest).ok());
    note("a QUIT into the trash");
    EXPECT_EQ(engine().Restore(mailboxes[1], few)->count, 2);
    note("Restore");
    window.undelete_window = absl::ZeroDuration();
    EXPECT_TRUE(engine().UpdateDomain(window).ok());
    for (bool more = true; more;) more = engine().EmptyTrash().value_or(UpkeepStep()).more;
    note("EmptyTrash");
    AccountChange rename;
    rename.id = mailboxes[3];
    rename.address = absl::StrCat("renamed", messages, "@example.test");
    EXPECT_TRUE(engine().UpdateAccount(rename).ok());
    note("Update (account)");
    EXPECT_TRUE(engine().Delete(AccountKey{mailboxes[3]}).ok());
    note("Delete (account)");
    EXPECT_TRUE(engine().Sweep(-absl::Hours(1)).ok());
    note("Sweep");
    EXPECT_TRUE(engine().EndLease("lease").ok());
    note("End (lease)");
    return all;
  };
  Reopen([](RocksDbOptions& options) { options.reclaim_rest = 0; });
  const std::vector<Work> small = measure(20);
  const std::vector<Work> large = measure(10'000);
  ASSERT_EQ(small.size(), large.size());
  for (size_t i = 0; i < small.size(); ++i) {
    // One more: of very many runs, a step may finish a record.
    EXPECT_LE(large[i].most.records, small[i].most.records + 1) << large[i].verb;
    EXPECT_LE(large[i].most.records, 60u) << large[i].verb;
    // Runs are written down a thousand in a record.
    EXPECT_LE(large[i].most.bytes, small[i].most.bytes + 3000) << large[i].verb;
  }
  Reopen();
}

TEST_F(EngineDeletion, ABodyOfManyChunksGoesInSteps) {
  const std::string large = RandomText(40 * kChunkBytes, 1);
  ASSERT_TRUE(AppendStaged(engine(), "delivery-id-0001", {ann_, bob_}, large).ok());
  ASSERT_TRUE(AppendStaged(engine(), "delivery-id-0002", {ann_}, large).ok());
  recorder_.TakeMost();
  ASSERT_TRUE(Quit(ann_, Ids(ann_)).ok());
  AwaitReclaim();
  EXPECT_LT(recorder_.TakeMost().records, 20u);
  EXPECT_EQ(Fetch(engine(), bob_, Ids(bob_)[0]).value(), large);
  // One that is thrown away half way.
  {
    auto body = engine().NewBody();
    ASSERT_TRUE(body.ok());
    ASSERT_TRUE(BlockOn((*body)->Append(large)).ok());
  }
  Reopen();
}

TEST_F(EngineDeletion, ALargeDeletionIsThereAtOnceForAll) {
  Fill({ann_, bob_}, 400);
  ASSERT_TRUE(AppendStaged(engine(), "the-one-that-stays", {ann_}, "it stays").ok());
  const std::vector<MessageId> before = Ids(ann_);
  ASSERT_THAT(before, SizeIs(401));
  ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
  const auto opened = OpenMaildrop(engine(), ann_, "lease");
  ASSERT_TRUE(opened.ok());
  std::vector<MessageId> deletions(before.begin(), before.end() - 1);
  // Unknown ones are passed over, and one that is named twice counts once.
  deletions.insert(deletions.begin(), {MessageId{5}, MessageId{7000}, MessageId{5}});
  const CommitRequest request{ann_, "session of lease", opened->token, deletions};
  const auto committed = engine().CommitMaildrop(request);
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->deleted_count, 400);

  const auto check = [&] {
    EXPECT_THAT(Ids(ann_), ElementsAre(before.back()));
    EXPECT_EQ(Count(ann_), 1);
    EXPECT_EQ(engine().Status()->message_count, 401);
    EXPECT_EQ(engine().OpenMessage(ann_, before[0]).status().code(), StatusCode::kNotFound);
    EXPECT_EQ(Fetch(engine(), ann_, before.back()).value(), "it stays");
    EXPECT_THAT(Ids(bob_), SizeIs(400));
    EXPECT_TRUE(engine().CommitMaildrop(request).ok()) << "a repeat";
    EXPECT_EQ(engine().DeleteMessages(ann_, {before[0], before[399]}).value(), 0);
    ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
    const auto again = engine().OpenMaildrop({ann_, "another", "lease", absl::ZeroDuration(), "", 1});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_THAT(again->entries, SizeIs(1));
    EXPECT_EQ(again->last, before.back());
    EXPECT_FALSE(again->more);
    EXPECT_TRUE(engine().ReleaseMaildrop(ann_, "another").ok());
    // A listing of before leads to the one of now.
    const auto since =
        engine().OpenMaildrop({ann_, "another", "lease", absl::ZeroDuration(), opened->version, 1000});
    ASSERT_TRUE(since.ok());
    if (since->since_known_version) {
      EXPECT_THAT(since->removed, SizeIs(400));
      EXPECT_THAT(since->entries, IsEmpty());
    }
    EXPECT_TRUE(engine().ReleaseMaildrop(ann_, "another").ok());
    EXPECT_EQ(
        engine().Verify(AccountId{0}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
        401);
  };
  EXPECT_GT(engine().Status()->hidden_deletion_count, 0) << "it is being taken away";
  check();
  Reopen();
  check();
  AwaitReclaim();
  EXPECT_EQ(engine().Status()->hidden_deletion_count, 0);
  check();
  Reopen();
  check();
}

// What is being put into the trash is no less to be looked at than what is there.
TEST_F(EngineDeletion, WhatIsOnItsWayIntoTheTrashIsVerified) {
  DomainChange window;
  window.name = "example.test";
  window.undelete_window = absl::Hours(1);
  ASSERT_TRUE(engine().UpdateDomain(window).ok());
  Fill({ann_}, 300);
  // A step of 5 in a tenth of a second.
  Reopen([](RocksDbOptions& options) { options.reclaim_rest = 100'000; });
  ASSERT_EQ(engine().DeleteMessages(ann_, Ids(ann_)).value(), 300);
  for (const AccountId account : {ann_, AccountId()}) {
    const auto checked =
        engine().Verify(account, [](auto, auto, const auto& error) { ADD_FAILURE() << error; });
    ASSERT_TRUE(checked.ok()) << checked.status();
    // One that gets there meanwhile is met twice.
    EXPECT_GE(*checked, 300);
  }
  EXPECT_GT(engine().Status()->hidden_deletion_count, 0) << "it is being put away";
  // What is on its way nowhere is not looked at.
  AwaitReclaim();
  window.undelete_window = absl::ZeroDuration();
  ASSERT_TRUE(engine().UpdateDomain(window).ok());
  Fill({bob_}, 100);
  ASSERT_EQ(engine().DeleteMessages(bob_, Ids(bob_)).value(), 100);
  EXPECT_EQ(engine().Verify(bob_, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(), 0);
}

// Of a mailbox with very many, a few in each commit; whatever a crash comes in between.
TEST_F(EngineDeletion, RetentionTakesAFewAtATime) {
  Fill({ann_, bob_}, 300);
  AccountChange change;
  change.id = ann_;
  change.retention = absl::Microseconds(1);
  ASSERT_TRUE(engine().UpdateAccount(change).ok());
  recorder_.TakeMost();
  int64_t count = 0;
  int steps = 0;
  for (bool more = true; more; ++steps) {
    const auto step = engine().Expire();
    ASSERT_TRUE(step.ok()) << step.status();
    EXPECT_LE(step->count, 3);
    count += step->count;
    more = step->more;
    if (steps == 20) Reopen();
  }
  EXPECT_EQ(count, 300);
  EXPECT_LE(recorder_.TakeMost().records, 60u);
  EXPECT_EQ(engine().Status()->hidden_deletion_count, 0);
  Reopen();
  EXPECT_EQ(Count(ann_), 0);
  EXPECT_EQ(engine().Verify(bob_, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            300);
}

// Into the trash, which takes them in the same steps; whatever a crash comes in between.
TEST_F(EngineDeletion, WhatIsKeptIsWholeAtEachMoment) {
  DomainChange window;
  window.name = "example.test";
  window.undelete_window = absl::Hours(1);
  ASSERT_TRUE(engine().UpdateDomain(window).ok());
  Fill({ann_, bob_}, 300);
  ASSERT_TRUE(AppendStaged(engine(), "a-large-message-1", {ann_}, RandomText(10 * kChunkBytes, 1)).ok());
  const std::vector<MessageId> all = Ids(ann_);
  const auto trash = [&] {
    MessageSearch search;
    search.in_trash = true;
    search.limit = search.look_limit = 1'000'000;
    const auto found = engine().Search(ann_, search);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? found->messages.size() : 0;
  };
  recorder_.TakeMost();
  ASSERT_TRUE(Quit(ann_, all).ok());
  EXPECT_GT(engine().Status()->hidden_deletion_count, 0) << "it is being put away";
  Reopen();
  EXPECT_EQ(trash(), 301u);
  EXPECT_EQ(engine().Status()->hidden_deletion_count, 0);
  EXPECT_EQ(Count(ann_), 0);
  Reopen();
  EXPECT_EQ(engine().Verify(ann_, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
            301);
  ASSERT_EQ(engine().Restore(ann_, all)->count, 301);
  EXPECT_EQ(Ids(ann_), all);
  Reopen();
  EXPECT_EQ(Ids(ann_), all);
  // A small deletion beside a large one, and what is freed of both.
  ASSERT_EQ(engine().DeleteMessages(ann_, {all[0]}).value(), 1);
  ASSERT_TRUE(Quit(ann_, all).ok());
  Reopen();
  EXPECT_EQ(trash(), 301u);
  window.undelete_window = absl::ZeroDuration();
  ASSERT_TRUE(engine().UpdateDomain(window).ok());
  EXPECT_EQ(trash(), 0u);
  recorder_.TakeMost();
  for (bool more = true; more;) {
    const auto emptied = engine().EmptyTrash();
    ASSERT_TRUE(emptied.ok()) << emptied.status();
    more = emptied->more;
  }
  AwaitReclaim();
  EXPECT_LE(recorder_.TakeMost().records, 60u);
  EXPECT_THAT(Ids(bob_), SizeIs(300));
  Reopen();
  // With the account.
  window.undelete_window = absl::Hours(1);
  ASSERT_TRUE(engine().UpdateDomain(window).ok());
  ASSERT_TRUE(Quit(bob_, Ids(bob_)).ok());
  ASSERT_TRUE(engine().Delete(AccountKey{bob_}).ok());
  Reopen();
  AwaitReclaim();
  EXPECT_TRUE(Restore(bob_).ok());
  store_.Close();
  EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
  EXPECT_EQ(CountKeys(store_.options(), store_.env(), Family::kTrash), 0);
  EXPECT_EQ(CountKeys(store_.options(), store_.env(), Family::kBody), 0);
  store_.Open();
}

// Each of these while the one before is being taken away.
TEST_F(EngineDeletion, DeletionsUponDeletions) {
  Fill({ann_}, 300);
  std::vector<MessageId> all = Ids(ann_);
  std::vector<MessageId> even;
  for (const MessageId id : all) {
    if (id.value % 2 == 0) even.push_back(id);
  }
  ASSERT_TRUE(Quit(ann_, even).ok());
  EXPECT_THAT(Ids(ann_), SizeIs(150));
  // A small one, and one that names what is deleted already.
  EXPECT_EQ(engine().DeleteMessages(ann_, {all[0], all[1]}).value(), 1);
  EXPECT_EQ(Count(ann_), 149);
  Fill({ann_}, 10);
  EXPECT_EQ(engine().DeleteMessages(ann_, all).value(), 149);
  EXPECT_THAT(Ids(ann_), SizeIs(10));
  EXPECT_EQ(Count(ann_), 10);
  Reopen();
  EXPECT_THAT(Ids(ann_), SizeIs(10));
  AwaitReclaim();
  EXPECT_THAT(Ids(ann_), SizeIs(10));
  Reopen();
}

// While its messages are being taken away an account gets another address, and is removed; its successor has its id.
TEST_F(EngineDeletion, AnAccountThatGoesMeanwhile) {
  Fill({ann_, bob_}, 300);
  ASSERT_TRUE(Quit(ann_, Ids(ann_)).ok());
  AccountChange rename;
  rename.id = ann_;
  rename.address = "anna@example.test";
  ASSERT_TRUE(engine().UpdateAccount(rename).ok());
  EXPECT_THAT(Ids(ann_), IsEmpty());
  ASSERT_TRUE(engine().Delete(AccountKey{ann_}).ok());
  EXPECT_EQ(engine().Status()->message_count, 300);
  AwaitReclaim();
  EXPECT_EQ(engine().Status()->hidden_deletion_count, 0);
  ASSERT_TRUE(Restore(ann_).ok());
  EXPECT_THAT(Ids(ann_), IsEmpty());
  Fill({ann_}, 5);
  EXPECT_THAT(Ids(ann_), SizeIs(5));
  EXPECT_THAT(Ids(bob_), SizeIs(300));
  Reopen();
  EXPECT_THAT(Ids(ann_), SizeIs(5));
}

// Others read, deliver and delete while a deletion of many commits, and see all of it or none.
TEST_F(EngineDeletion, NobodySeesAPartOfIt) {
  std::atomic<bool> stop{false};
  for (int round = 0; round < 3; ++round) {
    Fill({ann_}, 200);
    const std::vector<MessageId> ids = Ids(ann_);
    std::thread reader([&] {
      while (!stop) {
        const size_t there = Ids(ann_).size();
        EXPECT_TRUE(there == 0 || there == ids.size()) << there;
      }
    });
    EXPECT_EQ(engine().DeleteMessages(ann_, ids).value(), 200);
    absl::SleepFor(absl::Milliseconds(5));
    stop = true;
    reader.join();
    stop = false;
  }
}

// Somebody deletes other messages one by one, all the time. Mutant: what is staged is made anew whenever the mailbox has lost
// something.
TEST_F(EngineDeletion, AQuitIsNotHeldUpByDeletionsOfOthers) {
  Fill({ann_}, 8000);
  std::vector<MessageId> of_session;
  std::vector<MessageId> of_others;
  for (const MessageId id : Ids(ann_)) (id.value % 2 == 0 ? of_session : of_others).push_back(id);
  ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
  const auto opened = OpenMaildrop(engine(), ann_, "lease");
  ASSERT_TRUE(opened.ok());
  std::atomic<bool> stop{false};
  std::atomic<size_t> deleted{0};
  std::thread others([&] {
    while (!stop && deleted < of_others.size()) {
      EXPECT_EQ(engine().DeleteMessages(ann_, {of_others[deleted]}).value(), 1);
      ++deleted;
    }
  });
  while (deleted < 3) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(CommitMaildrop(engine(), ann_, "lease", opened->token, of_session).ok());
  stop = true;
  others.join();
  EXPECT_EQ(Ids(ann_), std::vector<MessageId>(of_others.begin() + static_cast<std::ptrdiff_t>(deleted.load()),
                                              of_others.end()));
  EXPECT_EQ(Count(ann_), static_cast<int64_t>(of_others.size() - deleted));
  Reopen();
}

// Two delete the same at once: each message goes once.
TEST_F(EngineDeletion, TwoThatDeleteTheSameCountItOnce) {
  for (int round = 0; round < 5; ++round) {
    Fill({ann_}, 400);
    const std::vector<MessageId> ids = Ids(ann_);
    ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
    const auto opened = OpenMaildrop(engine(), ann_, "lease");
    ASSERT_TRUE(opened.ok());
    int64_t by_caller = 0;
    std::thread caller([&] {
      for (size_t i = 0; i < ids.size(); i += 80) {
        const auto end = ids.begin() + static_cast<std::ptrdiff_t>(std::min(i + 80, ids.size()));
        by_caller +=
            engine().DeleteMessages(ann_, {ids.begin() + static_cast<std::ptrdiff_t>(i), end}).value();
      }
    });
    const auto committed = CommitMaildrop(engine(), ann_, "lease", opened->token, ids);
    caller.join();
    EXPECT_TRUE(committed.ok()) << committed;
    EXPECT_THAT(Ids(ann_), IsEmpty());
    EXPECT_EQ(Count(ann_), 0);
    EXPECT_LE(by_caller, 400);
    EXPECT_EQ(engine().Status()->message_count, 0);
    EXPECT_EQ(engine().Status()->message_bytes, 0);
  }
  Reopen();
}

TEST_F(EngineDeletion, WhatWasStagedAndNeverCommittedIsSwept) {
  Reopen([](RocksDbOptions& options) { options.reclaim_rest = 0; });
  Fill({ann_}, 2500);
  std::vector<MessageId> some = Ids(ann_);
  std::erase_if(some, [](MessageId id) { return id.value % 2 == 0; });
  // The machine stops in the middle of it: it is staged in more than one record, before the commit.
  ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
  const auto opened = OpenMaildrop(engine(), ann_, "lease");
  ASSERT_TRUE(opened.ok());
  files().SetFault([](Operation operation, const std::string&) {
    return operation == Operation::kSync ? IOStatus::IOError("broken") : IOStatus::OK();
  });
  EXPECT_FALSE(CommitMaildrop(engine(), ann_, "lease", opened->token, some).ok());
  files().SetFault(nullptr);
  files().Stop();
  store_.Close();
  files().CutPower(3);
  EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
  store_.Open();
  const size_t left = Ids(ann_).size();
  EXPECT_TRUE(left == 2500 || left == 1250) << left;
  EXPECT_EQ(Count(ann_), static_cast<int64_t>(left));
}

// Mutant: a commit that is not synced.
TEST_F(EngineDeletion, ACommittedDeletionOutlivesAPowerCut) {
  for (const int count : {1, 50}) {
    Fill({ann_}, count);
    ASSERT_TRUE(Quit(ann_, Ids(ann_)).ok());
    files().Stop();
    store_.Close();
    files().CutPower(7);
    store_.Open();
    EXPECT_THAT(Ids(ann_), IsEmpty()) << count;
  }
}

TEST_F(EngineDeletion, ALoginThatGetsNoListingKeepsNoLock) {
  Fill({ann_}, 100);
  // Nobody may wait for the disk.
  Reopen([](RocksDbOptions& options) { options.max_waiting_reads = 0; });
  ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
  EXPECT_EQ(OpenMaildrop(engine(), ann_, "lease").status().code(), StatusCode::kResourceExhausted);
  Reopen([](RocksDbOptions&) {});
  EXPECT_EQ(engine().FindLock(ann_).status().code(), StatusCode::kNotFound);
  // An entry is damaged.
  store_.Close();
  {
    Health health(store_.env(), store_.path(), 0, Clock::System());
    auto database = Database::Open(store_.options(), store_.env(), health);
    ASSERT_TRUE(database.ok());
    const Database::Use use(**database);
    rocksdb::WriteBatch batch;
    batch.Put(use.family(Family::kMessage), MessageKey(ann_, MessageId{50}), "damage");
    ASSERT_TRUE(use.Write(batch, /*sync=*/true).ok());
  }
  store_.Open();
  ASSERT_TRUE(engine().RenewLease("lease", "host", absl::Minutes(1)).ok());
  EXPECT_EQ(OpenMaildrop(engine(), ann_, "lease").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(engine().FindLock(ann_).status().code(), StatusCode::kNotFound);
}

// By the store itself and by a sweep, at the same time.
TEST_F(EngineDeletion, AMailboxIsTakenAwayOnce) {
  Fill({ann_, bob_}, 200);
  ASSERT_TRUE(engine().Delete(AccountKey{ann_}).ok());
  std::thread other([&] { EXPECT_TRUE(engine().Sweep(absl::Hours(1)).ok()); });
  EXPECT_TRUE(engine().Sweep(absl::Hours(1)).ok());
  other.join();
  EXPECT_THAT(Ids(bob_), SizeIs(200));
  EXPECT_EQ(
      engine().Verify(AccountId{0}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
      200);
  Reopen();
}

// The disk fails meanwhile; when it is well again the rest goes too, by itself.
TEST_F(EngineDeletion, WhatCouldNotBeTakenAwayIsTriedAgain) {
  Fill({ann_}, 300);
  ASSERT_TRUE(engine().Delete(AccountKey{ann_}).ok());
  EXPECT_EQ(Restore(ann_).code(), StatusCode::kUnavailable);
  files().SetFault([](Operation, const std::string&) { return IOStatus::IOError("broken"); });
  for (int i = 0; i < 1000 && engine().Health().ok(); ++i) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(engine().Health().ok()) << "it went on taking away";
  files().SetFault(nullptr);
  ASSERT_TRUE(store_.BecomesHealthy());
  absl::Status restored;
  for (int i = 0; i < 1000; ++i) {
    restored = Restore(ann_);
    if (!absl::IsUnavailable(restored)) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(restored.ok()) << restored;
  EXPECT_THAT(Ids(ann_), IsEmpty());
  Reopen();
}

// Else every sweep would compact.
TEST_F(EngineDeletion, SpaceIsReclaimedOnce) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(AppendStaged(engine(), absl::StrCat("delivery-number-", i), {ann_},
                             RandomText(1'500'000, static_cast<uint32_t>(i)))
                    .ok());
  }
  const auto deleted_bytes = [&] {
    store_.Close();
    Health health(store_.env(), store_.path(), 0, Clock::System());
    auto database = Database::Open(store_.options(), store_.env(), health);
    const int64_t bytes = database.ok() ? (*database)->counters().deleted_body_bytes : -1;
    database->reset();
    store_.Open();
    return bytes;
  };
  ASSERT_TRUE(Quit(ann_, Ids(ann_)).ok());
  ASSERT_TRUE(engine().Sweep(absl::Hours(1)).ok());
  // RocksDB removes files that nothing needs any more in its own time.
  for (int i = 0; i < 200 && engine().Status()->disk_bytes >= 15'000'000; ++i)
    absl::SleepFor(absl::Milliseconds(50));
  EXPECT_LT(engine().Status()->disk_bytes, 15'000'000);
  EXPECT_EQ(deleted_bytes(), 0);
}

// A sweep ends after its present step.
TEST_F(EngineDeletion, ASweepIsStopped) {
  Fill({ann_}, 1000);
  const int64_t before = recorder_.writes();
  absl::Status swept;
  std::thread sweep([&] { swept = engine().Sweep(-absl::Hours(1)); });
  recorder_.AwaitWrites(before + 3);
  store_.facets().upkeep().Stop();
  sweep.join();
  EXPECT_EQ(swept.code(), StatusCode::kCancelled) << swept;
  EXPECT_LT(recorder_.writes() - before, 200) << "1000 receipts go in 200 steps";
  EXPECT_EQ(engine().Sweep(-absl::Hours(1)).code(), StatusCode::kCancelled);
  // All else goes on.
  EXPECT_TRUE(Append(engine(), "delivery-id-0001", {ann_}, "x").ok());
  EXPECT_TRUE(engine().Health().ok());
  // The next start goes on with it: all are forgotten.
  Reopen();
  EXPECT_TRUE(engine().Sweep(-absl::Hours(1)).ok());
  EXPECT_FALSE(Append(engine(), "delivery-id-0001", {ann_}, "x")->already_stored);
}

// What a later sweep finds begins where the last one ended, also after the clock was set back.
TEST_F(EngineDeletion, SweepsGoOn) {
  Fill({ann_}, 20);
  EXPECT_TRUE(engine().Sweep(-absl::Hours(1)).ok());
  ASSERT_TRUE(Append(engine(), "delivery-id-0001", {ann_}, "x").ok());
  // As if receipts were kept for longer; then for less long again.
  EXPECT_TRUE(engine().Sweep(absl::Hours(1)).ok());
  EXPECT_TRUE(Append(engine(), "delivery-id-0001", {ann_}, "x")->already_stored);
  EXPECT_TRUE(engine().Sweep(-absl::Hours(1)).ok());
  EXPECT_FALSE(Append(engine(), "delivery-id-0001", {ann_}, "x")->already_stored);
}

// Recovery from a failed disk is not held up by a compaction, which is slow here.
TEST_F(EngineDeletion, ARecoveryEndsACompaction) {
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(AppendStaged(engine(), absl::StrCat("delivery-number-", i), {ann_},
                             RandomText(1'000'000, static_cast<uint32_t>(i)))
                    .ok());
  }
  std::vector<MessageId> some = Ids(ann_);
  std::erase_if(some, [](MessageId id) { return id.value % 3 == 0; });
  ASSERT_TRUE(Quit(ann_, some).ok());
  AwaitReclaim();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(AppendStaged(engine(), absl::StrCat("another-delivery-", i), {bob_},
                             RandomText(1'000'000, static_cast<uint32_t>(i)))
                    .ok());
  }
  ASSERT_TRUE(Quit(bob_, Ids(bob_)).ok());
  std::atomic<int> compacting{0};
  std::atomic<bool> broken{false};
  files().SetFault([&](Operation operation, const std::string& file) {
    const bool log = file.size() > 4 && file.compare(file.size() - 4, 4, ".log") == 0;
    if (broken && log) return IOStatus::IOError("broken");
    if (!log && operation == Operation::kAppend) {
      ++compacting;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return IOStatus::OK();
  });
  absl::Status swept;
  std::thread sweep([&] { swept = engine().Sweep(absl::Hours(1)); });
  for (int i = 0; i < 500 && compacting < 3; ++i) absl::SleepFor(absl::Milliseconds(10));
  broken = true;
  EXPECT_FALSE(Append(engine(), "delivery-during-it", {ann_}, "x").ok());
  broken = false;
  EXPECT_TRUE(store_.BecomesHealthy()) << engine().Health();
  files().SetFault(nullptr);
  sweep.join();
  EXPECT_TRUE(Append(engine(), "delivery-during-it", {ann_}, "x").ok());
  Reopen();
}

// What was acknowledged is noted while the store runs, not only when it is closed: damage is noticed after a kill, too.
TEST_F(EngineDeletion, DamageAfterAKillIsAnAlarm) {
  Fill({ann_}, 50);
  const std::string note = store_.path() + "/acknowledged";
  const auto text = [&] {
    std::ifstream file(note);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  };
  const std::string before = text();
  Fill({ann_}, 50);
  for (int i = 0; i < 1000 && text() == before; ++i) absl::SleepFor(absl::Milliseconds(10));
  ASSERT_NE(text(), before);
  files().Stop();
  store_.Close();
  files().KillProcess();
  std::filesystem::path log;
  for (const auto& file : std::filesystem::directory_iterator(store_.path() + "/db")) {
    if (file.path().extension() == ".log" && file.file_size() > 0) log = file.path();
  }
  ASSERT_FALSE(log.empty());
  std::fstream bytes(log, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(100);
  bytes.write("damage", 6);
  bytes.close();
  EXPECT_EQ(store_.TryOpen().code(), StatusCode::kDataLoss);
  std::filesystem::remove(note);
  store_.Open();
}

}  // namespace
}  // namespace mailstead::engine
