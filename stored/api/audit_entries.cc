#include "stored/api/audit_entries.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/core/audit_trail.h"
#include "stored/core/limits.h"
#include "stored/core/paging.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

constexpr size_t kMaxFilterBytes = 512;

absl::Status CheckFilter(absl::string_view field, absl::string_view text) {
  return text.size() <= kMaxFilterBytes ? absl::OkStatus() : FieldError(field, "must have at most 512 bytes");
}

// A page of one filter does not go on with another.
std::string ListingOf(const v1::ListAuditEntriesRequest& request) {
  return absl::StrCat("audit/", request.actor(), "/", request.action(), "/", request.target(), "/",
                      request.since_time().seconds(), "/", request.until_time().seconds());
}

// A number for each kind, in the order of the kinds.
std::string TextOf(const AuditPosition& position) {
  std::string text;
  for (const auto& [kind, number] : position) absl::StrAppend(&text, text.empty() ? "" : ",", number);
  return text;
}

absl::StatusOr<AuditPosition> PositionOf(absl::string_view text) {
  AuditPosition position;
  if (text.empty()) return position;
  const std::vector<absl::string_view> numbers = absl::StrSplit(text, ',');
  size_t i = 0;
  for (const engine::AuditKind kind : engine::kAuditKinds) {
    if (i >= numbers.size() || !absl::SimpleAtoi(numbers[i++], &position[kind]) || position[kind] < 0) {
      return FieldError("page_token", "must be the next_page_token of the page before");
    }
  }
  return position;
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void ToProto(const engine::AuditEntry& entry, v1::AuditEntry& proto) {
  stored::ToProto(entry.time, *proto.mutable_time());
  proto.set_actor(entry.actor);
  proto.set_peer(entry.peer);
  proto.set_action(entry.action);
  proto.set_target(entry.target);
  proto.set_result(entry.result);
  proto.set_session_id(entry.session_id);
  proto.set_call_count(entry.call_count);
}

}  // namespace

Task<absl::Status> ListAuditEntries(Environment& environment, rpc::Call&,
                                    const v1::ListAuditEntriesRequest& request,
                                    v1::ListAuditEntriesResponse& response) {
  CO_RETURN_IF_ERROR(CheckFilter("actor", request.actor()));
  CO_RETURN_IF_ERROR(CheckFilter("action", request.action()));
  CO_RETURN_IF_ERROR(CheckFilter("target", request.target()));
  AuditFilter filter{request.actor(), request.action(), request.target()};
  if (request.has_since_time()) filter.since = TimeOf(request.since_time());
  if (request.has_until_time()) filter.until = TimeOf(request.until_time());
  CO_ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size()));
  const std::string listing = ListingOf(request);
  CO_ASSIGN_OR_RETURN(const std::string token, ReadPageToken(listing, request.page_token()));
  CO_ASSIGN_OR_RETURN(AuditPosition behind, PositionOf(token));
  CO_ASSIGN_OR_RETURN(const AuditPage page,
                      co_await environment.core.audit.List(std::move(filter), std::move(behind), page_size));
  for (const engine::AuditEntry& entry : page.entries) ToProto(entry, *response.add_entries());
  if (page.more) response.set_next_page_token(MakePageToken(listing, TextOf(page.next)));
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
