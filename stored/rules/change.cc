#include "stored/rules/change.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/directory.h"

namespace mailstead::rules {

using engine::ChangeKind;

absl::Status CursorExpired(absl::string_view why) {
  return WithReason(absl::OutOfRangeError(absl::StrCat(why, ": list anew, and go on from now")),
                    kReasonCursorExpired);
}

absl::Status CheckCursor(const engine::ChangeCursor& cursor, const engine::ChangeBounds& bounds) {
  if (cursor.position < bounds.least_cursor())
    return CursorExpired("what came behind the cursor is not kept any more");
  const bool ahead =
      cursor.position > bounds.last || (cursor.position == bounds.last && cursor.message.value != 0);
  if (ahead) return CursorExpired("the cursor is of changes that this store does not know");
  return absl::OkStatus();
}

std::vector<ChangeKind> KindsOfUpdate(const engine::Account& before, const engine::Account& after) {
  std::vector<ChangeKind> kinds;
  if (before.address != after.address) kinds.push_back(ChangeKind::kAccountRenamed);
  if (before.disabled != after.disabled) {
    kinds.push_back(after.disabled ? ChangeKind::kAccountDisabled : ChangeKind::kAccountEnabled);
  }
  if (kinds.empty()) kinds.push_back(ChangeKind::kAccountUpdated);
  return kinds;
}

bool Wants(const engine::ChangeQuestion& question, ChangeKind kind, AccountId account) {
  if ((question.kinds & engine::KindBit(kind)) == 0) return false;
  return question.accounts.empty() ||
         std::binary_search(question.accounts.begin(), question.accounts.end(), account);
}

bool IsOfDomain(absl::string_view domain, absl::string_view current_address, ChangeKind kind,
                absl::string_view address, absl::string_view old_address) {
  if (!current_address.empty() && Split(current_address).domain == domain) return true;
  if (kind != ChangeKind::kAccountRenamed) return false;
  return Split(address).domain == domain || Split(old_address).domain == domain;
}

bool IsToBeForgotten(absl::Time time, absl::Time now, absl::Duration age, int64_t kept_count,
                     int64_t max_count) {
  return time < now - age || kept_count > max_count;
}

absl::Status NoConsumer(absl::string_view name) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no consumer ", name)),
                    kReasonConsumerNotFound);
}

absl::Status ConsumerExists(absl::string_view name) {
  return WithReason(absl::AlreadyExistsError(absl::StrCat("consumer ", name, " exists")),
                    kReasonConsumerExists);
}

absl::Status TooManyConsumers() {
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat("there are ", engine::kMaxConsumers, " consumers already")),
      kReasonTooManyConsumers);
}

absl::Status ConsumerFenced(absl::string_view name) {
  return WithReason(absl::AbortedError(absl::StrCat("another worker is active as consumer ", name)),
                    kReasonConsumerFenced);
}

absl::StatusOr<bool> DecideAck(engine::FeedConsumer& consumer, int64_t fence,
                               const engine::ChangeCursor& cursor, absl::Time now) {
  if (fence == 0 || fence != consumer.fence) return ConsumerFenced(consumer.name);
  if (cursor <= consumer.acked) return false;
  consumer.acked = cursor;
  consumer.ack_time = now;
  return true;
}

}  // namespace mailstead::rules
