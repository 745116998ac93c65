// What our front-ends and the store have agreed on beyond the API (package mailstead.frontend.v1).
#pragma once

namespace mailstead::store {

// Raised when a front-end of the older revision would not work with a store of the newer one, or the other way round.
inline constexpr int kRevision = 2;
// The oldest revision of a front-end that this store serves.
inline constexpr int kOldestServedRevision = 2;

}  // namespace mailstead::store
