#include "common/mail/date_time.h"

namespace mailstead {

std::string DateTime(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", time, absl::UTCTimeZone());
}

}  // namespace mailstead
