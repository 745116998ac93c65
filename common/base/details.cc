#include "common/base/details.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/reason.h"

namespace mailstead {
namespace {

constexpr absl::string_view kMetadataUrl = "mailstead/metadata";
constexpr absl::string_view kRetryDelayUrl = "mailstead/retry-delay-ms";
constexpr absl::string_view kViolationsUrl = "mailstead/violations";
constexpr absl::string_view kLeftOutUrl = "mailstead/violations-left-out";

// A payload holds texts one after another, each behind its length: "4:name3:ann".
void AppendText(absl::string_view text, std::string& bytes) {
  absl::StrAppend(&bytes, text.size(), ":", text);
}

// Only what AppendText has made comes in.
std::vector<std::string> Texts(const absl::Status& status, absl::string_view url) {
  std::vector<std::string> texts;
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  if (!payload.has_value()) return texts;
  const std::string bytes(*payload);
  absl::string_view left = bytes;
  while (!left.empty()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(left, absl::MaxSplits(':', 1));
    size_t size = 0;
    if (!absl::SimpleAtoi(parts.first, &size) || size > parts.second.size()) return texts;
    texts.emplace_back(parts.second.substr(0, size));
    left = parts.second.substr(size);
  }
  return texts;
}

std::optional<int64_t> Number(const absl::Status& status, absl::string_view url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  int64_t number = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &number)) return std::nullopt;
  return number;
}

// How long waiting helps where no better time is known.
std::optional<absl::Duration> UsualRetryDelay(absl::StatusCode code, absl::string_view reason) {
  struct Row {
    absl::string_view reason;
    absl::Duration delay;
  };
  static const Row kRows[] = {
      {kReasonBusy, absl::Seconds(1)},
      // A person has to make room.
      {kReasonDiskFull, absl::Minutes(1)},
      // POP3 sessions take seconds, and one that has died is let go within as many.
      {kReasonMaildropInUse, absl::Seconds(5)},
      {kReasonLoginDelay, absl::Seconds(5)},
      // Where it stopped, at once.
      {kReasonStreamAge, absl::ZeroDuration()},
  };
  for (const Row& row : kRows) {
    if (row.reason == reason) return row.delay;
  }
  if (code == absl::StatusCode::kUnavailable) return absl::Seconds(1);
  return std::nullopt;
}

}  // namespace

absl::string_view CutText(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

absl::Status WithMetadata(absl::Status status, absl::string_view key, absl::string_view value) {
  std::vector<std::pair<std::string, std::string>> metadata = MetadataOf(status);
  key = CutText(key, kMaxMetadataKeyBytes);
  const auto place =
      std::lower_bound(metadata.begin(), metadata.end(), key,
                       [](const auto& entry, absl::string_view wanted) { return entry.first < wanted; });
  std::string kept(CutText(value, kMaxMetadataValueBytes));
  if (place != metadata.end() && place->first == key) {
    place->second = std::move(kept);
  } else if (metadata.size() < kMaxMetadata) {
    metadata.emplace(place, std::string(key), std::move(kept));
  }
  std::string bytes;
  for (const auto& [name, text] : metadata) {
    AppendText(name, bytes);
    AppendText(text, bytes);
  }
  status.SetPayload(kMetadataUrl, absl::Cord(bytes));
  return status;
}

std::vector<std::pair<std::string, std::string>> MetadataOf(const absl::Status& status) {
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> texts = Texts(status, kMetadataUrl);
  for (size_t i = 0; i + 1 < texts.size(); i += 2) {
    metadata.emplace_back(std::move(texts[i]), std::move(texts[i + 1]));
  }
  return metadata;
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  // Rounded up: who comes a moment early is refused once more.
  const int64_t ms =
      absl::ToInt64Milliseconds(absl::Ceil(std::max(delay, absl::ZeroDuration()), absl::Milliseconds(1)));
  status.SetPayload(kRetryDelayUrl, absl::Cord(absl::StrCat(ms)));
  return status;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const std::optional<int64_t> ms = Number(status, kRetryDelayUrl);
  if (!ms.has_value()) return std::nullopt;
  return absl::Milliseconds(*ms);
}

absl::Status WithUsualRetryDelay(absl::Status status) {
  if (status.ok() || RetryDelayOf(status).has_value()) return status;
  const std::optional<absl::Duration> delay = UsualRetryDelay(status.code(), ReasonOf(status));
  return delay.has_value() ? WithRetryDelay(std::move(status), *delay) : status;
}

absl::Status WithViolations(absl::Status status, absl::Span<const FieldViolation> violations) {
  if (status.ok() || violations.empty()) return status;
  std::string bytes;
  for (const FieldViolation& violation : violations.first(std::min(violations.size(), kMaxViolations))) {
    AppendText(violation.field, bytes);
    AppendText(violation.description, bytes);
    AppendText(violation.reason, bytes);
  }
  status.SetPayload(kViolationsUrl, absl::Cord(bytes));
  status.ErasePayload(kLeftOutUrl);
  if (violations.size() > kMaxViolations) {
    status.SetPayload(kLeftOutUrl, absl::Cord(absl::StrCat(violations.size() - kMaxViolations)));
  }
  return WithField(std::move(status), violations.front().field);
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  std::vector<std::string> texts = Texts(status, kViolationsUrl);
  for (size_t i = 0; i + 2 < texts.size(); i += 3) {
    violations.push_back({std::move(texts[i]), std::move(texts[i + 1]), std::move(texts[i + 2])});
  }
  if (!violations.empty()) return violations;
  std::string field = FieldOf(status);
  if (field.empty()) return violations;
  // The text of a FieldError is "field: description".
  absl::string_view description(status.message().data(), status.message().size());
  absl::ConsumePrefix(&description, absl::StrCat(field, ": "));
  violations.push_back({std::move(field), std::string(description), ""});
  return violations;
}

size_t ViolationsLeftOut(const absl::Status& status) {
  return static_cast<size_t>(std::max<int64_t>(Number(status, kLeftOutUrl).value_or(0), 0));
}

void Violations::Add(const absl::Status& status) {
  if (status.ok()) return;
  std::vector<FieldViolation> violations = ViolationsOf(status);
  if (violations.empty() || !absl::IsInvalidArgument(status)) {
    if (other_.ok()) other_ = status;
    return;
  }
  const std::string reason = ReasonOf(status);
  for (FieldViolation& violation : violations) {
    if (violation.reason.empty() && reason != kReasonInvalidField) violation.reason = reason;
  }
  violations_.insert(violations_.end(), std::make_move_iterator(violations.begin()),
                     std::make_move_iterator(violations.end()));
}

void Violations::Add(absl::string_view field, absl::string_view description, absl::string_view reason) {
  violations_.push_back({std::string(field), std::string(description), std::string(reason)});
}

absl::Status Violations::Result() const {
  if (!other_.ok()) return other_;
  if (violations_.empty()) return absl::OkStatus();
  const FieldViolation& first = violations_.front();
  std::string text = absl::StrCat(first.field, ": ", first.description);
  if (violations_.size() > 1) absl::StrAppend(&text, " (and ", violations_.size() - 1, " more)");
  absl::Status result = WithViolations(absl::InvalidArgumentError(text), violations_);
  return first.reason.empty() ? result : WithReason(std::move(result), first.reason);
}

}  // namespace mailstead
