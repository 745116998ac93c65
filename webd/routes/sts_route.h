// The policy of MTA-STS of a domain here (discovery/sts.h), to everybody.
#pragma once

#include "asio/awaitable.hpp"
#include "webd/answerer.h"
#include "webd/exchange.h"

namespace mailstead::web {

// To the end of the answer. Of a GET or HEAD without a body.
asio::awaitable<void> AnswerStsPolicy(Answerer& answerer, Exchange& exchange);

}  // namespace mailstead::web
