// One message, several by their ids, or those of a mailbox that are wanted, in pages.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/message_filter.h"
#include "stored/api/convert/values.h"
#include "stored/api/looking.h"
#include "stored/api/message.h"
#include "stored/api/message_view.h"
#include "stored/api/visible.h"
#include "stored/api/watched.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/paging.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// What a page token is of. Message ids of another incarnation may name other messages.
std::string ListingOf(Environment& environment, AccountId account, const v1::ListMessagesRequest& request,
                      bool newest_first) {
  return absl::StrCat("messages/", environment.core.engine.upkeep().Incarnation(), "/", account.value, "/",
                      newest_first ? "newest" : "oldest", request.in_trash() ? "/trash/" : "/",
                      Sha256(request.filter().SerializeAsString()));
}

// Gathers one page.
class PageReader {
 public:
  PageReader(Environment& environment, const rpc::Call& call, AccountId account, engine::MessageSearch search,
             MessageViewOptions view, size_t page_size, v1::ListMessagesResponse& page)
      : environment_(environment),
        call_(call),
        account_(account),
        looking_(environment, call, account, std::move(search)),
        view_(view),
        page_size_(page_size),
        page_(page) {}

  // Until the page is full, or all was looked at, or enough.
  Task<absl::Status> Read() {
    while (!full_ && !looking_.done()) {
      // One more than is asked for tells whether there is another.
      const size_t limit =
          std::min(kPageStepItems, page_size_ + 1 - static_cast<size_t>(page_.messages_size()));
      CO_ASSIGN_OR_RETURN(std::vector<engine::MessageSummary> found, co_await looking_.Step(limit));
      for (engine::MessageSummary& message : found) {
        CO_RETURN_IF_ERROR(co_await Take(std::move(message)));
        if (full_) co_return absl::OkStatus();
      }
      last_ = looking_.last();
      full_ = looking_.enough();
    }
    co_return absl::OkStatus();
  }
  // There is, or may be, more behind last().
  bool more() const { return full_; }
  MessageId last() const { return last_; }

 private:
  Task<absl::Status> Take(engine::MessageSummary message) {
    const MessageId id = message.id;
    const bool is_first = page_.messages().empty();
    if (static_cast<size_t>(page_.messages_size()) == page_size_ || (!is_first && bytes_ > kMaxPageBytes)) {
      full_ = true;
      co_return absl::OkStatus();
    }
    absl::StatusOr<v1::Message> told =
        co_await ReadListedView(environment_, account_, std::move(message), view_);
    if (absl::IsNotFound(told.status())) {
      last_ = id;
      co_return absl::OkStatus();
    }
    if (!told.ok()) co_return std::move(told).status();
    bytes_ += told->ByteSizeLong();
    if (!is_first && bytes_ > kMaxPageBytes) {
      full_ = true;
      co_return absl::OkStatus();
    }
    *page_.add_messages() = *std::move(told);
    last_ = id;
    if (view_.view != v1::MESSAGE_VIEW_SUMMARY) {
      CO_RETURN_IF_ERROR(call_.StillWanted());
      co_await ResumeOn(environment_.core.executor);
    }
    co_return absl::OkStatus();
  }

  Environment& environment_;
  const rpc::Call& call_;
  const AccountId account_;
  Looking looking_;
  const MessageViewOptions view_;
  const size_t page_size_;
  v1::ListMessagesResponse& page_;
  size_t bytes_ = 0;
  MessageId last_;
  bool full_ = false;
};

}  // namespace

Task<absl::Status> GetMessage(Environment& environment, rpc::Call& call, const v1::GetMessageRequest& request,
                              v1::Message& response) {
  if (request.message_id() < 1) co_return FieldError("message_id", "must be set");
  CO_ASSIGN_OR_RETURN(const MessageViewOptions view, ViewOf(request));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  CO_ASSIGN_OR_RETURN(response,
                      co_await ReadView(environment, account.id, MessageId{request.message_id()}, view));
  co_return absl::OkStatus();
}

Task<absl::Status> BatchGetMessages(Environment& environment, rpc::Call& call,
                                    const v1::BatchGetMessagesRequest& request,
                                    v1::BatchGetMessagesResponse& response) {
  const size_t count = static_cast<size_t>(request.message_ids_size());
  if (count == 0 || count > kMaxBatchMessages) co_return FieldError("message_ids", "must be 1 to 100");
  CO_ASSIGN_OR_RETURN(const std::vector<MessageId> ids, MessageIds("message_ids", request.message_ids()));
  if (absl::flat_hash_set<MessageId>(ids.begin(), ids.end()).size() < ids.size()) {
    co_return FieldError("message_ids", "must name each message once");
  }
  CO_ASSIGN_OR_RETURN(const MessageViewOptions view, ViewOf(request));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  // Room for the ids themselves.
  size_t bytes = kMaxBatchMessages * 16;
  bool full = false;
  for (const MessageId id : ids) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    auto summary = co_await FindSummary(environment, account.id, id);
    absl::Status status = summary.status();
    if (status.ok() && full) {
      response.add_unread_message_ids(id.value);
      continue;
    }
    absl::StatusOr<v1::Message> told = absl::UnknownError("not read");
    if (status.ok()) {
      told = co_await ReadListedView(environment, account.id, *std::move(summary), view);
      status = told.status();
    }
    if (absl::IsNotFound(status)) {
      response.add_missing_message_ids(id.value);
      continue;
    }
    CO_RETURN_IF_ERROR(status);
    bytes += told->ByteSizeLong() + 16;
    full = bytes > kMaxAnswerBytes && !response.messages().empty();
    if (full) {
      response.add_unread_message_ids(id.value);
      continue;
    }
    *response.add_messages() = *std::move(told);
    if (view.view != v1::MESSAGE_VIEW_SUMMARY) co_await ResumeOn(environment.core.executor);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ListMessages(Environment& environment, rpc::Call& call,
                                const v1::ListMessagesRequest& request, v1::ListMessagesResponse& response) {
  CO_ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size()));
  CO_ASSIGN_OR_RETURN(const MessageViewOptions view, ViewOf(request));
  if (!v1::MessageOrder_IsValid(request.order())) {
    co_return FieldError("order", "must be OLDEST_FIRST or NEWEST_FIRST");
  }
  if (request.in_trash() && view.view != v1::MESSAGE_VIEW_SUMMARY) {
    co_return FieldError("view", "must be SUMMARY with in_trash");
  }
  engine::MessageSearch search;
  search.in_trash = request.in_trash();
  CO_ASSIGN_OR_RETURN(search.filter, FromProto(request.filter()));
  search.after = MessageId{request.filter().after_message_id()};
  search.newest_first = request.order() == v1::MESSAGE_ORDER_NEWEST_FIRST;
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  // Before anything is read.
  response.set_cursor(CursorOfAccount(environment, account.id));
  const std::string listing = ListingOf(environment, account.id, request, search.newest_first);
  CO_ASSIGN_OR_RETURN(const std::string token, ReadPageToken(listing, request.page_token()));
  if (!token.empty()) {
    MessageId& from = search.newest_first ? search.before : search.after;
    if (!absl::SimpleAtoi(token, &from.value) || from.value < 1) {
      co_return FieldError("page_token", "must be the next_page_token of the page before");
    }
  }
  PageReader page(environment, call, account.id, std::move(search), view, page_size, response);
  CO_RETURN_IF_ERROR(co_await page.Read());
  if (page.more()) response.set_next_page_token(MakePageToken(listing, absl::StrCat(page.last().value)));
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
