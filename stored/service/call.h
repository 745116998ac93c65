// One call: admitted and counted. Only .cc files of this folder include this.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/service/environment.h"
#include "stored/service/services.h"

namespace mailstead::store {

class Call {
 public:
  enum class Kind { kUnary, kStream };

  // `method` is a literal: "MailboxService/Deliver". Empty: open to all, and not counted.
  Call(Environment& environment, const grpc::ServerContextBase& context, absl::string_view method, Kind kind)
      : environment_(environment), context_(context), method_(method), kind_(kind), began_(absl::Now()) {}

  // It is made before its caller comes: it begins now. Checks caller and deadline. Once, first.
  absl::Status Admit();
  // DeadlineExceeded for a unary call that is older than the environment's max_unary_time. Asked before each
  // step that costs something.
  absl::Status InTime() const;
  // Counts the call. Once, when it ends.
  grpc::Status End(const absl::Status& status) const;

  Environment& environment() const { return environment_; }
  absl::Duration Took() const { return absl::Now() - began_; }

 private:
  Environment& environment_;
  const grpc::ServerContextBase& context_;
  const absl::string_view method_;
  const Kind kind_;
  absl::Time began_;
};

// A pool had no room.
absl::Status Busy();

}  // namespace mailstead::store
