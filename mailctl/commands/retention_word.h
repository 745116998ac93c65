// How long messages stay, as people write it on a command line.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "mailctl/arguments.h"

namespace mailstead::ctl {

inline constexpr absl::string_view kRetentionName = "retention";

// Of --retention: absent where it was not given; 0 for "never". Usage error.
absl::StatusOr<std::optional<absl::Duration>> ReadRetention(const Arguments& arguments);
void SetRetention(absl::Duration retention, google::protobuf::Duration& proto);
// "30 days", "for ever".
std::string RetentionText(const google::protobuf::Duration& retention);

}  // namespace mailstead::ctl
