// The time of a Date field (RFC 5322 section 3.3 with the obsolete forms of section 4.3). Pure.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::mime {

struct Date {
  absl::Time time;
  // East of Greenwich. 0 and not known for "-0000", for the letters of soldiers, for names of zones that section
  // 4.3 does not list, and where none is written.
  int offset_minutes = 0;
  bool is_offset_known = false;
};

// Nullopt when it is no time. Taken beside what the RFC has: any order of day, month and year in which the day comes
// before the year, hyphens between them, a missing zone. The day's name is not looked at.
std::optional<Date> ParseDate(absl::string_view value);

}  // namespace mailstead::mime
