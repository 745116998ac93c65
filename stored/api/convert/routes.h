// Routes between the API and core.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mailstead/store/v1/route.pb.h"
#include "stored/core/routes.h"

namespace mailstead::stored {

// `mailbox` is what its account is called; empty: the route has none.
void ToProto(const engine::Route& route, absl::string_view mailbox, store::v1::Route& proto);
// For who goes that way: without its mailbox, and without the password, which has a place of its own.
void ToProto(const RouteChoice& choice, store::v1::Route& proto);

// FieldError; Aborted with kReasonEtagMismatch.
absl::StatusOr<NewRoute> FromProto(const store::v1::SetRouteRequest& request);

}  // namespace mailstead::stored
