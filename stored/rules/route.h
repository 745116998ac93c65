// What holds for routes in every engine. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// "default", ".example.test for mail from a.test": for messages to people.
std::string RouteName(const engine::RouteKey& key);

// Whether one more can be kept beside `count` others: else ResourceExhausted with kReasonTooManyRoutes.
absl::Status CheckRoomForRoute(size_t count);

// NotFound with kReasonRouteNotFound.
absl::Status NoRoute(const engine::RouteKey& key);

// `route` as it is kept in the place of `present` (null: none has its key). NotFound, or Aborted with kReasonEtagMismatch,
// where another version than `expected` is there; 0: any, or none.
absl::StatusOr<engine::Route> Replaced(const engine::Route* present, int64_t expected, engine::Route route);

}  // namespace mailstead::rules
