// webd's translator in front of any server of gRPC, whose services it learns from a file of descriptors: what tests/connect/server
// starts for each server that the conformance suite asks for.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/base/byte_budget.h"
#include "common/base/check.h"
#include "common/frontend/listeners.h"
#include "common/net/connection_counter.h"
#include "common/net/tls_context.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_transport.h"
#include "prometheus/registry.h"
#include "webd/connection.h"
#include "webd/connection_context.h"
#include "webd/discovery/settings.h"
#include "webd/discovery/sts.h"
#include "webd/http/cors.h"
#include "webd/metrics.h"
#include "webd/routes/document_route.h"
#include "webd/translate/codec.h"
#include "webd/translate/methods.h"

namespace mailstead::web {
namespace {

// All files of the set, each behind those that it needs; their names.
std::vector<std::string> Load(const std::string& path, google::protobuf::DescriptorPool& pool) {
  google::protobuf::FileDescriptorSet set;
  std::ifstream file(path, std::ios::binary);
  CHECK(set.ParseFromIstream(&file));
  std::vector<std::string> names;
  for (const auto& one : set.file()) {
    CHECK(pool.BuildFile(one) != nullptr);
    names.push_back(one.name());
  }
  return names;
}

int Run(const std::string& descriptors, const std::string& upstream, size_t max_request_bytes,
        const std::string& cert, const std::string& key) {
  google::protobuf::DescriptorPool pool;
  const MethodTable methods(pool, Load(descriptors, pool));
  const Translator translator(pool);
  const std::unique_ptr<rpc::StoreChannel> channel = *rpc::StoreChannel::Create({.target = upstream});
  rpc::GrpcTransport transport(*channel);
  net::ConnectionCounter counter(0, 0);
  prometheus::Registry registry;
  Metrics metrics(registry);
  ByteBudget memory(kBodyMemoryBytes);
  std::unique_ptr<net::TlsContext> tls;
  if (!cert.empty()) {
    tls = *net::TlsContext::Create({.cert_file = cert, .key_file = key, .alpn = {"h2", "http/1.1"}});
  }
  const CorsPolicy cors;
  const Documents documents;
  const MailSettings mail_settings;
  const StsSettings sts_settings;
  const ConnectionContext context{.implicit_tls = tls != nullptr,
                                  .plaintext_networks = *net::NetworkList::Parse("127.0.0.0/8"),
                                  .tls = tls.get(),
                                  .counter = counter,
                                  .transport = transport,
                                  .methods = methods,
                                  .translator = translator,
                                  .cors = cors,
                                  .documents = documents,
                                  .mail_settings = mail_settings,
                                  .sts_settings = sts_settings,
                                  .memory = memory,
                                  .metrics = metrics,
                                  .max_request_bytes = max_request_bytes,
                                  .passes_all = true};
  net::IoThreads threads(2);
  frontend::Listeners listeners(threads);
  const absl::Status listening = listeners.Listen<Connection>("http", {"127.0.0.1:0"}, context);
  CHECK(listening.ok());
  std::cout << "port " << listeners.port() << std::endl;
  // Who started it ends it.
  std::cin.get();
  listeners.Drain(absl::Seconds(2));
  threads.Join();
  return 0;
}

}  // namespace
}  // namespace mailstead::web

// DESCRIPTORS UPSTREAM MAX_REQUEST_BYTES [CERT KEY]
int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  size_t max_request_bytes = 0;
  if ((argc != 4 && argc != 6) || !absl::SimpleAtoi(argv[3], &max_request_bytes)) return 2;
  return mailstead::web::Run(argv[1], argv[2], max_request_bytes, argc == 6 ? argv[4] : "",
                             argc == 6 ? argv[5] : "");
}
