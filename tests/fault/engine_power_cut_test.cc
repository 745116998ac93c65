// The promise of the store: what was acknowledged is there after the plug was pulled, whole and once; what
// was not is there whole or not at all. Random work in several threads, stopped at a random operation on a
// file; then what had not been synced is dropped (power cut) or not (end of the process), the store is opened
// again and compared with what the callers were told. Several times over on one store.
//
// MAILSTEAD_FAULT_SEEDS=n runs n seeds instead of the few of the test suite.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/fault/store_fixture.h"

namespace mailstead::engine {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 3;

uint32_t SeedCount() {
  const char* text = std::getenv("MAILSTEAD_FAULT_SEEDS");
  uint32_t count = 0;
  return text != nullptr && absl::SimpleAtoi(text, &count) ? count : 12;
}

// What one thread did to its own two mailboxes, and what it was told.
class Worker {
 public:
  Worker(int number, uint32_t seed, SyncEngine engine) : number_(number), random_(seed) {
    for (int i = 0; i < 2; ++i) {
      mailboxes_[i] = MakeAccount(engine, absl::StrCat("box", number, "-", i, "@example.test"));
    }
  }

  // Until the machine stops.
  void Work(SyncEngine engine, const FaultyFileSystem& files) {
    while (!files.stopped()) {
      const bool told = random_() % 4 == 0 ? Delete(engine) : Deliver(engine);
      if (!told) return;
    }
  }

  // Compares with the reopened store, and settles what was not known.
  void Check(SyncEngine engine) {
    for (int i = 0; i < 2; ++i) CheckMailbox(engine, i);
    CheckUnknownDelivery(engine);
    CheckUnknownDeletion();
    CheckRepeats(engine);
  }

 private:
  using Messages = std::map<std::string, std::string>;  // delivery id to content

  bool Deliver(SyncEngine engine) {
    const std::string delivery_id = absl::StrCat("delivery-", number_, "-", next_++);
    const size_t size = random_() % 8 == 0 ? random_() % 300'000 : random_() % 5'000;
    const std::string content = RandomText(size, static_cast<uint32_t>(random_()));
    std::vector<int> to;
    if (random_() % 3 == 0) {
      to = {0, 1};
    } else {
      to = {static_cast<int>(random_() % 2)};
    }
    std::vector<AccountId> mailboxes;
    for (const int i : to) mailboxes.push_back(mailboxes_[i]);
    const auto receipt = random_() % 2 == 0 ? AppendStaged(engine, delivery_id, mailboxes, content)
                                            : Append(engine, delivery_id, mailboxes, content);
    if (!receipt.ok()) {
      unknown_delivery_ = UnknownDelivery{delivery_id, content, to};
      return false;
    }
    EXPECT_FALSE(receipt->already_stored);
    for (const int i : to) known_[i][delivery_id] = content;
    return true;
  }

  // Some messages of a mailbox, by a POP3 session or by the operator's call.
  bool Delete(SyncEngine engine) {
    const int box = static_cast<int>(random_() % 2);
    const auto messages = engine.ListMessages(mailboxes_[box], MessageId{0}, 1'000'000);
    if (!messages.ok()) return false;
    std::vector<MessageId> ids;
    std::set<std::string> chosen;
    for (const MessageSummary& message : *messages) {
      if (random_() % 2 == 0) continue;
      ids.push_back(message.id);
      chosen.insert(message.delivery_id);
    }
    absl::Status deleted;
    if (random_() % 2 == 0) {
      deleted = engine.DeleteMessages(mailboxes_[box], ids).status();
    } else {
      const std::string lease = absl::StrCat("lease-", number_);
      if (!engine.RenewLease(lease, "worker", absl::Minutes(1)).ok()) return false;
      const auto maildrop = OpenMaildrop(engine, mailboxes_[box], lease);
      // Its lock may be that of the round before, or this lease one that was forgotten: only then may it be
      // refused.
      if (!maildrop.ok()) return !absl::IsUnavailable(maildrop.status());
      deleted = CommitMaildrop(engine, mailboxes_[box], lease, maildrop->token, ids);
    }
    if (!deleted.ok()) {
      unknown_deletion_ = UnknownDeletion{box, chosen};
      return false;
    }
    for (const std::string& delivery_id : chosen) known_[box].erase(delivery_id);
    return true;
  }

