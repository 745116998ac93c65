// What is asked of the change feed, and what becomes of a consumer's place in it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/change.h"

namespace mailstead::rules {

// OutOfRange with kReasonCursorExpired.
absl::Status CursorExpired(absl::string_view why);
// Whether all behind the cursor is kept: CursorExpired otherwise, and for one that is ahead of the feed.
absl::Status CheckCursor(const engine::ChangeCursor& cursor, const engine::ChangeBounds& bounds);

// What an update of an account was: a rename, a change of its state, else an update. The first may come with the second.
std::vector<engine::ChangeKind> KindsOfUpdate(const engine::Account& before, const engine::Account& after);

// Whether the question wants a change of this kind and account; the domain it does not look at.
bool Wants(const engine::ChangeQuestion& question, engine::ChangeKind kind, AccountId account);
// Whether it is of the domain: by the account's address now, and for a rename also by the addresses that it names.
bool IsOfDomain(absl::string_view domain, absl::string_view current_address, engine::ChangeKind kind,
                absl::string_view address, absl::string_view old_address);

// Whether the oldest changes, of that age and as many in all, are to go.
bool IsToBeForgotten(absl::Time time, absl::Time now, absl::Duration age, int64_t kept_count,
                     int64_t max_count);

absl::Status NoConsumer(absl::string_view name);      // NotFound with kReasonConsumerNotFound
absl::Status ConsumerExists(absl::string_view name);  // AlreadyExists with kReasonConsumerExists
absl::Status TooManyConsumers();                      // ResourceExhausted with kReasonTooManyConsumers
absl::Status ConsumerFenced(absl::string_view name);  // Aborted with kReasonConsumerFenced

// Moves the consumer, unless it is there or ahead already: false. Aborted with kReasonConsumerFenced.
absl::StatusOr<bool> DecideAck(engine::FeedConsumer& consumer, int64_t fence,
                               const engine::ChangeCursor& cursor, absl::Time now);

}  // namespace mailstead::rules
