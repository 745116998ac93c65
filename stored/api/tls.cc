#include "stored/api/tls.h"

#include <utility>

#include "common/obs/log.h"
#include "stored/api/convert/values.h"
#include "stored/api/roles.h"

namespace mailstead::stored {
namespace {

absl::string_view AudienceOf(unsigned roles) {
  if ((roles & kPop) != 0) return "pop";
  return (roles & kWeb) != 0 ? "web" : "smtp";
}

}  // namespace

Task<absl::Status> ListTicketKeys(Environment& environment, rpc::Call& call,
                                  const frontend::v1::ListTicketKeysRequest&,
                                  frontend::v1::ListTicketKeysResponse& response) {
  TicketKeys& keys = environment.core.ticket_keys;
  // SECURITY: webd is spoken to by others than a mail server is: it opens no tickets but its own.
  TicketKeys::Listed listed = keys.List(AudienceOf(call.caller().roles));
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
