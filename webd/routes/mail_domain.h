// What everybody may ask about a domain, by WebService of the store.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "mailstead/frontend/v1/web.pb.h"
#include "webd/answerer.h"

namespace mailstead::web {

// In webd's own name: who asks shows no key. `name` is in any form. NotFound: its mail is not taken here.
asio::awaitable<absl::StatusOr<frontend::v1::FindMailDomainResponse>> FindMailDomain(Answerer& answerer,
                                                                                     std::string name);

}  // namespace mailstead::web
