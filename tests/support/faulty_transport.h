// A way to the store that goes wrong where a test says so, and remembers what went by it.
//
//   FaultyTransport way(behind);
//   way.Fail("Deliver", When::kAfter, absl::UnavailableError("lost"), /*nth=*/2);   // happened, and the answer is lost
//   way.Hold("ResolveRecipient");                                                  // is slow, until
//   way.Release("ResolveRecipient");
//   way.Tear("FetchMessage", /*messages=*/3);                                       // the stream breaks after three
//   way.SetAway(absl::UnavailableError("restarting"));                             // everything fails, until
//   way.SetAway(absl::OkStatus());
//
// Methods are named by their last name. Each call counts once, whether it is one request and response or a stream.
// Thread-safe; what is held waits on the executor of its coroutine.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "asio/any_io_executor.hpp"
#include "common/base/timers.h"
#include "common/rpc/transport.h"

namespace mailstead::test {

// kBefore: the call does not reach the store. kAfter: it has happened, and only its answer is lost or late.
enum class When { kBefore, kAfter };

// A call that went by.
struct SeenCall {
  std::string method;
  std::string session_id;
  absl::Duration timeout;
  bool apart = false;
  // Its requests, in order.
  std::vector<std::string> requests;

  template <typename Request>
  Request As(size_t index = 0) const {
    Request request;
    request.ParseFromString(requests.at(index));
    return request;
  }
};

class FaultyTransport final : public rpc::Transport {
 public:
  // Both outlive it. A call that is held waits for its timeout by `timers`.
  explicit FaultyTransport(rpc::Transport& behind, Timers& timers = Timers::Steady())
      : behind_(behind), timers_(timers) {}

  // ---- What goes wrong. `nth`: 1 is the next call of the method; 0 is every one from now on.

  void Fail(const std::string& method, When when, absl::Status error, int nth = 1);
  // The call waits until Release, or its timeout.
  void Hold(const std::string& method, When when = When::kBefore, int nth = 1);
  // A stream: it breaks when so many requests and responses have gone by.
  void Tear(const std::string& method, int messages, int nth = 1);
  // Forgets what is planned for the method; what is held goes on.
  void Release(const std::string& method);
  // While it is not OK every call gives it, and none reaches the store; rpc::NotSent(error) where the caller is told so.
  void SetAway(absl::Status error);

  // ---- What went by

  int calls(const std::string& method) const;
  std::vector<SeenCall> seen(const std::string& method) const;
  // Calls that are held now.
  int held_count(const std::string& method) const;

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response, rpc::CallOptions options) override;
  std::unique_ptr<rpc::CallStream> Open(absl::string_view method, rpc::CallOptions options) override;

 private:
  class Stream;

  struct Plan {
    int nth = 1;
    When when = When::kBefore;
    absl::Status error;
    bool hold = false;
    std::optional<int> messages;
  };
  // A call that waits.
  struct Held {
    std::string method;
    asio::any_io_executor executor;
    // Made when it begins to wait.
    std::unique_ptr<Timer> timer;
  };

  static std::string LastName(absl::string_view method);
  // What is planned for this call, which is counted.
  Plan Begin(const std::string& method, const rpc::CallOptions& options, size_t& index);
  void SawRequest(size_t index, const google::protobuf::MessageLite& request);
  absl::Status away() const;
  // OK: released. DeadlineExceeded.
  asio::awaitable<absl::Status> Wait(std::shared_ptr<Held> held, absl::Duration timeout);

  rpc::Transport& behind_;
  Timers& timers_;
  mutable absl::Mutex mutex_;
  absl::Status away_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::list<Plan>> plans_ ABSL_GUARDED_BY(mutex_);
  std::vector<SeenCall> seen_ ABSL_GUARDED_BY(mutex_);
  std::list<std::shared_ptr<Held>> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::test
