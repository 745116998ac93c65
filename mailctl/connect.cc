#include "mailctl/connect.h"

#include <utility>

#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_transport.h"

namespace mailstead::ctl {
namespace {

// A transport with a channel of its own.
class Connection final : public rpc::Transport {
 public:
  explicit Connection(std::unique_ptr<rpc::StoreChannel> channel)
      : channel_(std::move(channel)), transport_(*channel_) {}

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response,
                                     rpc::CallOptions options) override {
    return transport_.Call(method, request, response, std::move(options));
  }
  std::unique_ptr<rpc::CallStream> Open(absl::string_view method, rpc::CallOptions options) override {
    return transport_.Open(method, std::move(options));
  }

 private:
  const std::unique_ptr<rpc::StoreChannel> channel_;
  rpc::GrpcTransport transport_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<rpc::Transport>> ConnectByGrpc(const Settings& settings) {
  ASSIGN_OR_RETURN(std::unique_ptr<rpc::StoreChannel> channel, rpc::StoreChannel::Create(settings.channel));
  return std::make_unique<Connection>(std::move(channel));
}

}  // namespace mailstead::ctl
