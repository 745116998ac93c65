#pragma once

#include "absl/time/time.h"

namespace mailstead::net {

// How long a TLS session can be resumed. Who makes keys for its tickets keeps them for so long and no longer.
inline constexpr absl::Duration kTicketLife = absl::Hours(2);

}  // namespace mailstead::net
