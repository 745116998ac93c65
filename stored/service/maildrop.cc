#include "stored/service/maildrop.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/service/convert.h"
#include "stored/service/environment.h"

namespace mailstead::store {
namespace {

constexpr absl::Duration kMinLeaseTtl = absl::Seconds(1);
constexpr absl::Duration kMaxLeaseTtl = absl::Seconds(60);

template <typename Request>
absl::Status CheckLocked(const Request& request) {
  if (request.mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
  if (request.token() == 0) return FieldError("token", "must be set");
  return absl::OkStatus();
}

// Those that fit in a line.
std::string FirstOf(const google::protobuf::RepeatedField<uint64_t>& ids) {
  constexpr int kMaxLogged = 50;
  std::string text = absl::StrJoin(ids.begin(), ids.begin() + std::min(ids.size(), kMaxLogged), ",");
  if (ids.size() > kMaxLogged) text += ",...";
  return text;
}

}  // namespace

absl::StatusOr<absl::Duration> CheckOpen(const v1::OpenMaildropRequest& request) {
  if (request.mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
  RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  RETURN_IF_ERROR(CheckLogText("session_id", request.session_id()));
  return FromProto("min_interval", request.min_interval());
}

absl::Status CheckCommit(const v1::CommitMaildropRequest& request) {
  RETURN_IF_ERROR(CheckLocked(request));
  if (static_cast<size_t>(request.message_ids_size()) > kMaxCommitDeletions) {
    return FieldError("message_ids", absl::StrCat("must be at most ", kMaxCommitDeletions));
  }
  return CheckLogText("session_id", request.session_id());
}

absl::Status CheckRelease(const v1::ReleaseMaildropRequest& request) { return CheckLocked(request); }

absl::Status CheckFetch(const v1::FetchMessageRequest& request) {
  if (request.mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
  if (request.message_id() == 0) return FieldError("message_id", "must be set");
  return absl::OkStatus();
}

absl::Status RenewLease(Engine& engine, const v1::RenewLeaseRequest& request) {
  RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  RETURN_IF_ERROR(CheckLogText("holder", request.holder()));
  ASSIGN_OR_RETURN(const absl::Duration ttl, FromProto("ttl", request.ttl()));
  if (ttl < kMinLeaseTtl || ttl > kMaxLeaseTtl) return FieldError("ttl", "must be 1 to 60 seconds");
  return engine.RenewLease(request.lease_id(), request.holder(), ttl);
}

absl::Status EndLease(Engine& engine, const v1::EndLeaseRequest& request) {
  RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  return engine.EndLease(request.lease_id());
}

std::vector<MessageId> ToMessageIds(const google::protobuf::RepeatedField<uint64_t>& ids) {
  std::vector<MessageId> result;
  result.reserve(ids.size());
  for (const uint64_t id : ids) result.push_back(MessageId{id});
  return result;
}

void FillListing(const Maildrop& maildrop, size_t& next, v1::OpenMaildropResponse& response) {
  if (next == 0) response.set_token(maildrop.token.value);
  const size_t end = std::min(next + kMessagesPerResponse, maildrop.messages.size());
  response.mutable_messages()->Reserve(static_cast<int>(end - next));
  for (; next < end; ++next) ToListing(maildrop.messages[next], *response.add_messages());
}

void LogOpen(const v1::OpenMaildropRequest& request, const absl::StatusOr<Maildrop>& maildrop) {
  if (!maildrop.ok()) {
    obs::LogInfo("maildrop_refused", {{"session", request.session_id()},
                                      {"mailbox", request.mailbox_id()},
                                      {"error", maildrop.status().ToString()}});
    return;
  }
  obs::LogInfo("maildrop_opened", {{"session", request.session_id()},
                                   {"mailbox", request.mailbox_id()},
                                   {"token", maildrop->token.value},
                                   {"messages", maildrop->messages.size()}});
}

void LogCommit(Environment& environment, const v1::CommitMaildropRequest& request,
               const absl::Status& committed, absl::Duration took) {
  if (!committed.ok()) {
    obs::LogWarning("maildrop_commit_refused", {{"session", request.session_id()},
                                                {"mailbox", request.mailbox_id()},
                                                {"token", request.token()},
                                                {"error", committed.ToString()}});
    return;
  }
  environment.metrics.CountCommit(request.message_ids_size());
  obs::LogInfo("maildrop_committed",
               {{"session", request.session_id()},
                {"mailbox", request.mailbox_id()},
                {"token", request.token()},
                {"deleted", request.message_ids_size()},
                {"messages", FirstOf(request.message_ids())},
                {"duration", absl::FormatDuration(absl::Trunc(took, absl::Microseconds(1)))}});
}

void LogFetch(const v1::FetchMessageRequest& request, const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return;
  obs::LogError(
      "message_damaged",
      {{"mailbox", request.mailbox_id()}, {"message", request.message_id()}, {"error", status.ToString()}});
}

}  // namespace mailstead::store
