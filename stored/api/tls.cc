#include "stored/api/tls.h"

#include <utility>

#include "common/obs/log.h"
#include "stored/api/convert/values.h"
#include "stored/api/roles.h"

namespace mailstead::stored {

Task<absl::Status> ListTicketKeys(Environment& environment, rpc::Call& call,
                                  const frontend::v1::ListTicketKeysRequest&,
                                  frontend::v1::ListTicketKeysResponse& response) {
  TicketKeys& keys = environment.core.ticket_keys;
  const bool pops = (call.caller().roles & kPop) != 0;
  TicketKeys::Listed listed = keys.List(pops ? "pop" : "smtp");
  if (listed.made) obs::LogInfo("ticket_key_made", {});
  for (TicketKeys::Key& from : listed.keys) {
    frontend::v1::TicketKey& to = *response.add_keys();
    to.set_secret(std::move(from.secret));
    ToProto(from.open_for, *to.mutable_open_for());
  }
  ToProto(keys.ask_again_after(), *response.mutable_ask_again_after());
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
