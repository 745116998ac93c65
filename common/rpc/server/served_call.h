// One call as the doors serve it: admitted, run, counted.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/server/admission.h"
#include "common/rpc/server/method.h"
#include "common/rpc/server/method_table.h"

namespace mailstead::rpc {

// How a call came.
enum class Door {
  // As a gRPC call of its own, unary or streaming.
  kGrpc,
  // With others, over the stream of a batch.
  kBatch,
  // Out of the same process.
  kInProcess,
};
// For metrics: "grpc", "batch", "in_process".
absl::string_view DoorName(Door door);

// What every door works with; all of it outlives the doors.
struct Service {
  const MethodTable& methods;
  Admission& admission;
  const Clock& clock;
};

// Credentials, and who shows them: asked anew only when the admission may say something else. One thread.
class Identity {
 public:
  explicit Identity(Credentials credentials) : credentials_(std::move(credentials)) {}

  std::shared_ptr<const Caller> Look(Admission& admission);
  const Credentials& credentials() const { return credentials_; }

 private:
  const Credentials credentials_;
  std::shared_ptr<const Caller> caller_;
  int64_t generation_ = 0;
};

// What is known of a call when it comes.
struct CallFacts {
  Door door = Door::kGrpc;
  // Of its caller's session; empty: none.
  std::string session_id;
  // Of its caller's work; checked. Empty: none.
  std::string trace_id;
  // What the caller says that it speaks; empty: it does not.
  std::string revision;
  // Of the caller; InfiniteFuture for none. Its way ends the call then.
  absl::Time deadline = absl::InfiniteFuture();
  int64_t max_response_bytes = std::numeric_limits<int64_t>::max();
  // Called when the call has been admitted, before its method begins. May be empty.
  std::function<void()> admitted;
};

// Everything happens on the thread of the method.
class ServedCall final : public Call {
 public:
  // All that is given by reference outlives the call.
  ServedCall(const Service& service, const Method& method, Identity& identity, CallFacts facts);

  // Runs the call: admission, then the method. What it gives is what the caller has to be told; a method that has written
  // its last response gave OK with it.
  Task<absl::Status> Run(RequestSource& requests, ResponseSink& responses);
  // Counts the call, once: for a sink that is about to give the last response.
  void End(const absl::Status& status);
  // Nobody waits for the call any more, and why: Cancelled, or Unavailable when it is the server that ends.
  void Abandon(absl::Status why);
  // Ends the call for `why` whatever its method does, at once where its door can, and else as by Abandon. It may be destroyed
  // when this returns.
  void Cut(absl::Status why);
  // How its door does that.
  void SetCut(std::function<void(const absl::Status&)> cut) { cut_ = std::move(cut); }

  const Method& method() const { return method_; }
  Door door() const { return facts_.door; }
  Identity& identity() const { return identity_; }
  const std::string& revision() const { return facts_.revision; }
  const std::string& target() const { return target_; }
  absl::Time deadline() const { return facts_.deadline; }
  // The server's own bound: the call ends then, unless its caller wants it to end earlier.
  void LimitTo(absl::Time deadline) {
    if (deadline >= facts_.deadline) return;
    facts_.deadline = deadline;
    is_limited_ = true;
  }
  // Whether the deadline is the server's own, which no way ends by itself.
  bool is_limited() const { return is_limited_; }
  // What a call hears whose deadline is over: DeadlineExceeded; of the server's own bound with kReasonCallTooLong, or
  // kReasonStreamAge for a stream that is there to stay.
  absl::Status Overdue() const;
  absl::Duration Took() const { return service_.clock.Now() - began_; }

  // ---- Call

  const Caller& caller() const override { return *caller_; }
  const std::string& session_id() const override { return facts_.session_id; }
  const std::string& trace_id() const override { return facts_.trace_id; }
  absl::Time began() const override { return began_; }
  absl::Status StillWanted() const override;
  void WhenGone(std::function<void()> then) override;
  int64_t max_response_bytes() const override { return facts_.max_response_bytes; }
  void SetTarget(std::string target) override { target_ = std::move(target); }

 private:
  absl::Status Begin();

  const Service& service_;
  const Method& method_;
  Identity& identity_;
  CallFacts facts_;
  const absl::Time began_;
  // Shared with other calls of the same stream, which may come to another one.
  const std::shared_ptr<const Caller> caller_;
  std::string target_;
  // Not OK: nobody waits any more.
  absl::Status gone_;
  std::function<void()> when_gone_;
  std::function<void(const absl::Status&)> cut_;
  bool ended_ = false;
  // Set by LimitTo, where it counts.
  bool is_limited_ = false;
};

}  // namespace mailstead::rpc
