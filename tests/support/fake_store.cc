#include "tests/support/fake_store.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <future>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/use_future.hpp"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/in_process_transport.h"
#include "common/sasl/step.h"
#include "common/store/store_api.h"
#include "stored/api/admission.h"
#include "stored/api/callers.h"
#include "stored/api/environment.h"
#include "stored/api/health.h"
#include "stored/api/methods.h"
#include "stored/api/metrics.h"
#include "stored/core/core.h"
#include "stored/core/digest.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"

namespace mailstead::test {
namespace {

using stored::kOperator;
using stored::kPop;
using stored::kRelay;
using stored::kSmtp;
using stored::Role;

constexpr size_t kAll = 1'000'000;
constexpr Role kRoles[] = {kSmtp, kPop, kRelay, kOperator};

// The store's own admission, which also knows how many calls are under way.
class CountingAdmission final : public rpc::Admission {
 public:
  explicit CountingAdmission(rpc::Admission& behind) : behind_(behind) {}

  std::shared_ptr<const rpc::Caller> Identify(const rpc::Credentials& credentials) override {
    return behind_.Identify(credentials);
  }
  int64_t Generation() const override { return behind_.Generation(); }
  absl::Status Admit(rpc::ServedCall& call) override {
    absl::MutexLock lock(&mutex_);
    ++running_;
    return behind_.Admit(call);
  }
  void Ended(const rpc::ServedCall& call, const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    --running_;
    behind_.Ended(call, status);
  }
  bool AwaitNone(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
    return mutex_.AwaitWithTimeout(absl::Condition(&none), timeout);
  }

 private:
  rpc::Admission& behind_;
  absl::Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

stored::CoreOptions CoreOptionsOf(const FakeStore::Options& options) {
  stored::CoreOptions core;
  core.postmaster = options.postmaster;
  core.scram_iterations = 4096;
  core.throttle.first_delay = options.wrong_password_delay;
  core.throttle.max_delay = options.wrong_password_delay;
  core.decoy_secret = std::string(32, 'd');
  core.grant_key = std::string(32, 'g');
  core.secrets_key = std::string(32, 'k');
  core.max_message_bytes = options.max_message_bytes;
  core.in_use_wait = options.in_use_wait;
  core.hash_threads = 2;
  return core;
}

template <typename T>
T ValueOf(absl::StatusOr<T> value, const std::string& what) {
  EXPECT_TRUE(value.ok()) << what << ": " << value.status();
  CHECK(value.ok());
  return *std::move(value);
}

template <typename T>
Task<T> On(Executor& executor, Task<T> task) {
  co_await ResumeOn(executor);
  co_return co_await std::move(task);
}

Task<int> Nothing() { co_return 0; }

Task<int> NoteEnded(stored::Core& core, AccountId account, std::string session_id) {
  core.grants.EndSession(account, session_id);
  core.login_changes.Note(account);
  co_return 0;
}

Task<absl::StatusOr<std::string>> ReadWhole(engine::MessageEngine& messages, AccountId account, MessageId id) {
  CO_ASSIGN_OR_RETURN(const std::unique_ptr<engine::MessageReader> reader, co_await messages.Open(account, id));
  std::string whole;
  while (static_cast<int64_t>(whole.size()) < reader->size_bytes()) {
    CO_ASSIGN_OR_RETURN(const std::string piece,
                        co_await reader->Read(static_cast<int64_t>(whole.size()), size_t{64} << 10));
    if (piece.empty()) break;
    whole.append(piece);
  }
  co_return whole;
}

}  // namespace

struct FakeStore::Impl {
  explicit Impl(Options given)
      : options(std::move(given)),
        clock(*options.timers),
        kept(std::make_shared<engine::MemoryStore>()),
        memory(engine::OpenMemoryEngine({.store = kept, .clock = &clock, .executor = &executor})),
        faulty(*memory),
        core(faulty, executor, clock, CoreOptionsOf(options)) {
    for (const Role role : kRoles) callers.SetToken(role, TokenOf(role));
    stored::AddMethods(environment, methods);
    health.AddTo(methods);
    health.SetServing(true);
  }

