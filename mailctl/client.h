// The store API as commands call it: synchronous, with deadline and credential on every call, errors as
// absl::Status.
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <type_traits>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "mailctl/settings.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"

namespace mailstead::ctl {

namespace v1 = ::mailstead::store::v1;

// How long a call may take when --timeout is not given.
inline constexpr absl::Duration kCallTimeout = absl::Seconds(30);
// A message of any size over a slow disk or network.
inline constexpr absl::Duration kTransferTimeout = absl::Minutes(10);
// 500 passwords have to be hashed, slowly on purpose.
inline constexpr absl::Duration kBatchTimeout = absl::Minutes(5);
// Reads everything there is. The store takes no deadline of 24 hours or more.
inline constexpr absl::Duration kVerifyTimeout = absl::Hours(23);

// Thread-safe.
class Client {
 public:
  using Directory = v1::DirectoryService::StubInterface;
  using Mailbox = v1::MailboxService::StubInterface;
  using Admin = v1::AdminService::StubInterface;

  static absl::StatusOr<std::unique_ptr<Client>> Connect(const Settings& settings);

  Directory& directory() { return *directory_; }
  Mailbox& mailbox() { return *mailbox_; }
  Admin& admin() { return *admin_; }

  // For one call, with deadline and credential. --timeout goes before `timeout`.
  std::unique_ptr<grpc::ClientContext> NewContext(absl::Duration timeout) const;
  // What a call ended with, in words for a person.
  absl::Status Explain(const grpc::Status& status) const;

  // Call(client.directory(), &Client::Directory::GetDomain, request)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration timeout = kCallTimeout) const {
    const std::unique_ptr<grpc::ClientContext> context = NewContext(timeout);
    Response response;
    RETURN_IF_ERROR(Explain((stub.*method)(context.get(), request, &response)));
    return response;
  }

  // Calls a List method until the last page, and gives each page to `take`.
  template <typename Stub, typename Request, typename Response>
  absl::Status Pages(Stub& stub,
                     grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                     Request request,
                     absl::FunctionRef<void(const std::type_identity_t<Response>&)> take) const {
    request.set_page_size(kPageSize);
    while (true) {
      ASSIGN_OR_RETURN(const Response response, Call(stub, method, request));
      take(response);
      if (response.next_page_token().empty()) return absl::OkStatus();
      request.set_page_token(response.next_page_token());
    }
  }

  // The mailbox of an account. NotFound.
  absl::StatusOr<uint64_t> MailboxOf(const std::string& address);

 private:
  Client(std::unique_ptr<rpc::StoreChannel> channel, const Settings& settings);

  // The most a List method gives at once.
  static constexpr int kPageSize = 1000;

  const std::unique_ptr<rpc::StoreChannel> channel_;
  const std::string target_;
  const absl::Duration timeout_;
  const std::unique_ptr<Directory> directory_;
  const std::unique_ptr<Mailbox> mailbox_;
  const std::unique_ptr<Admin> admin_;
};

}  // namespace mailstead::ctl
