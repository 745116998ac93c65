#include "webd/server.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/rpc/grpc_transport.h"
#include "webd/connection.h"
#include "webd/webhooks/senders.h"

namespace mailstead::web {
namespace {

const google::protobuf::DescriptorPool& Pool() { return *google::protobuf::DescriptorPool::generated_pool(); }

SendersOptions OptionsOfSenders(const Flags& flags) {
  SendersOptions options;
  options.max_webhooks = flags.webhook_workers;
  options.holder = absl::StrCat("webd ", flags.frontend.hostname, " ", getpid());
  options.drain_timeout = flags.frontend.drain_timeout;
  options.sender.store_timeout = flags.timeouts.store_call;
  options.poster.rules.allowed = flags.webhook_allow_networks;
  options.poster.plaintext = flags.webhook_plaintext_networks;
  options.poster.timeout = flags.webhook_timeout;
  options.poster.dns_servers = flags.dns_servers;
  options.poster.public_url = flags.public_url;
  return options;
}

}  // namespace

Server::Server(const Flags& flags, frontend::Daemon& daemon, Metrics& metrics)
    : flags_(flags),
      methods_(Pool(), StoreFiles()),
      translator_(Pool()),
      cors_(flags.cors_origins),
      documents_(MakeDocuments()),
      memory_(flags.body_memory),
      plain_(MakeContext(false, daemon, metrics)),
      tls_(MakeContext(true, daemon, metrics)) {
  if (flags_.webhook_workers == 0) return;
  senders_ = std::make_unique<Senders>(daemon.store(), daemon.threads(), metrics, OptionsOfSenders(flags_));
}

Server::~Server() = default;

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
                           .sts_settings = flags_.sts_settings,
                           .memory = memory_,
                           .metrics = metrics,
                           .max_request_bytes = flags_.max_request_bytes,
                           .max_streams = flags_.max_streams};
}

std::vector<frontend::Listening> Server::listening() const {
  return {frontend::ListenFor<Connection>("listen", "http", flags_.listen, plain_),
          frontend::ListenFor<Connection>("tls_listen", "https", flags_.tls_listen, tls_)};
}

frontend::Hooks Server::hooks() {
  if (senders_ == nullptr) return {};
  return {.start = [this] { senders_->Start(); },
          .health = [this] { return senders_->Health(); },
          .end = [this] { return senders_->End(); }};
}

}  // namespace mailstead::web
