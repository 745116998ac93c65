#include "mailctl/client.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mailctl/diagnosis.h"
#include "mailctl/field_words.h"

namespace mailstead::ctl {
namespace {

// gRPC's own words when there is no connection.
bool IsUnreachable(const absl::Status& status) {
  const absl::string_view message = status.message();
  return absl::IsUnavailable(status) &&
         (absl::StrContains(message, "failed to connect") ||
          absl::StrContains(message, "onnection refused") ||
          absl::StrContains(message, "DNS resolution failed") ||
          absl::StrContains(message, "Socket closed") || absl::StrContains(message, "onnection reset"));
}

}  // namespace

Client::Client(std::unique_ptr<rpc::Transport> transport, const Settings& settings)
    : transport_(std::move(transport)),
      channel_(settings.channel),
      timeout_(settings.timeout),
      store_(*transport_) {}

store::CallContext Client::ContextFor(absl::Duration timeout) const {
  return {.timeout = timeout_ > absl::ZeroDuration() ? timeout_ : timeout};
}

absl::Status Client::Explain(const absl::Status& status, const google::protobuf::Message& request) const {
  if (IsUnreachable(status)) {
    const std::string why = Diagnose(channel_);
    return Reworded(status, absl::StrCat("the store at ", channel_.target, " cannot be reached",
                                         why.empty() ? "" : ": ", why));
  }
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return Reworded(status,
                      absl::StrCat("the store at ", channel_.target, " did not answer in time (--timeout)"));
    case absl::StatusCode::kUnauthenticated:
      return Reworded(status, absl::StrCat("the store does not know this caller: ", status.message(),
                                           " (--token_file, --tls_cert)"));
    case absl::StatusCode::kPermissionDenied:
      return Reworded(status, absl::StrCat("the store refuses this caller: ", status.message()));
    default:
      return status.message().empty() ? Reworded(status, absl::StatusCodeToString(status.code()))
                                      : InTypedWords(status, request);
  }
}

}  // namespace mailstead::ctl
