#include "stored/api/queue.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/queue.h"
#include "stored/api/visible.h"
#include "stored/core/limits.h"
#include "stored/core/paging.h"
#include "stored/rules/lane.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

constexpr absl::string_view kDestinationsListing = "destinations";
// Recipients that a listing shows of a message.
constexpr size_t kListedRecipients = 10;
// Messages that a filter looks at for one page, or between two responses: what few fit must not hold up others.
constexpr size_t kLookedAt = 1000;

// A message of the queue is listed by its number: the filter is a part of the listing's name, so that a page of one filter
// does not go on with another.
std::string ListingOf(const v1::QueueFilter& filter) {
  return absl::StrCat("queue/", filter.queue_id(), "/", filter.sender(), "/", filter.recipient(), "/",
                      filter.destination());
}

size_t SizeOf(const engine::QueuedMessage& message) {
  size_t size =
      sizeof(message) + message.envelope.reverse_path.size() + message.envelope.dsn_envelope_id.size();
  for (const engine::QueuedRecipient& recipient : message.recipients) {
    size += sizeof(recipient) + 2 * recipient.address.size() + recipient.original_recipient.size() +
            recipient.last_reply.text.size() + recipient.last_reply.host.size();
  }
  return size;
}

size_t SizeOf(const engine::QueueDestination& destination) {
  return sizeof(destination) + destination.name.size() + destination.site.size();
}

bool AsksForRecipients(const QueueFilter& filter) {
  return !filter.recipient.empty() || !filter.destination.empty();
}

// Leaves the recipients that fit the filter. False: none does.
bool Narrow(const QueueFilter& filter, engine::QueuedMessage& message) {
  if (!filter.TakesMessage(message)) return false;
  if (!AsksForRecipients(filter)) return true;
  std::erase_if(message.recipients,
                [&](const engine::QueuedRecipient& recipient) { return !filter.TakesRecipient(recipient); });
  return !message.recipients.empty();
}

absl::StatusOr<QueueId> ReadPosition(absl::string_view listing, const std::string& page_token) {
  ASSIGN_OR_RETURN(const std::string token, ReadPageToken(listing, page_token));
  QueueId after;
  if (!token.empty() && !absl::SimpleAtoi(token, &after.value)) {
    return FieldError("page_token", "must be the next_page_token of the page before");
  }
  return after;
}

// Who sees everything sees all of it; a key for a part what the accounts that it sees have sent. What an alias sends on tells of
// its sender and its targets, who are not the key's.
Task<absl::StatusOr<bool>> SeesMessage(Environment& environment, const rpc::Call& call,
                                       const std::string& lane) {
  if (SeesAll(call)) co_return true;
  const std::optional<AccountId> account = rules::AccountOfLane(lane);
  if (!account.has_value()) co_return false;
  co_return co_await SeesAccountOf(environment, call, *account);
}

absl::Status NoMessage(int64_t queue_id) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no message ", queue_id, " in the queue")),
                    kReasonMessageNotFound);
}

// How many recipients of a message are read to find those of a filter.
size_t RecipientsToRead(const QueueFilter& filter) {
  return AsksForRecipients(filter) ? kLookedAt : kListedRecipients;
}

}  // namespace

Task<absl::Status> ListQueuedMessages(Environment& environment, rpc::Call& call,
                                      const v1::ListQueuedMessagesRequest& request,
                                      v1::ListQueuedMessagesResponse& response) {
  CO_ASSIGN_OR_RETURN(const QueueFilter filter, FromProto(request.filter()));
  CO_ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size()));
  const std::string listing = ListingOf(request.filter());
  CO_ASSIGN_OR_RETURN(QueueId after, ReadPosition(listing, request.page_token()));
  if (filter.message.value > after.value) after.value = filter.message.value - 1;
  size_t bytes = 0;
  for (size_t looked_at = 0; looked_at < kLookedAt;) {
    CO_ASSIGN_OR_RETURN(
        std::vector<engine::QueuedMessage> messages,
        co_await environment.core.engine.queue().List(after, kPageStepItems, RecipientsToRead(filter)));
    for (engine::QueuedMessage& message : messages) {
      const QueueId id = message.id;
      if (filter.message.value != 0 && id != filter.message) co_return absl::OkStatus();
      CO_ASSIGN_OR_RETURN(const bool sees, co_await SeesMessage(environment, call, message.lane));
      if (sees && Narrow(filter, message)) {
        if (message.recipients.size() > kListedRecipients) message.recipients.resize(kListedRecipients);
        bytes += SizeOf(message);
        const bool full = static_cast<size_t>(response.messages_size()) == page_size ||
                          (response.messages_size() > 0 && bytes > kMaxPageBytes);
        if (full) {
          response.set_next_page_token(MakePageToken(listing, absl::StrCat(after.value)));
          co_return absl::OkStatus();
        }
        ToProto(message, *response.add_messages());
      }
      after = id;
    }
    if (messages.size() < kPageStepItems) co_return absl::OkStatus();
    looked_at += messages.size();
  }
  response.set_next_page_token(MakePageToken(listing, absl::StrCat(after.value)));
  co_return absl::OkStatus();
}