  void CheckMailbox(SyncEngine engine, int box) {
    found_[box].clear();
    const auto messages = engine.ListMessages(mailboxes_[box], MessageId{0}, 1'000'000);
    ASSERT_TRUE(messages.ok()) << messages.status();
    for (const MessageSummary& message : *messages) {
      const auto content = Fetch(engine, mailboxes_[box], message.id);
      ASSERT_TRUE(content.ok()) << message.delivery_id << " " << content.status();
      ASSERT_EQ(Sha256(*content), message.sha256) << message.delivery_id;
      ASSERT_TRUE(found_[box].emplace(message.delivery_id, *content).second)
          << message.delivery_id << " twice";
    }
    const auto is_unknown = [&](const std::string& id) {
      return (unknown_delivery_.has_value() && unknown_delivery_->id == id) ||
             (unknown_deletion_.has_value() && unknown_deletion_->box == box &&
              unknown_deletion_->ids.contains(id));
    };
    for (const auto& [id, content] : known_[box]) {
      if (is_unknown(id)) continue;
      ASSERT_TRUE(found_[box].contains(id)) << id << " was acknowledged and is lost";
      ASSERT_EQ(found_[box][id], content) << id;
    }
    for (const auto& [id, content] : found_[box]) {
      if (!is_unknown(id)) {
        ASSERT_TRUE(known_[box].contains(id)) << id << " was deleted and is back";
      }
    }
  }

  void CheckUnknownDelivery(SyncEngine engine) {
    if (!unknown_delivery_.has_value()) return;
    const UnknownDelivery& delivery = *unknown_delivery_;
    size_t present = 0;
    for (const int box : delivery.to) present += found_[box].count(delivery.id);
    ASSERT_TRUE(present == 0 || present == delivery.to.size()) << delivery.id << " is half there";
    // The sender tries again.
    std::vector<AccountId> mailboxes;
    for (const int i : delivery.to) mailboxes.push_back(mailboxes_[i]);
    const auto again = Append(engine, delivery.id, mailboxes, delivery.content);
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(again->already_stored, present > 0);
    for (const int box : delivery.to) found_[box][delivery.id] = known_[box][delivery.id] = delivery.content;
    unknown_delivery_.reset();
  }

  void CheckUnknownDeletion() {
    if (!unknown_deletion_.has_value()) return;
    const auto& [box, ids] = *unknown_deletion_;
    size_t present = 0;
    for (const std::string& id : ids) present += found_[box].count(id);
    ASSERT_TRUE(present == 0 || present == ids.size()) << "half deleted";
    if (present == 0) {
      for (const std::string& id : ids) known_[box].erase(id);
    }
    unknown_deletion_.reset();
  }

  // Every delivery that was acknowledged is known as such.
  void CheckRepeats(SyncEngine engine) {
    for (int box = 0; box < 2; ++box) {
      ASSERT_EQ(known_[box], found_[box]);
      if (known_[box].empty()) continue;
      const auto& [id, content] = *known_[box].begin();
      const auto repeat = Append(engine, id, {mailboxes_[box]}, content);
      ASSERT_TRUE(repeat.ok()) << repeat.status();
      EXPECT_TRUE(repeat->already_stored);
    }
  }

  struct UnknownDelivery {
    std::string id;
    std::string content;
    std::vector<int> to;
  };
  struct UnknownDeletion {
    int box;
    std::set<std::string> ids;
  };

  const int number_;
  std::mt19937 random_;
  AccountId mailboxes_[2];
  int next_ = 1;
  Messages known_[2];
  Messages found_[2];
  std::optional<UnknownDelivery> unknown_delivery_;
  std::optional<UnknownDeletion> unknown_deletion_;
};

// The same for mail to other hosts: puts it into the queue and the mailbox of its sender, delivers it, and is told.
class Relay {
 public:
  Relay(uint32_t seed, SyncEngine engine)
      : random_(seed), mailbox_(MakeAccount(engine, "sent@example.test")) {}

