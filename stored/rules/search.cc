#include "stored/rules/search.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace mailstead::rules {
namespace {

bool Contains(absl::string_view text, absl::string_view part) {
  const auto same = [](char a, char b) { return absl::ascii_tolower(a) == absl::ascii_tolower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end() || part.empty();
}

}  // namespace

bool Matches(const engine::MessageFilter& filter, const engine::SearchedFields& fields) {
  if (!fields.known) return true;
  if (filter.has_attachment.has_value() && *filter.has_attachment != fields.has_attachment) return false;
  if (!filter.message_id.empty() && filter.message_id != fields.message_id) return false;
  if (!Contains(fields.subject, filter.subject)) return false;
  return filter.from.empty() || absl::c_any_of(fields.from, [&](const engine::SearchedAddress& from) {
           return Contains(from.address, filter.from) || Contains(from.name, filter.from);
         });
}

bool Matches(const engine::MessageFilter& filter, const Entry& entry) {
  if (entry.deliver_time < filter.since || entry.deliver_time >= filter.until) return false;
  if (entry.size_bytes() < filter.min_size_bytes || entry.size_bytes() > filter.max_size_bytes) return false;
  const Envelope& envelope = entry.envelope;
  if (filter.reverse_path.has_value() &&
      !absl::EqualsIgnoreCase(*filter.reverse_path, envelope.reverse_path)) {
    return false;
  }
  const auto is_recipient = [&](const EnvelopeRecipient& recipient) {
    return absl::EqualsIgnoreCase(recipient.address, filter.recipient);
  };
  if (!filter.recipient.empty() && !absl::c_any_of(envelope.recipients, is_recipient)) return false;
  return Matches(filter, entry.searched);
}

bool AsksForFields(const engine::MessageFilter& filter) {
  return filter.has_attachment.has_value() || !filter.message_id.empty() || !filter.subject.empty() ||
         !filter.from.empty();
}

}  // namespace mailstead::rules
