#include "common/mail/dsn/due.h"

#include <map>

#include "common/base/check.h"

namespace mailstead::dsn {
namespace {

bool IsWanted(const Outcome& outcome) {
  const DsnNotify& notify = outcome.notify;
  switch (outcome.kind) {
    case NoticeKind::kFailed:
      return !notify.given || notify.failure;
    case NoticeKind::kDelayed:
      return !notify.given || notify.delay;
    case NoticeKind::kDelivered:
    case NoticeKind::kExpanded:
      return notify.success;
    case NoticeKind::kRelayed:
      return notify.success && !outcome.next_hop_tells;
  }
  CHECK(false);
}

}  // namespace

bool IsDue(absl::string_view reverse_path, const Outcome& outcome) {
  // SECURITY: an answer to a notice, or to what hides its sender, may begin a loop (RFC 5321 section 4.5.5).
  return !reverse_path.empty() && !outcome.told && IsWanted(outcome);
}

std::vector<DueNotice> NoticesDue(absl::string_view reverse_path, absl::Span<const Outcome> outcomes) {
  std::map<NoticeKind, std::vector<size_t>> due;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (IsDue(reverse_path, outcomes[i])) due[outcomes[i].kind].push_back(i);
  }
  std::vector<DueNotice> notices;
  for (const auto& [kind, recipients] : due) {
    for (size_t i = 0; i < recipients.size(); ++i) {
      if (i % kMaxNoticeRecipients == 0) notices.push_back({kind, {}});
      notices.back().recipients.push_back(recipients[i]);
    }
  }
  return notices;
}

DsnNotify MemberNotify(const DsnNotify& alias, size_t member_count) {
  DsnNotify member = alias;
  // Of NOTIFY=SUCCESS nothing remains: that is NEVER, and not as if it had not been given.
  if (member_count != 1) member.success = false;
  return member;
}

}  // namespace mailstead::dsn
