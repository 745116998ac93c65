#include "common/rpc/transport.h"

#include <google/protobuf/message_lite.h>

#include <atomic>
#include <exception>
#include <memory>
#include <utility>

#include "absl/strings/cord.h"
#include "asio/co_spawn.hpp"
#include "asio/this_coro.hpp"
#include "common/base/check.h"
#include "common/rpc/resume.h"

namespace mailstead::rpc {
namespace {

constexpr absl::string_view kNotSentUrl = "mailstead/not-sent";

// The ends of several calls, until the last one is there.
struct Gathering {
  explicit Gathering(size_t count) : ends(count), missing(count) {}
  std::vector<absl::Status> ends;
  std::atomic<size_t> missing;
  Resumption<bool> done;
};

}  // namespace

absl::Status NotSent(absl::Status error) {
  error.SetPayload(kNotSentUrl, absl::Cord());
  return error;
}

absl::Status PerhapsSent(absl::Status error) {
  error.ErasePayload(kNotSentUrl);
  return error;
}

bool WasNotSent(const absl::Status& error) { return error.GetPayload(kNotSentUrl).has_value(); }

asio::awaitable<std::vector<absl::Status>> Transport::CallAll(absl::string_view method,
                                                              std::vector<OneOfMany> calls,
                                                              CallOptions options) {
  CHECK(!calls.empty());
  const auto gathering = std::make_shared<Gathering>(calls.size());
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto start = [&](Resumption<bool> done) {
    gathering->done = std::move(done);
    for (size_t i = 0; i < calls.size(); ++i) {
      const auto ended = [gathering, i](std::exception_ptr, absl::Status status) {
        gathering->ends[i] = std::move(status);
        if (gathering->missing.fetch_sub(1) == 1) gathering->done(true);
      };
      asio::co_spawn(executor, Call(method, *calls[i].request, *calls[i].response, options), ended);
    }
  };
  co_await AwaitResumption<bool>(start);
  co_return std::move(gathering->ends);
}

void Transport::Start(asio::any_io_executor executor, absl::string_view method,
                      std::unique_ptr<google::protobuf::MessageLite> request,
                      std::unique_ptr<google::protobuf::MessageLite> response, CallOptions options,
                      absl::AnyInvocable<void(absl::Status)> done) {
  auto call = Call(method, *request, *response, std::move(options));
  auto ended = [request = std::move(request), response = std::move(response), done = std::move(done)](
                   std::exception_ptr, absl::Status status) mutable { done(std::move(status)); };
  asio::co_spawn(std::move(executor), std::move(call), std::move(ended));
}

}  // namespace mailstead::rpc
