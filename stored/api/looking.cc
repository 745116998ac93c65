#include "stored/api/looking.h"

#include <utility>

#include "common/base/status.h"
#include "stored/api/message_view.h"
#include "stored/rules/search.h"

namespace mailstead::stored {

Looking::Looking(Environment& environment, const rpc::Call& call, AccountId account,
                 engine::MessageSearch search)
    : environment_(environment),
      call_(call),
      account_(account),
      search_(std::move(search)),
      asks_for_fields_(rules::AsksForFields(search_.filter)) {}

Task<absl::StatusOr<std::vector<engine::MessageSummary>>> Looking::Step(size_t limit) {
  // Other calls go on, also where all is in memory.
  co_await ResumeOn(environment_.core.executor);
  CO_RETURN_IF_ERROR(call_.StillWanted());
  search_.limit = limit;
  search_.look_limit = looks_ ? kSearchStepMessages : limit;
  engine::MessageSearch search = search_;
  CO_ASSIGN_OR_RETURN(engine::FoundMessages found,
                      co_await environment_.core.engine.messages().Search(account_, std::move(search)));
  std::vector<engine::MessageSummary> wanted;
  wanted.reserve(found.messages.size());
  for (engine::MessageSummary& message : found.messages) {
    const MessageId id = message.id;
    bool is_wanted = message.searched.known;
    if (!is_wanted) {
      CO_ASSIGN_OR_RETURN(is_wanted, co_await IsWanted(message));
    }
    if (is_wanted) wanted.push_back(std::move(message));
    if (read_bytes_ < kMaxSearchedBytes) continue;
    // The rest of the step is for the next call.
    GoBehind(id);
    co_return wanted;
  }
  done_ = found.done;
  if (found.last.value != 0) GoBehind(found.last);
  // Most of what is asked for is passed over: then it is looked for in large steps.
  looks_ = found.messages.size() < search_.limit;
  looked_count_ += search_.look_limit;
  co_return wanted;
}

Task<absl::StatusOr<bool>> Looking::IsWanted(engine::MessageSummary& message) {
  // Of what is in the trash no bytes are read.
  if (search_.in_trash) co_return !asks_for_fields_;
  const absl::StatusOr<int64_t> read = co_await ReadSearchedFields(environment_, account_, message);
  if (absl::IsNotFound(read.status())) co_return false;
  CO_RETURN_IF_ERROR(read.status());
  read_bytes_ += *read;
  // One whose header cannot be read is not what was asked for.
  const bool is_known = message.searched.known || !asks_for_fields_;
  co_return is_known && rules::Matches(search_.filter, message.searched);
}

void Looking::GoBehind(MessageId message) {
  last_ = message;
  (search_.newest_first ? search_.before : search_.after) = message;
}

}  // namespace mailstead::stored
