// What became of mail that was submitted by calls.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/submission_records.h"
#include "stored/rules/submission.h"
#include "stored/rules/times.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kQueue;

absl::Status NoSubmission() { return absl::NotFoundError("no such submission"); }

absl::Status CountSubmissions(Batch& batch, AccountId account, int64_t by, int64_t& count) {
  const std::string key = SubmissionCountKey(account);
  ASSIGN_OR_RETURN(const auto kept, FindRecord<SubmissionCount>(batch, kFamily, key));
  count = std::max<int64_t>(0, (kept.has_value() ? kept->count : 0) + by);
  if (count == 0) {
    batch.Delete(kFamily, key);
  } else {
    batch.Put(kFamily, key, Encode(SubmissionCount{count}));
  }
  return absl::OkStatus();
}

// Of the first few: the oldest that has nothing in the queue.
absl::Status DropOldest(Batch& batch, AccountId account) {
  const std::string prefix = AccountSubmissionPrefix(account);
  std::vector<std::string> oldest;
  RETURN_IF_ERROR(batch.Scan(kFamily, prefix, PrefixEnd(prefix),
                             [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                               oldest.push_back(SubmissionOfAccountKey(key));
                               return oldest.size() < kOldestLookedAt;
                             }));
  for (const std::string& id : oldest) {
    ASSIGN_OR_RETURN(const auto submission, FindRecord<Submission>(batch, kFamily, SubmissionKey(id)));
    if (!submission.has_value()) continue;
    std::string value;
    bool is_queued = false;
    if (submission->queue_id.value != 0) {
      ASSIGN_OR_RETURN(is_queued, batch.Find(kFamily, QueuedKey(submission->queue_id), value));
    }
    if (!is_queued) return DeleteSubmission(batch, *submission);
  }
  return WithReason(absl::ResourceExhaustedError("the account has too many submissions that have not ended"),
                    kReasonTooManySubmissions);
}

// As it is now. What a recipient in the queue says is read before the outcomes: one that ends in between has one.
absl::Status ShowNow(const Database::Use& use, absl::Time now, Submission& submission) {
  const absl::Time waits_until = submission.send_time > now ? submission.send_time : absl::InfinitePast();
  std::vector<std::optional<rules::QueueRecipient>> waiting(submission.targets.size());
  bool is_there = false;
  if (submission.queue_id.value != 0) {
    std::string value;
    ASSIGN_OR_RETURN(is_there, use.Find(kFamily, QueuedKey(submission.queue_id), value));
  }
  if (is_there) {
    const std::string prefix = QueuedRecipientPrefix(submission.queue_id);
    RETURN_IF_ERROR(Scan(use, kFamily, prefix, PrefixEnd(prefix),
                         [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                           const size_t number = static_cast<size_t>(NumberOfQueuedRecipientKey(key));
                           if (number >= waiting.size()) return false;
                           RETURN_IF_ERROR(Decode(value, waiting[number].emplace()));
                           return true;
                         }));
  }
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i].has_value()) rules::Show(waiting[i]->recipient, waits_until, submission.targets[i]);
  }
  const std::string prefix = SubmissionOutcomePrefix(submission.id);
  RETURN_IF_ERROR(Scan(use, kFamily, prefix, PrefixEnd(prefix),
                       [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                         SubmissionOutcome outcome;
                         RETURN_IF_ERROR(Decode(value, outcome));
                         const size_t number = static_cast<size_t>(NumberOfOutcomeKey(key));
                         if (number < submission.targets.size())
                           rules::Show(outcome, submission.targets[number]);
                         return true;
                       }));
  if (!is_there) submission.queue_id = QueueId{0};
  return absl::OkStatus();
}

absl::StatusOr<Submission> FindNow(const Database::Use& use, absl::Time now, const std::string& id) {
  ASSIGN_OR_RETURN(auto submission, FindRecord<Submission>(use, kFamily, SubmissionKey(id)));
  if (!submission.has_value()) return NoSubmission();
  RETURN_IF_ERROR(ShowNow(use, now, *submission));
  return *std::move(submission);
}

