// What GET of kWatchPath asks for.
#pragma once

#include "absl/status/statusor.h"
#include "mailstead/store/v1/watch.pb.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

// The parameters are those of WatchRequest and its filter, with the enums' names in small letters and without their prefix;
// Last-Event-ID goes before `cursor` and `start`, and is nothing to a consumer, which has a place of its own. InvalidArgument
// names the parameter that is none, is there twice, or cannot be read; what they mean together the store says.
absl::StatusOr<store::v1::WatchRequest> ReadWatchQuery(const RequestHead& head);

}  // namespace mailstead::web
