// What a stream or a consumer is told of, as the API names it. For .cc files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "mailstead/store/v1/watch.pb.h"
#include "stored/api/environment.h"
#include "stored/engine/change.h"

namespace mailstead::stored {

// proto: WatchFilter.accounts.
inline constexpr size_t kMaxFilterAccounts = 1000;

// One of accounts and domain, or neither: all.
struct Watched {
  // Ascending, each once.
  std::vector<AccountId> accounts;
  // Normalized.
  std::string domain;
  uint32_t kinds = engine::kAllChangeKinds;
  // Names it in cursors.
  std::string scope() const;
  engine::ChangeQuestion Question() const;
};

// `field` names it in the request. FieldError; NotFound with the field, for what the caller does not see.
Task<absl::StatusOr<Watched>> Resolve(Environment& environment, const rpc::Call& call,
                                      const store::v1::WatchFilter& filter,
                                      absl::string_view field = "filter");
// What a consumer keeps of it; and the inverse, which looks nothing up: its accounts may be gone.
std::string KeptFilter(const Watched& watched);
absl::StatusOr<Watched> ReadKeptFilter(absl::string_view bytes);
void ToProto(const Watched& watched, store::v1::WatchFilter& filter);
// Whether the caller sees all of it, as far as it is there.
Task<bool> SeesWatched(Environment& environment, const rpc::Call& call, const Watched& watched);
// Whether it may be told of a change.
bool SeesChange(const rpc::Call& call, const Watched& watched, const engine::FeedChange& change);

// Where a stream or a consumer begins; the errors of ReadFeedCursor and rules::CheckCursor.
absl::StatusOr<engine::ChangeCursor> StartOf(Environment& environment, const Watched& watched,
                                             store::v1::WatchStart start, absl::string_view cursor);
// A cursor for one account's changes from now on.
std::string CursorOfAccount(Environment& environment, AccountId account);

}  // namespace mailstead::stored