Task<absl::Status> GetQueuedMessage(Environment& environment, rpc::Call& call,
                                    const v1::GetQueuedMessageRequest& request, v1::QueuedMessage& response) {
  if (request.queue_id() < 1) co_return FieldError("queue_id", "must be set");
  if (request.first_recipient() < 0) co_return FieldError("first_recipient", "must not be negative");
  if (request.recipient_limit() < 0) co_return FieldError("recipient_limit", "must not be negative");
  const size_t limit = request.recipient_limit() == 0
                           ? kDefaultPageSize
                           : std::min(static_cast<size_t>(request.recipient_limit()), kMaxPageSize);
  const absl::StatusOr<engine::QueuedMessage> message = co_await environment.core.engine.queue().Find(
      QueueId{request.queue_id()}, request.first_recipient(), limit);
  if (absl::IsNotFound(message.status())) co_return NoMessage(request.queue_id());
  if (!message.ok()) co_return message.status();
  CO_ASSIGN_OR_RETURN(const bool sees, co_await SeesMessage(environment, call, message->lane));
  if (!sees) co_return NoMessage(request.queue_id());
  ToProto(*message, response);
  co_return absl::OkStatus();
}

Task<absl::Status> ChangeQueuedMessages(Environment& environment, rpc::Call& call,
                                        const v1::ChangeQueuedMessagesRequest& request,
                                        rpc::Writer<v1::ChangeQueuedMessagesResponse>& changes) {
  CO_ASSIGN_OR_RETURN(const QueueAction action, FromProto(request.action()));
  CO_ASSIGN_OR_RETURN(const QueueFilter filter, FromProto(request.filter()));
  call.SetTarget(absl::StrCat(v1::ChangeQueuedMessagesRequest::Action_Name(request.action()),
                              request.dry_run() ? " (dry run) " : " ", ListingOf(request.filter())));
  QueueId after{filter.message.value == 0 ? 0 : filter.message.value - 1};
  while (true) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    CO_ASSIGN_OR_RETURN(const std::vector<engine::QueuedMessage> messages,
                        co_await environment.core.engine.queue().List(after, kPageStepItems, 1));
    for (const engine::QueuedMessage& message : messages) {
      after = message.id;
      if (filter.message.value != 0 && message.id != filter.message) co_return absl::OkStatus();
      if (!filter.TakesMessage(message)) continue;
      CO_ASSIGN_OR_RETURN(const bool sees, co_await SeesMessage(environment, call, message.lane));
      if (!sees) continue;
      const absl::StatusOr<OutboundQueue::Changed> changed =
          co_await environment.core.queue.Change(action, filter, message.id, request.dry_run());
      // It has ended meanwhile.
      if (absl::IsNotFound(changed.status())) continue;
      if (!changed.ok()) co_return changed.status();
      if (changed->changed_count == 0 && changed->in_flight_count == 0) continue;
      v1::ChangeQueuedMessagesResponse response;
      response.set_queue_id(message.id.value);
      response.set_reverse_path(message.envelope.reverse_path);
      response.set_changed_count(changed->changed_count);
      response.set_in_flight_count(changed->in_flight_count);
      CO_RETURN_IF_ERROR(co_await changes.Write(response));
    }
    if (messages.size() < kPageStepItems || filter.message.value != 0) co_return absl::OkStatus();
  }
}

Task<absl::Status> ListDestinations(Environment& environment, rpc::Call&,
                                    const v1::ListDestinationsRequest& request,
                                    v1::ListDestinationsResponse& response) {
  CO_ASSIGN_OR_RETURN(PageStart start,
                      ReadPage(kDestinationsListing, request.page_size(), request.page_token()));
  const auto list = [&environment](std::string behind, size_t limit) {
    return environment.core.engine.queue().ListDestinations(std::move(behind), limit);
  };
  const auto key = [](const engine::QueueDestination& destination) { return destination.name; };
  const auto size = [](const engine::QueueDestination& destination) { return SizeOf(destination); };
  const absl::StatusOr<Gathered<engine::QueueDestination>> page =
      co_await Gather<engine::QueueDestination>(start.after, start.size, list, key, size);
  if (!page.ok()) co_return page.status();
  if (page->more) response.set_next_page_token(MakePageToken(kDestinationsListing, page->items.back().name));
  for (const engine::QueueDestination& destination : page->items)
    ToProto(destination, *response.add_destinations());
  co_return absl::OkStatus();
}

Task<absl::Status> GetQueueStatus(Environment& environment, rpc::Call&, const v1::GetQueueStatusRequest&,
                                  v1::GetQueueStatusResponse& response) {
  CO_ASSIGN_OR_RETURN(const engine::QueueStatus status, co_await environment.core.engine.queue().Status());
  ToProto(status, response);
  response.set_relay_count(environment.core.queue.CountRelays());
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
