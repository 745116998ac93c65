// Deletes messages: those that are named, those that a filter finds, or all. And brings them back from the trash.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/message_filter.h"
#include "stored/api/convert/values.h"
#include "stored/api/looking.h"
#include "stored/api/message.h"
#include "stored/api/visible.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/paging.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

using Request = v1::DeleteMessagesRequest;
using Response = v1::DeleteMessagesResponse;

// What is wanted of one that names no ids; FieldError.
absl::StatusOr<engine::MessageSearch> SearchOf(const Request& request) {
  // Of a newer client: without what it asks for, more would go than it means.
  if (!request.filter().GetReflection()->GetUnknownFields(request.filter()).empty()) {
    return FieldError("filter", "asks for something that this store does not know");
  }
  engine::MessageSearch search;
  ASSIGN_OR_RETURN(search.filter, FromProto(request.filter()));
  search.after = MessageId{request.filter().after_message_id()};
  const bool asks_for_all = search.filter == engine::MessageFilter() && search.after.value == 0;
  if (request.has_filter() && asks_for_all) {
    return FieldError("filter", "must say which messages; to delete every message set all in its place");
  }
  return search;
}

// One of message_ids, filter and all. FieldError.
absl::Status CheckWay(const Request& request) {
  const bool has_ids = !request.message_ids().empty();
  const bool looks = request.has_filter() || request.all();
  if (request.has_filter() && request.all()) return FieldError("all", "must not stand beside filter");
  if (has_ids && looks) return FieldError("message_ids", "must not stand beside filter or all");
  if (looks) return absl::OkStatus();
  if (request.dry_run()) return FieldError("dry_run", "must stand beside filter or all");
  if (!request.page_token().empty()) return FieldError("page_token", "must stand beside filter or all");
  if (!has_ids || request.message_ids_size() > static_cast<int>(kMaxDeleteMessages)) {
    return FieldError("message_ids", "must be 1 to 10000");
  }
  return absl::OkStatus();
}

// What a page token is of. Message ids of another incarnation may name other messages.
std::string DeletionOf(Environment& environment, AccountId account, const Request& request) {
  return absl::StrCat("delete/", environment.core.engine.upkeep().Incarnation(), "/", account.value, "/",
                      request.dry_run() ? "dry" : "done", "/",
                      request.all() ? "all" : Sha256(request.filter().SerializeAsString()));
}

// The number behind the newest message that is there.
Task<absl::StatusOr<MessageId>> EndOf(Environment& environment, AccountId account) {
  engine::MessageSearch newest;
  newest.newest_first = true;
  CO_ASSIGN_OR_RETURN(const engine::FoundMessages found,
                      co_await environment.core.engine.messages().Search(account, std::move(newest)));
  co_return MessageId{found.last.value + 1};
}

// Where the call goes on: behind `after` and before `before`, where the mailbox ended when the first call came.
absl::Status ReadPlace(absl::string_view place, engine::MessageSearch& search) {
  const std::vector<std::string> numbers = absl::StrSplit(place, '/');
  if (numbers.size() == 2 && absl::SimpleAtoi(numbers[0], &search.after.value) &&
      absl::SimpleAtoi(numbers[1], &search.before.value) && search.after.value >= 1 &&
      search.before > search.after) {
    return absl::OkStatus();
  }
  return FieldError("page_token", "must be the next_page_token of the answer before");
}

Task<absl::Status> DeleteNamed(Environment& environment, const Request& request, AccountId account,
                               Response& response) {
  CO_ASSIGN_OR_RETURN(std::vector<MessageId> messages, MessageIds("message_ids", request.message_ids()));
  CO_ASSIGN_OR_RETURN(const engine::DeletedMessages deleted,
                      co_await environment.core.engine.messages().Delete(account, std::move(messages)));
  response.set_deleted_count(deleted.count);
  for (const MessageId message : deleted.missing) response.add_missing_message_ids(message.value);
  co_return absl::OkStatus();
}

