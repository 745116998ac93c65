#include "stored/api/web.h"

#include <string>

#include "common/base/status.h"
#include "stored/api/convert/directory.h"
#include "stored/core/names.h"

namespace mailstead::stored {

Task<absl::Status> FindMailDomain(Environment& environment, rpc::Call&,
                                  const frontend::v1::FindMailDomainRequest& request,
                                  frontend::v1::FindMailDomainResponse& response) {
  CO_ASSIGN_OR_RETURN(std::string name, CheckDomainName("name", request.name()));
  CO_ASSIGN_OR_RETURN(const engine::Domain domain, co_await environment.core.directory.GetDomain(name));
  response.set_name(domain.name);
  response.set_mta_sts(ToProto(domain.mta_sts));
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
