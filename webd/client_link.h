// One client's connection, as the sessions of each version of HTTP use it.
#pragma once

#include <utility>

#include "asio/ip/tcp.hpp"
#include "common/frontend/client_link.h"
#include "webd/connection_context.h"
#include "webd/journal.h"
#include "webd/limits.h"

namespace mailstead::web {

inline constexpr frontend::ClientLinkOptions kLinkOptions = {
    .read_bytes = kReadBytes, .leave_timeout = kLeaveTimeout, .max_leave_bytes = kMaxLeaveBytes};

// Belongs to the single-threaded executor of its socket; every function is called there.
class ClientLink final : public frontend::ClientLink {
 public:
  // `context` outlives it.
  ClientLink(const ConnectionContext& context, asio::ip::tcp::socket socket)
      : frontend::ClientLink(std::move(socket), context.steady, kLinkOptions),
        context_(context),
        journal_(context.metrics, stream()) {}

  const ConnectionContext& context() const { return context_; }
  Journal& journal() { return journal_; }

 private:
  const ConnectionContext& context_;
  Journal journal_;
};

}  // namespace mailstead::web