// Keys from `end` (not itself) back to `begin`, at most `limit`.
absl::StatusOr<std::vector<std::string>> KeysBackwards(const Database::Use& use, const std::string& begin,
                                                       const std::string& end, size_t limit) {
  rocksdb::ReadOptions options = use.read_options();
  const rocksdb::Slice lower = ToSlice(begin);
  options.iterate_lower_bound = &lower;
  const std::unique_ptr<rocksdb::Iterator> it(use.db().NewIterator(options, use.family(kFamily)));
  std::vector<std::string> keys;
  for (it->SeekForPrev(ToSlice(end)); it->Valid() && keys.size() < limit; it->Prev()) {
    const absl::string_view key = ToView(it->key());
    if (key < end) keys.emplace_back(key);
  }
  RETURN_IF_ERROR(use.Outcome(it->status()));
  return keys;
}

}  // namespace

absl::Status PutSubmission(Batch& batch, const Submission& submission, int64_t most_kept) {
  const AccountId account = submission.account;
  int64_t count = 0;
  RETURN_IF_ERROR(CountSubmissions(batch, account, 0, count));
  if (count >= most_kept) RETURN_IF_ERROR(DropOldest(batch, account));
  RETURN_IF_ERROR(CountSubmissions(batch, account, 1, count));
  const std::string& id = submission.id;
  batch.Put(kFamily, SubmissionKey(id), Encode(submission));
  batch.Put(kFamily, SubmissionTimeKey(kSubmissionOrderKind, submission.submit_time, id), "");
  batch.Put(kFamily, AccountSubmissionKey(account, submission.submit_time, id), "");
  batch.Put(kFamily, SubmissionMessageKey(account, submission.message_id), id);
  if (submission.queue_id.value == 0) {
    batch.Put(kFamily, SubmissionTimeKey(kSubmissionEndKind, submission.submit_time, id), "");
  }
  return absl::OkStatus();
}

absl::Status DeleteSubmission(Batch& batch, const Submission& submission) {
  const std::string& id = submission.id;
  const std::string prefix = SubmissionOutcomePrefix(id);
  std::vector<std::string> outcomes;
  RETURN_IF_ERROR(batch.Scan(kFamily, prefix, PrefixEnd(prefix),
                             [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                               outcomes.emplace_back(key);
                               return true;
                             }));
  for (const std::string& key : outcomes) batch.Delete(kFamily, key);
  batch.Delete(kFamily, SubmissionKey(id));
  batch.Delete(kFamily, SubmissionTimeKey(kSubmissionOrderKind, submission.submit_time, id));
  batch.Delete(kFamily, AccountSubmissionKey(submission.account, submission.submit_time, id));
  const std::string by_message = SubmissionMessageKey(submission.account, submission.message_id);
  std::string newest;
  ASSIGN_OR_RETURN(const bool found, batch.Find(kFamily, by_message, newest));
  if (found && newest == id) batch.Delete(kFamily, by_message);
  int64_t count = 0;
  return CountSubmissions(batch, submission.account, -1, count);
}

void RecordOutcome(Batch& batch, absl::string_view submission, int32_t number,
                   const SubmissionOutcome& outcome) {
  batch.Put(kFamily, SubmissionOutcomeKey(submission, number), Encode(outcome));
}

void RecordEnd(Batch& batch, absl::string_view submission, absl::Time now) {
  batch.Put(kFamily, SubmissionTimeKey(kSubmissionEndKind, now, submission), "");
}

