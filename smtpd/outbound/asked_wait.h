// How long a host asks us to wait, in the words of a reply: greylisting has no code of its own. Pure.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::smtp::outbound {

// "Greylisted, please try again in 5 minutes": the first number in `text` that a unit of time follows, when the text speaks of
// trying again; or "come back in 00:04:59". Absent: it asks for nothing. Never more than kMostAskedWait, whatever it says.
inline constexpr absl::Duration kMostAskedWait = absl::Hours(24);
std::optional<absl::Duration> AskedWait(absl::string_view text);

}  // namespace mailstead::smtp::outbound
