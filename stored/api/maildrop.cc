#include "stored/api/maildrop.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/limits.h"
#include "stored/api/convert/maildrop.h"
#include "stored/api/convert/values.h"
#include "stored/api/retention.h"
#include "stored/api/send_message.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

absl::Status CheckGiven(const std::string& grant) {
  return grant.empty() ? FieldError("grant", "must be set") : absl::OkStatus();
}

// A lock is held in the name of a session, that which logged in.
absl::Status CheckSession(const rpc::Call& call, const Grant& grant) {
  if (call.session_id() == grant.session_id) return absl::OkStatus();
  return WithReason(absl::PermissionDeniedError("the grant is of another session"), kReasonGrantInvalid);
}

// Whose maildrop it is, of a call that the engine refuses to sessions that do not hold the lock: the grant
// may be old, but its login must not have ended.
Task<absl::StatusOr<AccountId>> LockedAccount(Environment& environment, const rpc::Call& call,
                                              const std::string& grant) {
  CO_RETURN_IF_ERROR(CheckGiven(grant));
  CO_ASSIGN_OR_RETURN(const Grant good,
                      co_await environment.core.grants.CheckLogin(GrantUse::kMaildrop, grant));
  CO_RETURN_IF_ERROR(CheckSession(call, good));
  co_return good.account;
}

absl::StatusOr<size_t> PageSizeOf(const v1::ListMaildropRequest& request) {
  if (request.page_size() < 0) return FieldError("page_size", "must not be negative");
  if (request.page_size() == 0) return store::kMaildropPageEntries;
  return std::min(static_cast<size_t>(request.page_size()), store::kMaxMaildropPageEntries);
}

void LogOpen(const rpc::Call& call, AccountId account, const absl::StatusOr<engine::OpenedMaildrop>& opened) {
  if (!opened.ok()) {
    obs::LogInfo("maildrop_refused", {{"session", call.session_id()},
                                      {"trace", call.trace_id()},
                                      {"mailbox", account.value},
                                      {"error", opened.status().ToString()}});
    return;
  }
  obs::LogInfo("maildrop_opened", {{"session", call.session_id()},
                                   {"trace", call.trace_id()},
                                   {"mailbox", account.value},
                                   {"token", opened->token.value},
                                   {"messages", opened->entries.size()},
                                   {"since_known", opened->since_known_version}});
}

// Those that fit in a line.
std::string FirstOf(const google::protobuf::RepeatedField<int64_t>& ids) {
  constexpr int kMaxLogged = 50;
  std::string text = absl::StrJoin(ids.begin(), ids.begin() + std::min(ids.size(), kMaxLogged), ",");
  if (ids.size() > kMaxLogged) text += ",...";
  return text;
}

void LogCommit(Environment& environment, const rpc::Call& call, AccountId account, engine::LockToken token,
               const v1::CommitMaildropRequest& request,
               const absl::StatusOr<engine::CommittedMaildrop>& committed) {
  if (!committed.ok()) {
    obs::LogWarning("maildrop_commit_refused", {{"session", call.session_id()},
                                                {"trace", call.trace_id()},
                                                {"mailbox", account.value},
                                                {"token", token.value},
                                                {"error", committed.status().ToString()}});
    return;
  }
  environment.counter.CountCommit(committed->deleted_count);
  obs::LogInfo("maildrop_committed",
               {{"session", call.session_id()},
                {"trace", call.trace_id()},
                {"mailbox", account.value},
                {"token", token.value},
                {"deleted", committed->deleted_count},
                {"messages", FirstOf(request.message_ids())},
                {"duration_ms", obs::Milliseconds(environment.core.clock.Now() - call.began())}});
}

}  // namespace

Task<absl::Status> OpenFor(Environment& environment, rpc::Call& call, AccountId account,
                           const v1::OpenMaildropRequest& request, const std::string& client_address,
                           v1::OpenMaildropResponse& response) {
  if (call.session_id().empty())
    co_return FieldError("session_id", "must be set: a lock is held in its name");
  CO_RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  CO_RETURN_IF_ERROR(CheckLogText("client_address", client_address));
  engine::OpenRequest open;
  CO_ASSIGN_OR_RETURN(open.min_interval, FromProto("min_interval", request.min_interval()));
  open.account = account;
  open.session_id = call.session_id();
  open.lease_id = request.lease_id();
  open.known_version = request.known_version();
  open.page_limit = store::kMaildropPageEntries;
  open.client_address = client_address;
  CO_ASSIGN_OR_RETURN(const absl::Duration retention, co_await LeastRetention(environment.core, account));
  std::function<absl::Status()> still_wanted = [&call] { return call.StillWanted(); };
  const auto opened = co_await environment.core.maildrops.Open(std::move(open), std::move(still_wanted));
  LogOpen(call, account, opened);
  if (!opened.ok()) co_return opened.status();
  ToProto(*opened, response);
  if (retention > absl::ZeroDuration()) ToProto(retention, *response.mutable_retention());
  co_return absl::OkStatus();
}

