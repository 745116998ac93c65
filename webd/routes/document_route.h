// What webd has of its own to show: the API as a document, and the page that reads it.
#pragma once

#include <string>

#include "asio/awaitable.hpp"
#include "webd/answerer.h"
#include "webd/exchange.h"
#include "webd/routes/route.h"

namespace mailstead::web {

struct Document {
  std::string type;
  std::string body;
  // The same by gzip.
  std::string packed;
  // Content-Security-Policy; empty: that of every answer.
  std::string policy;
};

struct Documents {
  Document openapi;
  Document page;
};

Documents MakeDocuments();

// `document` outlives it. Who asks shows no key: it is the same for everybody.
asio::awaitable<void> AnswerDocument(Answerer& answerer, Exchange& exchange, RouteKind kind,
                                     const Document& document);

}  // namespace mailstead::web