  void Work(SyncEngine engine, const FaultyFileSystem& files) {
    while (!files.stopped()) {
      const bool told = random_() % 2 == 0 ? Queue(engine) : Deliver(engine);
      if (!told) return;
    }
  }

  void Check(SyncEngine engine) {
    std::set<std::string> found;
    std::set<std::string> messages;
    const auto queued = engine.ListQueued(QueueId{0}, 1'000'000, 1000);
    ASSERT_TRUE(queued.ok()) << queued.status();
    for (const QueuedMessage& message : *queued) {
      messages.insert(message.envelope.delivery_id);
      for (const QueuedRecipient& recipient : message.recipients) {
        ASSERT_TRUE(found.insert(recipient.address).second) << recipient.address << " is there twice";
      }
      const auto reader = engine.OpenQueued(message.id);
      ASSERT_TRUE(reader.ok()) << reader.status();
      const auto content = BlockOn((*reader)->Read(0, 65536));
      ASSERT_TRUE(content.ok()) << content.status();
      ASSERT_EQ(Sha256(*content), message.sha256);
    }
    std::set<std::string> sent;
    const std::vector<MessageSummary> kept = engine.ListMessages(mailbox_, MessageId{0}, 1'000'000).value();
    for (const MessageSummary& message : kept) {
      sent.insert(message.delivery_id);
    }
    for (const std::string& address : pending_) {
      ASSERT_TRUE(found.contains(address)) << address << " was acknowledged and is lost";
    }
    for (const std::string& address : found) {
      ASSERT_TRUE(pending_.contains(address) || unknown_.contains(address)) << address << " is back";
    }
    size_t present = 0;
    for (const std::string& address : unknown_) present += found.count(address);
    ASSERT_TRUE(present == 0 || present == unknown_.size()) << "half there";
    if (!unknown_delivery_.empty()) {
      ASSERT_EQ(sent.contains(unknown_delivery_), present > 0) << "in the mailbox or in the queue alone";
    }
    pending_ = found;
    unknown_.clear();
    unknown_delivery_.clear();
    // What was begun goes on.
    ASSERT_TRUE(engine.EndLease("relay").ok());
    ASSERT_TRUE(engine.TakeBack(1'000'000).ok());
    ASSERT_EQ(engine.GetQueueStatus()->in_flight_count, 0);
    for (const QueuedMessage& message : *queued) {
      ASSERT_TRUE(engine.Decide({QueueDecision::Kind::kRetry, message.id, {}}).ok());
    }
  }

 private:
  bool Queue(SyncEngine engine) {
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("queued-", next_++);
    message.envelope.recipients.resize(1);
    message.envelope.recipients[0].address = "alias@example.test";
    message.copies.push_back({mailbox_, "Return-Path: <>\r\n", {0}, std::nullopt, std::nullopt});
    std::set<std::string> addresses;
    for (uint32_t i = 0; i <= random_() % 4; ++i) {
      const std::string destination = absl::StrCat("host", random_() % 3, ".example");
      const std::string address = absl::StrCat(next_, "-", i, "@", destination);
      message.queued.recipients.push_back({0, address, destination});
      addresses.insert(address);
    }
    message.queued.delay_notice_time = absl::Now() + absl::Hours(1);
    const std::string content = RandomText(random_() % 5000, static_cast<uint32_t>(random_()));
    message.sha256 = message.fingerprint = Sha256(content);
    message.deliver_time = absl::Now();
    const auto stored = engine.Append(message, Content{content, nullptr});
    if (!stored.ok()) {
      unknown_ = addresses;
      unknown_delivery_ = message.envelope.delivery_id;
      return false;
    }
    pending_.insert(addresses.begin(), addresses.end());
    return true;
  }

