// The store for tests of what calls it: the real rules and methods over an engine in memory, in the test's own process and
// without gRPC, and a way to it that goes wrong where the test says so.
//
//   test::FakeStore store({.role = stored::kPop});
//   store.AddDomain("example.test");
//   store.AddAccount("demo@example.test", "secret");
//   store.AddMessage("demo@example.test", "Subject: hello\r\n\r\nyou\r\n");
//   store::StoreApi api(store.way());
//
//   store.way().Fail("CommitMaildrop", test::When::kAfter, absl::UnavailableError("lost"));   // the answer is lost
//   store.engine().Fail("Maildrops.Commit", FaultyEngine::When::kBefore, absl::UnavailableError("disk"));
//   ...
//   EXPECT_THAT(store.Messages("demo@example.test"), IsEmpty());
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/timers.h"
#include "common/rpc/transport.h"
#include "common/store/ids.h"
#include "stored/api/roles.h"
#include "stored/engine/types.h"
#include "tests/support/faulty_engine.h"
#include "tests/support/faulty_transport.h"

namespace mailstead::test {

class FakeStore {
 public:
  struct Options {
    // Of who calls by way().
    stored::Role role = stored::kOperator;
    // Of all that the store dates and of held calls: FakeTime, or the machine's.
    Timers* timers = &Timers::Steady();
    int64_t max_message_bytes = 64 << 20;
    std::string postmaster;
    // How long a wrong password is answered later, and how long a login waits for a maildrop that is in use. Real time.
    absl::Duration wrong_password_delay = absl::ZeroDuration();
    absl::Duration in_use_wait = absl::Milliseconds(20);
  };

  FakeStore() : FakeStore(Options()) {}
  explicit FakeStore(Options options);
  // What is under way ends first: nothing is held by the engine then, and ways of NewWay are gone.
  ~FakeStore();
  FakeStore(const FakeStore&) = delete;
  FakeStore& operator=(const FakeStore&) = delete;

  // The way to the store, with the token of the role.
  FaultyTransport& way();
  // The engine that the store works with; its faults happen inside the store, in the middle of a method.
  FaultyEngine& engine();
  // A way of its own, for whoever shows this token; nothing goes wrong on it. Empty: no token.
  std::unique_ptr<rpc::Transport> NewWay(const std::string& token);
  // Waits until the store's thread has done what it was given: before a caller's io_context goes that does not outlive the
  // store (common/rpc/server/in_process_transport.h).
  void AwaitThread();
  // The token of a role.
  static std::string TokenOf(stored::Role role);
  // What the health service says; it serves at first.
  void SetServing(bool serving);

  // ---- What is in it. These wait until it is done, and fail the test when it cannot be.

  void AddDomain(const std::string& name);
  // Without a password nobody logs in.
  AccountId AddAccount(const std::string& address, const std::string& password = "");
  void AddAlias(const std::string& address, std::vector<std::string> targets);
  void SetDisabled(const std::string& address, bool disabled);
  // As an operator does, of a session that need not hold the maildrop.
  void EndSession(const std::string& address, const std::string& session_id);
  void SetQuota(const std::string& address, int64_t bytes, int64_t messages);
  engine::Domain Domain(const std::string& name);
  // As operators see it, by address or id. NotFound.
  absl::StatusOr<engine::Account> FindAccount(const std::string& account);
  engine::Account Account(const std::string& address);
  engine::Alias Alias(const std::string& address);
  size_t account_count();
  // Whether the password is the account's.
  bool LogsIn(const std::string& address, const std::string& password);

  // A message as POP3 gives it: no field is put in front, nothing is checked. Without a unique id it gets one.
  MessageId AddMessage(const std::string& address, const std::string& content, const std::string& unique_id = "",
                       const std::string& reverse_path = "sender@elsewhere.test");
  void RemoveMessages(const std::string& address, std::vector<MessageId> messages);
  // What its next readers find is damaged.
  void DamageMessage(const std::string& address, MessageId message);
  // What is in the mailbox, oldest first; and each as POP3 gives it.
  std::vector<engine::MessageSummary> List(const std::string& address);
  std::vector<std::string> Messages(const std::string& address);

  // Whether a session holds the maildrop.
  bool IsLocked(const std::string& address);
  // The leases that live.
  std::vector<engine::LeaseInfo> Leases();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::test
