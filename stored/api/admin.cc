#include "stored/api/admin.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/api/convert/admin.h"
#include "stored/api/convert/values.h"
#include "stored/api/visible.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/offload.h"
#include "stored/core/paging.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// Each reads the disk as fast as it can.
constexpr int kMaxVerifications = 4;
constexpr absl::Duration kProgressPeriod = absl::Seconds(5);

// Counts itself among those that run.
class RunningVerification {
 public:
  explicit RunningVerification(Environment& environment) : environment_(environment) {
    ++environment_.verifications;
  }
  ~RunningVerification() { --environment_.verifications; }
  RunningVerification(const RunningVerification&) = delete;
  RunningVerification& operator=(const RunningVerification&) = delete;

 private:
  Environment& environment_;
};

// One step after another until all has been read. Stops between two of them when the caller has gone.
Task<absl::Status> Verify(Environment& environment, rpc::Call& call, AccountId account,
                          rpc::Writer<v1::VerifyMessagesResponse>& findings,
                          v1::VerifyMessagesResponse::Summary& summary) {
  absl::Time next_progress = environment.core.clock.Now() + kProgressPeriod;
  std::optional<engine::VerifyCursor> cursor = engine::VerifyCursor();
  while (cursor.has_value()) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    CO_ASSIGN_OR_RETURN(const engine::VerifyStep step,
                        co_await environment.core.engine.upkeep().Verify(account, *cursor));
    cursor = step.next;
    summary.set_checked_count(summary.checked_count() + step.checked_count);
    for (const engine::VerifyStep::Damage& damage : step.damaged) {
      summary.set_damaged_count(summary.damaged_count() + 1);
      obs::LogError("message_damaged", {{"mailbox", damage.account.value},
                                        {"message", damage.message.value},
                                        {"error", damage.error.ToString()}});
      v1::VerifyMessagesResponse response;
      ToProto(damage, *response.mutable_damage());
      CO_RETURN_IF_ERROR(co_await findings.Write(response));
    }
    if (environment.core.clock.Now() < next_progress) continue;
    next_progress = environment.core.clock.Now() + kProgressPeriod;
    v1::VerifyMessagesResponse response;
    response.mutable_progress()->set_checked_count(summary.checked_count());
    CO_RETURN_IF_ERROR(co_await findings.Write(response));
  }
  co_return absl::OkStatus();
}

constexpr absl::string_view kSessionsListing = "sessions";
constexpr absl::string_view kLockoutsListing = "lockouts";

// What a session holds, beside some numbers and times; its address and holder are found when the page is whole.
size_t SizeOf(const engine::LockInfo& lock) {
  return sizeof(lock) + lock.session_id.size() + lock.lease_id.size() + lock.client_address.size() +
         kMaxPathBytes + kMaxLogTextBytes;
}

// Of those that hold a maildrop, the ones that the caller sees: all are looked at until there are enough.
Task<absl::StatusOr<std::vector<engine::LockInfo>>> ListSeenLocks(Environment& environment,
                                                                  const rpc::Call& call, AccountId behind,
                                                                  size_t limit) {
  std::vector<engine::LockInfo> seen;
  while (true) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    CO_ASSIGN_OR_RETURN(std::vector<engine::LockInfo> locks,
                        co_await environment.core.maildrops.ListLocks(behind, kPageStepItems));
    for (engine::LockInfo& lock : locks) {
      behind = lock.account;
      CO_ASSIGN_OR_RETURN(const bool sees, co_await SeesAccountOf(environment, call, lock.account));
      if (sees) seen.push_back(std::move(lock));
      if (seen.size() == limit) co_return seen;
    }
    if (locks.size() < kPageStepItems) co_return seen;
  }
}

// Those that hold a maildrop, behind the page before.
Task<absl::StatusOr<Gathered<engine::LockInfo>>> GatherSessions(Environment& environment,
                                                                const rpc::Call& call,
                                                                const v1::ListSessionsRequest& request) {
  CO_ASSIGN_OR_RETURN(PageStart start, ReadPage(kSessionsListing, request.page_size(), request.page_token()));
  AccountId after;
  if (!start.after.empty() && !absl::SimpleAtoi(start.after, &after.value)) {
    co_return FieldError("page_token", "must be the next_page_token of the page before");
  }
  const auto list = [&environment, &call](AccountId behind, size_t limit) {
    return SeesAll(call) ? environment.core.maildrops.ListLocks(behind, limit)
                         : ListSeenLocks(environment, call, behind, limit);
  };
  const auto key = [](const engine::LockInfo& lock) { return lock.account; };
  co_return co_await Gather<engine::LockInfo>(after, start.size, list, key, SizeOf);
}

// The one that holds this account's maildrop, if there is one.
Task<absl::StatusOr<Gathered<engine::LockInfo>>> FindSession(Environment& environment, const rpc::Call& call,
                                                             const std::string& account) {
  CO_ASSIGN_OR_RETURN(const engine::Account found, co_await FindAccount(environment, call, account));
  absl::StatusOr<engine::LockInfo> lock = co_await environment.core.maildrops.FindLock(found.id);
  Gathered<engine::LockInfo> page;
  if (absl::IsNotFound(lock.status())) co_return page;
  if (!lock.ok()) co_return std::move(lock).status();
  page.items.push_back(*std::move(lock));
  co_return page;
}

}  // namespace