Task<absl::Status> OpenMaildrop(Environment& environment, rpc::Call& call,
                                const v1::OpenMaildropRequest& request, v1::OpenMaildropResponse& response) {
  CO_RETURN_IF_ERROR(CheckGiven(request.grant()));
  CO_ASSIGN_OR_RETURN(const Grant grant, co_await environment.core.grants.Check(request.grant()));
  CO_RETURN_IF_ERROR(CheckSession(call, grant));
  co_return co_await OpenFor(environment, call, grant.account, request, request.client_address(), response);
}

Task<absl::Status> ListMaildrop(Environment& environment, rpc::Call& call,
                                const v1::ListMaildropRequest& request, v1::ListMaildropResponse& response) {
  CO_ASSIGN_OR_RETURN(const MaildropPosition from, ReadPosition(request.page_token()));
  CO_ASSIGN_OR_RETURN(const size_t page_size, PageSizeOf(request));
  CO_ASSIGN_OR_RETURN(const AccountId account, co_await LockedAccount(environment, call, request.grant()));
  // One more than a page tells whether there is another.
  CO_ASSIGN_OR_RETURN(std::vector<engine::MaildropEntry> entries,
                      co_await environment.core.maildrops.List(account, call.session_id(), from.after,
                                                               from.last, page_size + 1));
  if (entries.size() > page_size) {
    entries.pop_back();
    response.set_next_page_token(MakePosition({entries.back().id, from.last}));
  }
  ToProto(entries, *response.mutable_entries());
  co_return absl::OkStatus();
}

Task<absl::Status> FetchFromMaildrop(Environment& environment, rpc::Call& call,
                                     const v1::FetchMessageRequest& request,
                                     rpc::Writer<v1::FetchMessageResponse>& pieces) {
  if (request.message_id() < 1) co_return FieldError("message_id", "must be set");
  CO_RETURN_IF_ERROR(CheckGiven(request.grant()));
  CO_ASSIGN_OR_RETURN(const Grant grant, co_await environment.core.grants.Check(request.grant()));
  const auto introduce = [](const engine::MessageReader& reader, v1::FetchMessageResponse& first) {
    first.set_delivery_id(reader.delivery_id());
  };
  co_return co_await SendMessage(environment, call, grant.account, MessageId{request.message_id()}, 0, 0,
                                 introduce, pieces);
}

Task<absl::Status> CommitMaildrop(Environment& environment, rpc::Call& call,
                                  const v1::CommitMaildropRequest& request,
                                  v1::CommitMaildropResponse& response) {
  engine::CommitRequest commit;
  CO_ASSIGN_OR_RETURN(const engine::LockToken token, ReadLockToken(request.token()));
  if (static_cast<size_t>(request.message_ids_size()) > store::kMaxCommitDeletions) {
    co_return FieldError("message_ids", absl::StrCat("must be at most ", store::kMaxCommitDeletions));
  }
  CO_ASSIGN_OR_RETURN(commit.deletions, MessageIds("message_ids", request.message_ids()));
  CO_ASSIGN_OR_RETURN(const AccountId account, co_await LockedAccount(environment, call, request.grant()));
  commit.account = account;
  commit.session_id = call.session_id();
  commit.token = token;
  const auto committed = co_await environment.core.maildrops.Commit(std::move(commit));
  LogCommit(environment, call, account, token, request, committed);
  if (!committed.ok()) co_return committed.status();
  response.set_deleted_count(committed->deleted_count);
  response.set_version(committed->version);
  co_return absl::OkStatus();
}

Task<absl::Status> ReleaseMaildrop(Environment& environment, rpc::Call& call,
                                   const v1::ReleaseMaildropRequest& request, v1::ReleaseMaildropResponse&) {
  CO_RETURN_IF_ERROR(CheckGiven(request.grant()));
  // Whoever may do nothing more may still leave.
  CO_ASSIGN_OR_RETURN(const Grant grant, environment.core.grants.Read(request.grant()));
  CO_RETURN_IF_ERROR(CheckSession(call, grant));
  co_return co_await environment.core.maildrops.Release(grant.account, call.session_id());
}

}  // namespace mailstead::stored
