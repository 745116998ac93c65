#include "mailctl/commands/message_filter.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

namespace v1 = store::v1;

// "2026-11-29T10:00:00Z", a day in UTC, or how long ago.
bool ParseMoment(const std::string& text, absl::Time now, absl::Time& time) {
  absl::Duration ago;
  if (absl::ParseDuration(text, &ago) && ago >= absl::ZeroDuration()) {
    time = now - ago;
    return true;
  }
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, text, &time, &error) ||
         absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &time, &error);
}

absl::Status SetTime(const Arguments& arguments, absl::string_view option, absl::Time now,
                     google::protobuf::Timestamp* proto) {
  absl::Time time;
  if (!ParseMoment(arguments.Get(option), now, time)) {
    return UsageError(absl::StrCat("--", option, "=", arguments.Get(option),
                                   ": must be a time such as 2026-11-29T10:00:00Z, 2026-11-29 or 2h"));
  }
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto->set_seconds(seconds);
  proto->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return absl::OkStatus();
}

}  // namespace

std::vector<Option> MessageFilterOptions() {
  return {
      {"after", "ID", "Those behind this one."},
      {"since", "TIME",
       "Stored at this time or later: 2026-11-29T10:00:00Z, 2026-11-29 (UTC), or 2h for so long ago."},
      {"until", "TIME", "Stored before this time."},
      {"min_size", "SIZE", "Of at least so many bytes: 1000000, 500K, 2M."},
      {"max_size", "SIZE", "Of at most so many bytes."},
      {"sender", "ADDRESS", "The envelope's sender; <> for the null one, which notices of delivery have."},
      {"recipient", "ADDRESS", "An address of the envelope that led to this mailbox."},
      {"from", "TEXT", "A part of an address or name in From."},
      {"subject", "TEXT", "A part of the subject."},
      {"message_id", "ID", "The Message-ID of the header."},
      {"attachment", "yes|no", "With an attachment, or without one.", "yes|no"},
  };
}

bool HasMessageFilter(const Arguments& arguments) {
  const std::vector<Option> options = MessageFilterOptions();
  return std::any_of(options.begin(), options.end(),
                     [&](const Option& option) { return arguments.Has(option.name); });
}

absl::StatusOr<v1::MessageFilter> MessageFilterOf(const Arguments& arguments, absl::Time now) {
  v1::MessageFilter filter;
  if (arguments.Has("after")) {
    ASSIGN_OR_RETURN(const uint64_t after, ParseId("--after", arguments.Get("after")));
    filter.set_after_message_id(static_cast<int64_t>(after));
  }
  if (arguments.Has("since")) RETURN_IF_ERROR(SetTime(arguments, "since", now, filter.mutable_since_time()));
  if (arguments.Has("until")) RETURN_IF_ERROR(SetTime(arguments, "until", now, filter.mutable_until_time()));
  ASSIGN_OR_RETURN(const std::optional<uint64_t> min_size, arguments.GetBytes("min_size"));
  ASSIGN_OR_RETURN(const std::optional<uint64_t> max_size, arguments.GetBytes("max_size"));
  filter.set_min_size_bytes(static_cast<int64_t>(min_size.value_or(0)));
  filter.set_max_size_bytes(static_cast<int64_t>(max_size.value_or(0)));
  if (arguments.Has("sender")) filter.mutable_reverse_path()->set_value(arguments.Get("sender"));
  filter.set_recipient(arguments.Get("recipient"));
  filter.set_from_contains(arguments.Get("from"));
  filter.set_subject_contains(arguments.Get("subject"));
  filter.set_header_message_id(arguments.Get("message_id"));
  ASSIGN_OR_RETURN(const std::optional<bool> attachment, arguments.GetBool("attachment"));
  if (attachment.has_value()) filter.mutable_has_attachment()->set_value(*attachment);
  return filter;
}

}  // namespace mailstead::ctl
