// Which notices are due (RFC 3461 section 5.2). Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/mail/dsn/notice.h"
#include "common/mail/envelope.h"

namespace mailstead::dsn {

// What became of one recipient.
struct Outcome {
  NoticeKind kind = NoticeKind::kFailed;
  // As the sender asked; for a member of an alias: MemberNotify.
  DsnNotify notify;
  // With kRelayed: the host that took the message offers DSN, so that it got NOTIFY and tells the sender itself.
  bool next_hop_tells = false;
  // The sender was told of this kind on this recipient before.
  bool told = false;
};

// Whether the sender of a message with this reverse-path (empty: the null one) is to be told.
bool IsDue(absl::string_view reverse_path, const Outcome& outcome);

struct DueNotice {
  NoticeKind kind = NoticeKind::kFailed;
  // Places in `outcomes`, in their order: 1 to kMaxNoticeRecipients.
  std::vector<size_t> recipients;
};
// One for each kind that anything is due of, in the order of NoticeKind, and more only where there are more
// recipients than one may have. Recipients of whom nothing is due are in none (section 5.2.8).
std::vector<DueNotice> NoticesDue(absl::string_view reverse_path, absl::Span<const Outcome> outcomes);

// NOTIFY of what an alias leads to (section 5.2.7): with one member the alias's own, and nothing is told of the
// alias; with more of them SUCCESS is told of the alias, as kExpanded, and taken off its members.
DsnNotify MemberNotify(const DsnNotify& alias, size_t member_count);

}  // namespace mailstead::dsn
