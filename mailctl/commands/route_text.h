// Routes in words for a person.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace mailstead::store::v1 {
class Route;
}

namespace mailstead::ctl {

class Client;

// "default"; "b.test for mail from a.test".
std::string RouteNameText(const store::v1::Route& route);

// Where mail goes by it: "the mailbox of demo@example.test", "smtp.example.test:587, [2001:db8::1]:25", "as the DNS says".
std::string RouteWayText(const store::v1::Route& route);

// How its connections are secured: "may", "none", "require", "verify".
std::string RouteTlsText(const store::v1::Route& route);

// What becomes of mail for other hosts, in one line: by the default route, and how many others there are. "stays here, in
// the mailbox of demo@example.test".
absl::StatusOr<std::string> RoutesText(Client& store);

}  // namespace mailstead::ctl
