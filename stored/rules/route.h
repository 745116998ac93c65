// What holds for routes in every engine. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// "default", ".example.test for mail from a.test": for messages to people.
std::string RouteName(const engine::RouteKey& key);

// Whether one more can be kept beside `count` others: else ResourceExhausted with kReasonTooManyRoutes.
absl::Status CheckRoomForRoute(size_t count);

// NotFound with kReasonRouteNotFound.
absl::Status NoRoute(const engine::RouteKey& key);

}  // namespace mailstead::rules
