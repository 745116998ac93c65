#include "stored/core/counted_intake.h"

#include <utility>

#include "absl/status/status.h"

namespace mailstead::stored {

Task<absl::StatusOr<Taken>> FinishCounted(AccountSending& sending, AccountId account, Intake& intake,
                                          std::string trace) {
  absl::StatusOr<AccountSending::Counted> counted = co_await sending.Count(account, intake.Elsewhere());
  if (!counted.ok()) intake.Refuse(counted.status());
  absl::StatusOr<Taken> taken = co_await intake.Finish(std::move(trace));
  // Where it is not known what became of it, it may have been stored: it counts.
  const bool gives_back = taken.ok()
                              ? taken->receipt.already_stored
                              : !absl::IsUnavailable(taken.status()) && !absl::IsInternal(taken.status());
  if (counted.ok() && gives_back) co_await sending.TakeBack(*std::move(counted));
  co_return taken;
}

}  // namespace mailstead::stored