  std::unique_ptr<rpc::Transport> NewWay(const std::string& token) {
    rpc::InProcessOptions in_process;
    if (!token.empty()) in_process.credentials.authorizations = {absl::StrCat("Bearer ", token)};
    in_process.credentials.peer = "in-process";
    return std::make_unique<rpc::InProcessTransport>(service, executor, std::move(in_process));
  }

  // Waits until it is done, on the thread of the methods.
  template <typename T>
  T Do(Task<T> task) {
    return BlockOn(On(executor, std::move(task)));
  }

  // Waits for a call by NewWay, on the test's thread.
  template <typename T>
  T Await(asio::awaitable<T> call) {
    io.restart();
    std::future<T> result = asio::co_spawn(io, std::move(call), asio::use_future);
    io.run();
    return result.get();
  }

  const Options options;
  const Clock& clock;
  // Where calls of ours wait: before the executor, whose thread wakes them.
  asio::io_context io{1};
  ThreadExecutor executor;
  const std::shared_ptr<engine::MemoryStore> kept;
  const std::unique_ptr<engine::Engine> memory;
  FaultyEngine faulty;
  stored::Core core;
  prometheus::Registry registry;
  stored::Metrics metrics{registry};
  stored::Callers callers;
  stored::Admission real_admission{callers, metrics, clock};
  CountingAdmission admission{real_admission};
  stored::Environment environment{
      .core = core, .counter = metrics, .version = "9.9.9", .start_time = clock.Now()};
  rpc::MethodTable methods;
  rpc::Draining draining;
  stored::Health health{executor, draining};
  const rpc::Service service{methods, admission, clock};
  const std::unique_ptr<rpc::Transport> straight = NewWay(TokenOf(options.role));
  FaultyTransport way{*straight, *options.timers};
  // Of AddMessage.
  std::map<AccountId, MessageId> last_added;
};

FakeStore::FakeStore(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}

FakeStore::~FakeStore() {
  // Calls that were given up still run to their end.
  while (!impl_->admission.AwaitNone(absl::Milliseconds(1))) impl_->core.timers.RunAllNow();
  // A call is counted before its last steps: they are behind us when these are.
  for (int i = 0; i < 3; ++i) AwaitThread();
}

void FakeStore::AwaitThread() { impl_->Do(Nothing()); }

FaultyTransport& FakeStore::way() { return impl_->way; }
FaultyEngine& FakeStore::engine() { return impl_->faulty; }
std::unique_ptr<rpc::Transport> FakeStore::NewWay(const std::string& token) { return impl_->NewWay(token); }
std::string FakeStore::TokenOf(stored::Role role) { return absl::StrCat("token-of-", stored::RoleNames(role)); }
void FakeStore::SetServing(bool serving) { impl_->health.SetServing(serving); }

void FakeStore::AddDomain(const std::string& name) {
  stored::NewDomain domain;
  domain.name = name;
  ValueOf(impl_->Do(impl_->core.directory.CreateDomain(std::move(domain))), name);
}

AccountId FakeStore::AddAccount(const std::string& address, const std::string& password) {
  stored::NewAccount account;
  account.address = address;
  if (!password.empty()) account.password = {stored::Password::Kind::kPlain, password};
  return ValueOf(impl_->Do(impl_->core.directory.CreateAccount(std::move(account))), address).id;
}

void FakeStore::AddAlias(const std::string& address, std::vector<std::string> targets) {
  ValueOf(impl_->Do(impl_->core.directory.CreateAlias(address, std::move(targets))), address);
}

void FakeStore::SetDisabled(const std::string& address, bool disabled) {
  stored::AccountUpdate update;
  update.account = address;
  update.disabled = disabled;
  ValueOf(impl_->Do(impl_->core.directory.UpdateAccount(std::move(update))), address);
}

void FakeStore::EndSession(const std::string& address, const std::string& session_id) {
  impl_->Do(NoteEnded(impl_->core, Account(address).id, session_id));
}

void FakeStore::SetQuota(const std::string& address, int64_t bytes, int64_t messages) {
  stored::AccountUpdate update;
  update.account = address;
  update.quota_bytes = bytes;
  update.quota_messages = messages;
  ValueOf(impl_->Do(impl_->core.directory.UpdateAccount(std::move(update))), address);
}

engine::Domain FakeStore::Domain(const std::string& name) {
  return ValueOf(impl_->Do(impl_->core.directory.GetDomain(name)), name);
}

absl::StatusOr<engine::Account> FakeStore::FindAccount(const std::string& account) {
  return impl_->Do(impl_->core.directory.GetAccount(account));
}

engine::Account FakeStore::Account(const std::string& address) { return ValueOf(FindAccount(address), address); }

engine::Alias FakeStore::Alias(const std::string& address) {
  return ValueOf(impl_->Do(impl_->core.directory.GetAlias(address)), address);
}

size_t FakeStore::account_count() {
  return static_cast<size_t>(ValueOf(impl_->Do(impl_->memory->upkeep().Status()), "status").account_count);
}

bool FakeStore::LogsIn(const std::string& address, const std::string& password) {
  const std::unique_ptr<rpc::Transport> way = NewWay(TokenOf(kSmtp));
  store::StoreApi api(*way);
  const std::unique_ptr<store::Login> login = api.StartLogin({});
  const sasl::Start start{.mechanism = "PLAIN",
                          .initial_response = sasl::PlainMessage(address, password),
                          .client_address = "192.0.2.200"};
  const absl::StatusOr<store::LoginStep> step = impl_->Await(login->Begin(start, std::nullopt));
  return std::holds_alternative<store::LoggedIn>(ValueOf(step, address));
}

MessageId FakeStore::AddMessage(const std::string& address, const std::string& content,
                                const std::string& unique_id, const std::string& reverse_path) {
  const AccountId account = Account(address).id;
  engine::NewMessage message;
  message.delivery_scope = "test";
  message.envelope.delivery_id = RandomId(26);
  message.envelope.reverse_path = reverse_path;
  message.envelope.recipients.push_back({.address = address});
  engine::NewCopy copy;
  copy.account = account;
  copy.recipients = {0};
  if (!unique_id.empty()) copy.unique_id = unique_id;
  message.copies.push_back(std::move(copy));
  message.sha256 = stored::Sha256(content);
  message.fingerprint = message.sha256;
  message.deliver_time = impl_->clock.Now();
  engine::Content bytes;
  bytes.whole = content;
  ValueOf(impl_->Do(impl_->memory->messages().Append(std::move(message), std::move(bytes), {})), address);
  // Behind the last one that was added.
  MessageId& last = impl_->last_added[account];
  last = ValueOf(impl_->Do(impl_->memory->messages().List(account, last, kAll)), address).back().id;
  return last;
}

void FakeStore::RemoveMessages(const std::string& address, std::vector<MessageId> messages) {
  ValueOf(impl_->Do(impl_->memory->messages().Delete(Account(address).id, std::move(messages))), address);
}

void FakeStore::DamageMessage(const std::string& address, MessageId message) {
  impl_->kept->Damage(Account(address).id, message);
}

std::vector<engine::MessageSummary> FakeStore::List(const std::string& address) {
  return ValueOf(impl_->Do(impl_->memory->messages().List(Account(address).id, MessageId{}, kAll)), address);
}

std::vector<std::string> FakeStore::Messages(const std::string& address) {
  const AccountId account = Account(address).id;
  std::vector<std::string> messages;
  for (const engine::MessageSummary& message : List(address)) {
    messages.push_back(ValueOf(impl_->Do(ReadWhole(impl_->memory->messages(), account, message.id)), address));
  }
  return messages;
}

bool FakeStore::IsLocked(const std::string& address) {
  return impl_->Do(impl_->memory->maildrops().FindLock(Account(address).id)).ok();
}

std::vector<engine::LeaseInfo> FakeStore::Leases() {
  return ValueOf(impl_->Do(impl_->memory->upkeep().Status()), "status").leases;
}

}  // namespace mailstead::test