Task<absl::Status> DeleteFound(Environment& environment, const rpc::Call& call, const Request& request,
                               AccountId account, engine::MessageSearch search, Response& response) {
  const std::string deletion = DeletionOf(environment, account, request);
  CO_ASSIGN_OR_RETURN(const std::string place, ReadPageToken(deletion, request.page_token()));
  if (place.empty()) {
    CO_ASSIGN_OR_RETURN(search.before, co_await EndOf(environment, account));
  } else {
    CO_RETURN_IF_ERROR(ReadPlace(place, search));
  }
  const MessageId end = search.before;
  Looking looking(environment, call, account, std::move(search));
  std::vector<MessageId> found;
  while (!looking.done() && !looking.enough() && found.size() < kMaxDeleteMessages) {
    const size_t limit = std::min(kPageStepItems, kMaxDeleteMessages - found.size());
    CO_ASSIGN_OR_RETURN(const std::vector<engine::MessageSummary> step, co_await looking.Step(limit));
    for (const engine::MessageSummary& message : step) found.push_back(message.id);
  }
  engine::DeletedMessages deleted;
  if (!request.dry_run() && !found.empty()) {
    std::vector<MessageId> messages = found;
    CO_ASSIGN_OR_RETURN(deleted,
                        co_await environment.core.engine.messages().Delete(account, std::move(messages)));
  }
  for (const MessageId message : found) {
    // Others have deleted it meanwhile.
    if (std::binary_search(deleted.missing.begin(), deleted.missing.end(), message)) continue;
    response.add_deleted_message_ids(message.value);
  }
  response.set_deleted_count(response.deleted_message_ids_size());
  if (!looking.done()) {
    response.set_next_page_token(MakePageToken(deletion, absl::StrCat(looking.last().value, "/", end.value)));
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::Status> DeleteMessages(Environment& environment, rpc::Call& call, const Request& request,
                                  Response& response) {
  const bool looks = request.has_filter() || request.all();
  // For the audit.
  std::string what = absl::StrCat(request.message_ids_size(), " messages");
  if (looks) what = absl::StrCat(request.all() ? "all" : "found", " messages");
  if (request.dry_run()) what = absl::StrCat("dry run of ", what);
  call.SetTarget(absl::StrCat(what, " of account ", request.account()));
  CO_RETURN_IF_ERROR(CheckWay(request));
  CO_ASSIGN_OR_RETURN(engine::MessageSearch search, SearchOf(request));
  // What it tells of without deleting it has been read.
  if (request.dry_run()) CO_RETURN_IF_ERROR(CheckScope(call, kMailRead));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  const std::string whose = absl::StrCat(" of account ", account.id.value, " ", account.address);
  call.SetTarget(what + whose);
  if (!looks) co_return co_await DeleteNamed(environment, request, account.id, response);
  CO_RETURN_IF_ERROR(
      co_await DeleteFound(environment, call, request, account.id, std::move(search), response));
  call.SetTarget(absl::StrCat(response.deleted_count(), " of ", what, whose));
  co_return absl::OkStatus();
}

Task<absl::Status> RestoreMessages(Environment& environment, rpc::Call& call,
                                   const v1::RestoreMessagesRequest& request,
                                   v1::RestoreMessagesResponse& response) {
  const size_t count = request.message_ids_size();
  call.SetTarget(absl::StrCat(count, " messages of account ", request.account()));
  if (count == 0 || count > engine::kMaxRestoredAtOnce)
    co_return FieldError("message_ids", "must be 1 to 1000");
  CO_ASSIGN_OR_RETURN(std::vector<MessageId> messages, MessageIds("message_ids", request.message_ids()));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  call.SetTarget(absl::StrCat(count, " messages of account ", account.id.value, " ", account.address));
  CO_ASSIGN_OR_RETURN(const engine::RestoredMessages restored,
                      co_await environment.core.engine.messages().Restore(account.id, std::move(messages)));
  environment.counter.CountRestored(restored.count);
  response.set_restored_count(restored.count);
  for (const MessageId message : restored.missing) response.add_missing_message_ids(message.value);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
