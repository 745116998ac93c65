#include "stored/core/audit_trail.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"

namespace mailstead::stored {
namespace {

// What waits for a second's writing: some 3 MB.
constexpr size_t kMaxPending = 10'000;
// Of one commit of the engine.
constexpr size_t kStep = 1000;
// In a minute: entries of refusals of strangers, and of all.
constexpr size_t kMaxStrangers = 10;
constexpr size_t kMaxRefusals = 110;
constexpr absl::Duration kGathered = absl::Minutes(1);
// A tenth of the entries of other kinds.
constexpr int64_t kRefusalShare = 10;
// What is looked at for one page.
constexpr size_t kLookedAt = 10'000;
constexpr size_t kPageStep = 200;

// Without the port: "ipv4:192.0.2.1".
std::string HostOf(const std::string& peer) {
  const size_t colon = peer.rfind(':');
  return absl::StartsWith(peer, "ip") && colon != std::string::npos ? peer.substr(0, colon) : peer;
}

}  // namespace

bool AuditFilter::Takes(const engine::AuditEntry& entry) const {
  if (entry.time < since || entry.time >= until) return false;
  absl::string_view name = actor;
  const bool takes_actor = absl::ConsumeSuffix(&name, "*") ? absl::StartsWith(entry.actor, name)
                                                           : name.empty() || entry.actor == name;
  if (!takes_actor) return false;
  // Whole, or behind a '.' or '/'.
  if (!action.empty() && entry.action != action && !absl::EndsWith(entry.action, absl::StrCat("/", action)) &&
      !absl::EndsWith(entry.action, absl::StrCat(".", action))) {
    return false;
  }
  return target.empty() ||
         absl::StrContains(absl::AsciiStrToLower(entry.target), absl::AsciiStrToLower(target));
}

void AuditTrail::Note(engine::AuditEntry entry) {
  if (pending_.size() >= kMaxPending) {
    ++left_out_;
    return;
  }
  pending_.push_back(std::move(entry));
}

void AuditTrail::NoteRefusal(engine::AuditEntry entry, bool known) {
  entry.kind = engine::AuditKind::kRefusal;
  if (refusals_.empty()) minute_began_ = entry.time;
  const std::string host = HostOf(entry.peer);
  Alike alike(absl::StrCat(entry.actor, "\n", host), absl::StrCat(entry.action, "\n", entry.result));
  const bool is_new = !refusals_.contains(alike);
  const bool full = refusals_.size() >= kMaxRefusals || (!known && stranger_count_ >= kMaxStrangers);
  if (is_new && full) {
    // All others together.
    alike = {};
    entry.actor = "nobody";
    entry.peer.clear();
    entry.action.clear();
    entry.result = "others";
    entry.session_id.clear();
  } else if (is_new && !known) {
    ++stranger_count_;
  }
  const auto [found, added] = refusals_.try_emplace(std::move(alike), std::move(entry));
  if (!added) ++found->second.call_count;
}

Task<absl::Status> AuditTrail::Write(bool even_young) {
  const absl::Time now = clock_.Now();
  // A clock that was set back does not keep them.
  if (even_young || now - minute_began_ >= kGathered || now < minute_began_) {
    for (auto& [alike, entry] : refusals_) Note(std::move(entry));
    refusals_.clear();
    stranger_count_ = 0;
  }
  while (!pending_.empty()) {
    const size_t count = std::min(pending_.size(), kStep);
    std::vector<engine::AuditEntry> step(
        std::make_move_iterator(pending_.begin()),
        std::make_move_iterator(pending_.begin() + static_cast<ptrdiff_t>(count)));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
    const absl::Status written = co_await engine_.Append(std::move(step));
    if (written.ok()) continue;
    // They stand in the log.
    left_out_ += static_cast<int64_t>(count);
    co_return written;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> AuditTrail::Forget() {
  for (const engine::AuditKind kind : engine::kAuditKinds) {
    const int64_t most = kind == engine::AuditKind::kRefusal
                             ? std::max<int64_t>(1, options_.entries / kRefusalShare)
                             : options_.entries;
    while (true) {
      CO_ASSIGN_OR_RETURN(const size_t count,
                          co_await engine_.Forget(kind, clock_.Now() - options_.age, most, kStep));
      if (count < kStep) break;
    }
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<AuditPage>> AuditTrail::List(AuditFilter filter, AuditPosition behind, size_t limit) {
  // What cannot be written now is missing in the list, no more.
  (void)co_await Write(/*even_young=*/true);
  AuditPage page;
  // What each kind has read and not given yet, the newest first.
  std::map<engine::AuditKind, std::vector<engine::AuditEntry>> read;
  std::map<engine::AuditKind, size_t> place;
  std::map<engine::AuditKind, bool> ended;
  for (const engine::AuditKind kind : engine::kAuditKinds) behind.try_emplace(kind, engine::kNewestAudit);
  size_t looked_at = 0;
  while (true) {
    const engine::AuditEntry* newest = nullptr;
    for (const engine::AuditKind kind : engine::kAuditKinds) {
      if (place[kind] == read[kind].size() && !ended[kind]) {
        CO_ASSIGN_OR_RETURN(read[kind], co_await engine_.List(kind, behind[kind], kPageStep));
        place[kind] = 0;
        ended[kind] = read[kind].empty();
      }
      if (place[kind] == read[kind].size()) continue;
      const engine::AuditEntry& next = read[kind][place[kind]];
      if (newest == nullptr || next.time > newest->time) newest = &next;
    }
    // Entries of one kind come in the order of their times, but for those of a clock that was set: the bounds of a filter are
    // looked at for each.
    if (newest == nullptr) co_return page;
    const bool takes = filter.Takes(*newest);
    page.more = page.entries.size() == limit && takes;
    if (page.more || looked_at == kLookedAt) {
      page.more = true;
      page.next = std::move(behind);
      co_return page;
    }
    ++looked_at;
    behind[newest->kind] = newest->number;
    ++place[newest->kind];
    if (takes) page.entries.push_back(*newest);
  }
}

}  // namespace mailstead::stored
