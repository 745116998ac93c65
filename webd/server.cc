#include "webd/server.h"

#include "common/rpc/grpc_transport.h"
#include "webd/connection.h"

namespace mailstead::web {
namespace {

const google::protobuf::DescriptorPool& Pool() { return *google::protobuf::DescriptorPool::generated_pool(); }

}  // namespace

Server::Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics)
    : flags_(flags),
      methods_(Pool(), StoreFiles()),
      translator_(Pool()),
      cors_(flags.cors_origins),
      documents_(MakeDocuments()),
      memory_(flags.body_memory),
      plain_(MakeContext(false, daemon, metrics)),
      tls_(MakeContext(true, daemon, metrics)) {}

ConnectionContext Server::MakeContext(bool implicit_tls, frontend::Daemon& daemon, Metrics& metrics) {
  return ConnectionContext{.timeouts = flags_.timeouts,
                           .implicit_tls = implicit_tls,
                           .proxy_networks = flags_.frontend.proxy_networks,
                           .plaintext_networks = flags_.plaintext_networks,
                           .tls = &daemon.tls(),
                           .counter = daemon.counter(),
                           .transport = daemon.transport(),
                           .methods = methods_,
                           .translator = translator_,
                           .cors = cors_,
                           .documents = documents_,
                           .mail_settings = flags_.mail_settings,
                           .memory = memory_,
                           .metrics = metrics,
                           .max_request_bytes = flags_.max_request_bytes,
                           .max_streams = flags_.max_streams};
}

std::vector<frontend::Listening> Server::listening() const {
  return {frontend::ListenFor<Connection>("listen", "http", flags_.listen, plain_),
          frontend::ListenFor<Connection>("tls_listen", "https", flags_.tls_listen, tls_)};
}

}  // namespace mailstead::web