Task<absl::Status> GetStatus(Environment& environment, rpc::Call&, const v1::GetStatusRequest&,
                             v1::GetStatusResponse& response) {
  engine::UpkeepEngine& upkeep = environment.core.engine.upkeep();
  CO_ASSIGN_OR_RETURN(const engine::EngineStatus status, co_await upkeep.Status());
  ToProto(status, response);
  const absl::Status health = upkeep.Health();
  response.set_health(health.ok() ? v1::HEALTH_SERVING : v1::HEALTH_FAILING);
  if (!health.ok()) response.set_health_detail(health.ToString());
  response.set_version(environment.version);
  ToProto(environment.start_time, *response.mutable_start_time());
  co_return absl::OkStatus();
}

Task<absl::Status> VerifyMessages(Environment& environment, rpc::Call& call,
                                  const v1::VerifyMessagesRequest& request,
                                  rpc::Writer<v1::VerifyMessagesResponse>& findings) {
  AccountId account;
  if (!request.account().empty()) {
    CO_ASSIGN_OR_RETURN(const engine::Account found,
                        co_await FindAccount(environment, call, request.account()));
    account = found.id;
  } else {
    CO_RETURN_IF_ERROR(CheckSeesAll(call, "messages of all accounts"));
  }
  if (environment.verifications >= kMaxVerifications) {
    co_return WithReason(absl::ResourceExhaustedError("other verifications are running"), kReasonBusy);
  }
  const RunningVerification running(environment);
  v1::VerifyMessagesResponse last;
  CO_RETURN_IF_ERROR(co_await Verify(environment, call, account, findings, *last.mutable_summary()));
  co_return co_await findings.WriteLast(last);
}

Task<absl::Status> ListSessions(Environment& environment, rpc::Call& call,
                                const v1::ListSessionsRequest& request, v1::ListSessionsResponse& response) {
  absl::StatusOr<Gathered<engine::LockInfo>> page;
  if (request.account().empty()) {
    page = co_await GatherSessions(environment, call, request);
  } else {
    page = co_await FindSession(environment, call, request.account());
  }
  if (!page.ok()) co_return std::move(page).status();
  for (const engine::LockInfo& lock : page->items) {
    const auto account = co_await environment.core.engine.directory().FindAccount(lock.account);
    // It has gone meanwhile, and the session with it.
    if (absl::IsNotFound(account.status())) continue;
    if (!account.ok()) co_return account.status();
    v1::Session& session = *response.add_sessions();
    ToProto(lock, session);
    session.set_address(account->address);
    session.set_holder(environment.core.engine.leases().HolderOf(lock.lease_id));
  }
  if (page->more) {
    response.set_next_page_token(
        MakePageToken(kSessionsListing, absl::StrCat(page->items.back().account.value)));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> EndSession(Environment& environment, rpc::Call& call, const v1::EndSessionRequest& request,
                              v1::EndSessionResponse& response) {
  call.SetTarget(absl::StrCat("session of account ", request.account()));
  CO_RETURN_IF_ERROR(CheckLogText("session_id", request.session_id()));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  call.SetTarget(absl::StrCat("session of account ", account.id.value, " ", account.address));
  CO_ASSIGN_OR_RETURN(const engine::LockInfo ended,
                      co_await environment.core.maildrops.End(account.id, request.session_id()));
  call.SetTarget(
      absl::StrCat("session ", ended.session_id, " of account ", account.id.value, " ", account.address));
  environment.core.grants.EndSession(account.id, ended.session_id);
  environment.core.login_changes.Note(account.id);
  ToProto(ended, *response.mutable_session());
  response.mutable_session()->set_address(account.address);
  co_return absl::OkStatus();
}

Task<absl::Status> ListLockouts(Environment& environment, rpc::Call&, const v1::ListLockoutsRequest& request,
                                v1::ListLockoutsResponse& response) {
  CO_ASSIGN_OR_RETURN(PageStart start, ReadPage(kLockoutsListing, request.page_size(), request.page_token()));
  // All of a page at once, and by another thread, since every count is looked at; each item is small.
  const auto list = [&] { return environment.core.throttle.List(start.after, start.size + 1); };
  CO_ASSIGN_OR_RETURN(std::vector<Lockout> lockouts,
                      co_await Offload(environment.core.hash_pool, environment.core.executor, list));
  if (lockouts.size() > start.size) {
    lockouts.pop_back();
    response.set_next_page_token(MakePageToken(kLockoutsListing, KeyOf(lockouts.back())));
  }
  for (const Lockout& lockout : lockouts) ToProto(lockout, *response.add_lockouts());
  co_return absl::OkStatus();
}

Task<absl::Status> ClearLockouts(Environment& environment, rpc::Call& call,
                                 const v1::ClearLockoutsRequest& request,
                                 v1::ClearLockoutsResponse& response) {
  const std::string account = AccountKey(request.account());
  if (account.empty() && request.network().empty()) {
    co_return FieldError("account", "must be set, or network");
  }
  std::string network;
  if (!request.network().empty()) {
    CO_ASSIGN_OR_RETURN(network, NamedNetwork("network", request.network()));
  }
  const std::string whose = absl::StrCat(account, account.empty() || network.empty() ? "" : " in ", network);
  call.SetTarget(absl::StrCat("lockouts of ", whose));
  const auto clear = [&] { return environment.core.throttle.Clear(account, network); };
  CO_ASSIGN_OR_RETURN(const ClearedLockouts cleared,
                      co_await Offload(environment.core.hash_pool, environment.core.executor, clear));
  if (cleared.count == 0) {
    co_return WithReason(absl::NotFoundError(absl::StrCat("no wrong passwords are counted for ", whose)),
                         kReasonLockoutNotFound);
  }
  response.set_lockout_count(cleared.locked_out_count);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
