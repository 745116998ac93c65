#include "common/config/version.h"

namespace mailstead::config {

absl::string_view Version() { return MAILSTEAD_VERSION; }

}  // namespace mailstead::config
