#include "mailctl/commands/retention_word.h"

#include "mailctl/commands/time_word.h"
#include "mailctl/output.h"

namespace mailstead::ctl {

absl::StatusOr<std::optional<absl::Duration>> ReadRetention(const Arguments& arguments) {
  if (!arguments.Has(kRetentionName)) return std::nullopt;
  const std::string word = arguments.Get(kRetentionName);
  if (word == "never") return absl::ZeroDuration();
  return ParseDurationWord(kRetentionName, word);
}

void SetRetention(absl::Duration retention, google::protobuf::Duration& proto) {
  proto.set_seconds(absl::ToInt64Seconds(retention));
  proto.set_nanos(static_cast<int32_t>((retention % absl::Seconds(1)) / absl::Nanoseconds(1)));
}

std::string RetentionText(const google::protobuf::Duration& retention) {
  if (retention.seconds() == 0) return "for ever";
  return Plural(retention.seconds() / (24 * 3600), "day");
}

}  // namespace mailstead::ctl
