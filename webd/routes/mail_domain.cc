#include "webd/routes/mail_domain.h"

#include <utility>

#include "common/rpc/grpc_transport.h"

namespace mailstead::web {
namespace {

namespace fv1 = frontend::v1;

constexpr char kFindMailDomain[] = "mailstead.frontend.v1.WebService/FindMailDomain";

}  // namespace

asio::awaitable<absl::StatusOr<fv1::FindMailDomainResponse>> FindMailDomain(Answerer& answerer,
                                                                            std::string name) {
  const ConnectionContext& context = answerer.context();
  fv1::FindMailDomainRequest request;
  request.set_name(std::move(name));
  rpc::CallOptions options{.timeout = context.timeouts.store_call,
                           .session_id = answerer.journal().session_id()};
  const absl::StatusOr<std::string> answer =
      co_await context.transport.CallBytes(kFindMailDomain, request.SerializeAsString(), std::move(options));
  if (!answer.ok()) co_return answer.status();
  fv1::FindMailDomainResponse response;
  if (!response.ParseFromString(*answer))
    co_return absl::InternalError("the store sent what is no such message");
  co_return response;
}

}  // namespace mailstead::web