Task<absl::StatusOr<Submission>> RocksDbSubmissions::Find(std::string id) {
  const absl::Time now = shared_.clock().Now();
  const auto read = [&id, now](const Database::Use& use) { return FindNow(use, now, id); };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<std::vector<Submission>>> RocksDbSubmissions::List(AccountId account,
                                                                       SubmissionPlace after, size_t limit) {
  const absl::Time now = shared_.clock().Now();
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<Submission>> {
    std::vector<Submission> page;
    if (limit == 0) return page;
    const bool all = account.value == 0;
    const std::string begin = all ? std::string(1, kSubmissionOrderKind) : AccountSubmissionPrefix(account);
    const bool from_newest = after.submit_time == absl::InfiniteFuture();
    const std::string end = from_newest ? PrefixEnd(begin)
                            : all       ? SubmissionTimeKey(kSubmissionOrderKind, after.submit_time, after.id)
                                        : AccountSubmissionKey(account, after.submit_time, after.id);
    ASSIGN_OR_RETURN(const std::vector<std::string> keys, KeysBackwards(use, begin, end, limit));
    for (const std::string& key : keys) {
      absl::StatusOr<Submission> found =
          FindNow(use, now, all ? SubmissionOfTimeKey(key) : SubmissionOfAccountKey(key));
      // Forgotten since the walk.
      if (absl::IsNotFound(found.status())) continue;
      RETURN_IF_ERROR(found.status());
      page.push_back(*std::move(found));
    }
    return page;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<size_t>> RocksDbSubmissions::NoteReport(SubmissionReport report) {
  size_t count = 0;
  const auto apply = [&](Batch& batch) -> absl::Status {
    count = 0;
    ASSIGN_OR_RETURN(auto submission, FindRecord<Submission>(batch, kFamily, SubmissionKey(report.id)));
    if (submission.has_value() && submission->account != report.account) submission.reset();
    if (!submission.has_value() && !report.message_id.empty()) {
      std::string id;
      ASSIGN_OR_RETURN(const bool found,
                       batch.Find(kFamily, SubmissionMessageKey(report.account, report.message_id), id));
      if (found) {
        ASSIGN_OR_RETURN(submission, FindRecord<Submission>(batch, kFamily, SubmissionKey(id)));
      }
    }
    if (!submission.has_value()) return absl::OkStatus();
    for (size_t i = 0; i < submission->targets.size(); ++i) {
      const std::vector<std::string> names = rules::NamesOf(*submission, submission->targets[i]);
      for (const SubmissionReport::Recipient& recipient : report.recipients) {
        if (std::find(names.begin(), names.end(), recipient.address) == names.end()) continue;
        const std::string key = SubmissionOutcomeKey(submission->id, static_cast<int32_t>(i));
        ASSIGN_OR_RETURN(auto outcome, FindRecord<SubmissionOutcome>(batch, kFamily, key));
        if (!outcome.has_value() || !rules::Note(recipient.bounce, *outcome)) continue;
        batch.Put(kFamily, key, Encode(*outcome));
        ChangeRecord change;
        change.kind = ChangeKind::kSubmission;
        change.account = submission->account;
        change.submission = rules::BounceNews(*submission, submission->targets[i], *outcome->bounce);
        batch.Note(std::move(change));
        ++count;
      }
    }
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return count;
}

Task<absl::StatusOr<size_t>> RocksDbSubmissions::Forget(absl::Time ended_before, size_t limit) {
  size_t count = 0;
  const auto apply = [&](Batch& batch) -> absl::Status {
    count = 0;
    std::vector<std::string> ended;
    RETURN_IF_ERROR(batch.Scan(kFamily, absl::string_view(&kSubmissionEndKind, 1),
                               SubmissionTimeKey(kSubmissionEndKind, ended_before, ""),
                               [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                 if (ended.size() < limit) ended.emplace_back(key);
                                 return ended.size() < limit;
                               }));
    size_t target_count = 0;
    for (const std::string& key : ended) {
      ASSIGN_OR_RETURN(const auto submission,
                       FindRecord<Submission>(batch, kFamily, SubmissionKey(SubmissionOfTimeKey(key))));
      if (submission.has_value()) {
        RETURN_IF_ERROR(DeleteSubmission(batch, *submission));
        target_count += submission->targets.size();
      }
      batch.Delete(kFamily, key);
      ++count;
      // One commit has a bound.
      if (target_count >= kMaxSubmissionTargets) break;
    }
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/false));
  co_return count;
}

}  // namespace mailstead::engine
