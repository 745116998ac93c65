// The store API as commands call it: calls return when they are done, with a deadline on each and errors in words for a
// person.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/rpc/transport.h"
#include "common/store/blocking.h"
#include "common/store/methods.h"
#include "mailctl/settings.h"

namespace mailstead::ctl {

namespace v1 = ::mailstead::store::v1;

// How long a call may take when --timeout is not given.
inline constexpr absl::Duration kCallTimeout = absl::Seconds(30);
// A message of any size over a slow disk or network.
inline constexpr absl::Duration kTransferTimeout = absl::Minutes(10);
// 500 passwords have to be hashed, slowly on purpose.
inline constexpr absl::Duration kBatchTimeout = absl::Minutes(5);
// Reads everything there is. The store ends a streaming call after 24 hours.
inline constexpr absl::Duration kVerifyTimeout = absl::Hours(23);

// Thread-safe, but for the streams.
class Client {
 public:
  // `settings` say where `transport` leads, for the words of errors.
  Client(std::unique_ptr<rpc::Transport> transport, const Settings& settings);

  // One try. --timeout goes before `timeout`.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(store::Method<Request, Response> method,
                                const std::type_identity_t<Request>& request,
                                absl::Duration timeout = kCallTimeout) {
    absl::StatusOr<Response> response = store_.Call(method, request, ContextFor(timeout));
    if (!response.ok()) return Explain(response.status(), request);
    return response;
  }

  // Calls a List method until the last page, and gives each page to `take`.
  template <typename Request, typename Response>
  absl::Status Pages(store::Method<Request, Response> method, std::type_identity_t<Request> request,
                     absl::FunctionRef<void(const std::type_identity_t<Response>&)> take) {
    request.set_page_size(kPageSize);
    while (true) {
      ASSIGN_OR_RETURN(const Response response, Call(method, request));
      take(response);
      if (response.next_page_token().empty()) return absl::OkStatus();
      request.set_page_token(response.next_page_token());
    }
  }

  // A call of several messages, used by one thread. Left before its end: cancelled.
  template <typename Request, typename Response>
  class Stream {
   public:
    Stream(Client& client, store::TypedStream<Request, Response> stream)
        : client_(client), stream_(std::move(stream)) {}
    // False: the call has ended, and Read says why.
    bool Write(const Request& request, bool last) {
      if (!written_) first_ = request;
      written_ = true;
      return client_.store_.Run(stream_.Write(request, last)).ok();
    }
    // True: `response` is the next one. False: the end, in order.
    absl::StatusOr<bool> Read(Response& response) {
      absl::StatusOr<bool> more = client_.store_.Run(stream_.Read(response));
      if (!more.ok()) return client_.Explain(more.status(), first_);
      return more;
    }

   private:
    Client& client_;
    store::TypedStream<Request, Response> stream_;
    // The request that says what is wanted; those behind it are pieces of a message.
    Request first_;
    bool written_ = false;
  };
  template <typename Request, typename Response>
  Stream<Request, Response> Open(store::Method<Request, Response> method, absl::Duration timeout) {
    return Stream<Request, Response>(*this, store_.api().Open(method, ContextFor(timeout)));
  }
  // A call with one request and several responses: gives each to `take`.
  template <typename Request, typename Response>
  absl::Status ReadAll(store::Method<Request, Response> method, const std::type_identity_t<Request>& request,
                       absl::Duration timeout,
                       absl::FunctionRef<void(const std::type_identity_t<Response>&)> take) {
    Stream<Request, Response> stream = Open(method, timeout);
    // Should it fail, Read says why.
    stream.Write(request, /*last=*/true);
    Response response;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, stream.Read(response));
      if (!more) return absl::OkStatus();
      take(response);
    }
  }

 private:
  store::CallContext ContextFor(absl::Duration timeout) const;
  // What the call of `request` ended with, in words for a person.
  absl::Status Explain(const absl::Status& status, const google::protobuf::Message& request) const;

  // The most a List method gives at once.
  static constexpr int kPageSize = 1000;

  const std::unique_ptr<rpc::Transport> transport_;
  const rpc::ChannelOptions channel_;
  const absl::Duration timeout_;
  store::BlockingStore store_;
};

}  // namespace mailstead::ctl