  // One attempt, or none when nothing is due. Its recipients are taken, or put off and tried again.
  bool Deliver(SyncEngine engine) {
    if (!engine.RenewLease("relay", "host", absl::Hours(1)).ok()) return false;
    const auto attempts = engine.Lease({"relay", 1, 100});
    if (!attempts.ok()) return false;
    for (const QueueAttempt& attempt : *attempts) {
      const bool delivered = random_() % 2 == 0;
      QueueReport report;
      report.message = attempt.message.id;
      report.grant = attempt.grant;
      report.sign = QueueReport::Sign::kAnswered;
      std::set<std::string> addresses;
      for (const QueuedRecipient& recipient : attempt.message.recipients) {
        report.outcomes.push_back({recipient.number,
                                   delivered ? QueueOutcome::Kind::kDelivered : QueueOutcome::Kind::kDeferred,
                                   {},
                                   {}});
        addresses.insert(recipient.address);
      }
      if (delivered) {
        for (const std::string& address : addresses) pending_.erase(address);
      }
      if (!engine.Report(report).ok()) {
        if (delivered) unknown_ = addresses;
        return false;
      }
      if (delivered) continue;
      const auto tried = engine.Decide({QueueDecision::Kind::kRetry, attempt.message.id, {}});
      if (!tried.ok()) return false;
    }
    return true;
  }

  std::mt19937 random_;
  const AccountId mailbox_;
  int next_ = 1;
  // Recipients that were taken, and are not known to be delivered.
  std::set<std::string> pending_;
  // Those of the last message, or of the last report, when it was not answered; and the message's delivery id.
  std::set<std::string> unknown_;
  std::string unknown_delivery_;
};

class EnginePowerCut : public testing::Test {
 protected:
  void Run(uint32_t seed, bool power) {
    std::mt19937 random(seed);
    FaultyStore store;
    store.Open();
    std::vector<Worker> workers;
    for (int i = 0; i < kThreads; ++i)
      workers.emplace_back(i, seed * 100 + static_cast<uint32_t>(i), store.engine());
    Relay relay(seed * 100 + kThreads, store.engine());
    for (int round = 0; round < kRounds && !HasFatalFailure(); ++round) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " round ", round));
      store.files().StopAfter(10 + random() % 1500);
      std::vector<std::thread> threads;
      for (Worker& worker : workers) {
        threads.emplace_back([&] { worker.Work(store.engine(), store.files()); });
      }
      threads.emplace_back([&] { relay.Work(store.engine(), store.files()); });
      for (std::thread& thread : threads) thread.join();
      Reopen(store, power, seed * 10 + static_cast<uint32_t>(round), random);
      // The store is closed then.
      if (HasFatalFailure()) return;
      for (Worker& worker : workers) {
        worker.Check(store.engine());
        if (HasFatalFailure()) return;
      }
      relay.Check(store.engine());
    }
  }

 private:
  // Some power cuts come in the middle of the recovery from the one before.
  void Reopen(FaultyStore& store, bool power, uint32_t seed, std::mt19937& random) {
    // Whether the disk was behind with its directories or with its files.
    const auto entries =
        random() % 2 == 0 ? FaultyFileSystem::Entries::kOld : FaultyFileSystem::Entries::kNew;
    const auto lose = [&] { power ? store.files().CutPower(seed, entries) : store.files().KillProcess(); };
    store.Close();
    lose();
    if (random() % 2 == 0) {
      store.files().StopAfter(1 + random() % 60);
      // Also where it came far enough to open.
      store.TryOpen().IgnoreError();
      store.files().Stop();
      store.Close();
      lose();
    }
    const std::string problems = CheckRecords(store.options(), store.env());
    ASSERT_EQ(problems, "");
    store.Open();
  }
};

TEST_F(EnginePowerCut, WhatWasAcknowledgedOutlivesAPowerCut) {
  for (uint32_t seed = 1; seed <= SeedCount() && !HasFatalFailure(); ++seed) Run(seed, /*power=*/true);
}

TEST_F(EnginePowerCut, WhatWasAcknowledgedOutlivesTheProcess) {
  for (uint32_t seed = 1001; seed <= 1000 + SeedCount() / 2 && !HasFatalFailure(); ++seed)
    Run(seed, /*power=*/false);
}

}  // namespace
}  // namespace mailstead::engine
