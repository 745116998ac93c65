// What became of mail that was submitted by calls.
#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/submission.h"
#include "stored/rules/times.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;

// Under the state's mutex.
Submission Shown(State& state, const KeptSubmission& kept, absl::Time now) {
  Submission shown = kept.submission;
  const absl::Time waits_until = shown.send_time > now ? shown.send_time : absl::InfinitePast();
  const auto message = state.queue.messages.find(shown.queue_id);
  const bool is_there = message != state.queue.messages.end();
  for (size_t i = 0; i < shown.targets.size(); ++i) {
    const int32_t number = static_cast<int32_t>(i);
    if (const auto outcome = kept.outcomes.find(number); outcome != kept.outcomes.end()) {
      rules::Show(outcome->second, shown.targets[i]);
    } else if (is_there) {
      const auto recipient = message->second.recipients.find(number);
      if (recipient == message->second.recipients.end()) continue;
      rules::Show(recipient->second.recipient, waits_until, shown.targets[i]);
    }
  }
  if (!is_there) shown.queue_id = QueueId{0};
  return shown;
}

// Those of the account, or all; oldest first. Under the state's mutex.
std::vector<const KeptSubmission*> InOrder(const State& state, AccountId account) {
  std::vector<const KeptSubmission*> found;
  for (const auto& [id, kept] : state.submissions) {
    if (account.value == 0 || kept.submission.account == account) found.push_back(&kept);
  }
  std::sort(found.begin(), found.end(), [](const KeptSubmission* a, const KeptSubmission* b) {
    return std::tie(a->submission.submit_time, a->submission.id) <
           std::tie(b->submission.submit_time, b->submission.id);
  });
  return found;
}

}  // namespace

void RecordOutcome(MemoryShared& shared, const rules::QueueEntry& entry, int32_t number,
                   SubmissionOutcome outcome) {
  if (entry.submission.empty()) return;
  const auto kept = shared.state().submissions.find(entry.submission);
  if (kept != shared.state().submissions.end()) kept->second.outcomes[number] = std::move(outcome);
}

void NoteNews(MemoryShared& shared, AccountId account, SubmissionNews news) {
  FeedChange change;
  change.kind = ChangeKind::kSubmission;
  change.account = account;
  change.submission = std::move(news);
  shared.Note(std::move(change));
}

void RecordEnd(MemoryShared& shared, const rules::QueueEntry& entry) {
  if (entry.submission.empty()) return;
  const auto kept = shared.state().submissions.find(entry.submission);
  if (kept != shared.state().submissions.end()) kept->second.end_time = rules::Kept(shared.Now());
}

absl::Status MakeRoom(MemoryShared& shared, const NewSubmission& submission) {
  State& state = shared.state();
  const std::vector<const KeptSubmission*> present = InOrder(state, submission.account);
  if (static_cast<int64_t>(present.size()) < submission.most_kept) return absl::OkStatus();
  for (size_t i = 0; i < std::min(present.size(), kOldestLookedAt); ++i) {
    if (present[i]->end_time == absl::InfiniteFuture()) continue;
    state.submissions.erase(std::string(present[i]->submission.id));
    return absl::OkStatus();
  }
  return WithReason(absl::ResourceExhaustedError("the account has too many submissions that have not ended"),
                    kReasonTooManySubmissions);
}

Task<absl::StatusOr<Submission>> MemorySubmissions::Find(std::string id) {
  absl::StatusOr<Submission> found = absl::NotFoundError("no such submission");
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const auto it = state.submissions.find(id); it != state.submissions.end())
      found = Shown(state, it->second, shared_.Now());
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<std::vector<Submission>>> MemorySubmissions::List(AccountId account,
                                                                      SubmissionPlace after, size_t limit) {
  std::vector<Submission> page;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const std::vector<const KeptSubmission*> present = InOrder(state, account);
    for (auto it = present.rbegin(); it != present.rend() && page.size() < limit; ++it) {
      const Submission& submission = (*it)->submission;
      if (std::tie(submission.submit_time, submission.id) < std::tie(after.submit_time, after.id)) {
        page.push_back(Shown(state, **it, shared_.Now()));
      }
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<size_t>> MemorySubmissions::NoteReport(SubmissionReport report) {
  size_t count = 0;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    KeptSubmission* found = nullptr;
    if (const auto it = state.submissions.find(report.id);
        it != state.submissions.end() && it->second.submission.account == report.account) {
      found = &it->second;
    } else if (!report.message_id.empty()) {
      for (const KeptSubmission* kept : InOrder(state, report.account)) {
        // The newest that has it.
        if (kept->submission.message_id == report.message_id)
          found = &state.submissions.at(kept->submission.id);
      }
    }
    if (found != nullptr) {
      for (auto& [number, outcome] : found->outcomes) {
        const SubmissionTarget& target = found->submission.targets[static_cast<size_t>(number)];
        const std::vector<std::string> names = rules::NamesOf(found->submission, target);
        for (const SubmissionReport::Recipient& recipient : report.recipients) {
          const bool is_of = std::find(names.begin(), names.end(), recipient.address) != names.end();
          if (!is_of || !rules::Note(recipient.bounce, outcome)) continue;
          NoteNews(shared_, report.account, rules::BounceNews(found->submission, target, *outcome.bounce));
          ++count;
        }
      }
    }
  }
  co_await shared_.End();
  co_return count;
}

Task<absl::StatusOr<size_t>> MemorySubmissions::Forget(absl::Time ended_before, size_t limit) {
  size_t count = 0;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    std::vector<std::pair<absl::Time, std::string>> ended;
    for (const auto& [id, kept] : state.submissions) {
      if (kept.end_time < ended_before) ended.emplace_back(kept.end_time, id);
    }
    std::sort(ended.begin(), ended.end());
    for (const auto& [time, id] : ended) {
      if (count == limit) break;
      state.submissions.erase(id);
      ++count;
    }
  }
  co_await shared_.End();
  co_return count;
}

}  // namespace mailstead::engine
