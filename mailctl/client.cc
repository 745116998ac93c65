#include "mailctl/client.h"

#include <grpcpp/channel.h>

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/errors.h"

namespace mailstead::ctl {
namespace {

// The same code, reason and field with other words.
absl::Status Reworded(const absl::Status& status, absl::string_view message) {
  absl::Status reworded(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { reworded.SetPayload(url, payload); });
  return reworded;
}

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

Client::Client(std::unique_ptr<rpc::StoreChannel> channel, const Settings& settings)
    : channel_(std::move(channel)),
      target_(settings.channel.target),
      timeout_(settings.timeout),
      directory_(v1::DirectoryService::NewStub(channel_->Next())),
      mailbox_(v1::MailboxService::NewStub(channel_->Next())),
      admin_(v1::AdminService::NewStub(channel_->Next())) {}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const Settings& settings) {
  ASSIGN_OR_RETURN(std::unique_ptr<rpc::StoreChannel> channel, rpc::StoreChannel::Create(settings.channel));
  return std::unique_ptr<Client>(new Client(std::move(channel), settings));
}

std::unique_ptr<grpc::ClientContext> Client::NewContext(absl::Duration timeout) const {
  auto context = std::make_unique<grpc::ClientContext>();
  channel_->Prepare(*context, timeout_ > absl::ZeroDuration() ? timeout_ : timeout);
  return context;
}

absl::Status Client::Explain(const grpc::Status& grpc_status) const {
  const absl::Status status = rpc::FromGrpc(grpc_status);
  if (status.ok()) return status;
  if (IsUnreachable(status)) {
    return Reworded(status, absl::StrCat("the store at ", target_, " cannot be reached"));
  }
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return Reworded(status, absl::StrCat("the store at ", target_, " did not answer in time (--timeout)"));
    case absl::StatusCode::kUnauthenticated:
      return Reworded(status, absl::StrCat("the store does not know this caller: ", status.message(),
                                           " (--token_file, --tls_cert)"));
    case absl::StatusCode::kPermissionDenied:
      return Reworded(status, absl::StrCat("the store refuses this caller: ", status.message()));
    default:
      return status.message().empty() ? Reworded(status, absl::StatusCodeToString(status.code())) : status;
  }
}

absl::StatusOr<uint64_t> Client::MailboxOf(const std::string& address) {
  v1::GetAccountRequest request;
  request.set_address(address);
  ASSIGN_OR_RETURN(const v1::Account account, Call(directory(), &Directory::GetAccount, request));
  return account.mailbox_id();
}

}  // namespace mailstead::ctl
