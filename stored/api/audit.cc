#include "stored/api/audit.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/obs/log.h"

namespace mailstead::stored {
namespace {

constexpr int kMaxRefusalsInASecond = 100;

// "OK", "NOT_FOUND", "ABORTED/ETAG_MISMATCH".
std::string Result(const absl::Status& status) {
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string reason = ReasonOf(status);
  return reason.empty() || reason == code ? code : absl::StrCat(code, "/", reason);
}

absl::string_view CallerName(const rpc::ServedCall& call) {
  return call.caller().name.empty() ? absl::string_view("nobody") : absl::string_view(call.caller().name);
}

}  // namespace

void Audit::Ended(const rpc::ServedCall& call, const absl::Status& status) {
  obs::LogInfo("audit", {{"caller", CallerName(call)},
                         {"peer", call.caller().peer},
                         {"action", call.method().name},
                         {"target", call.target()},
                         {"result", Result(status)},
                         {"session", call.session_id()}, {"trace", call.trace_id()}});
}

void Audit::Refused(const rpc::ServedCall& call, const absl::Status& status) {
  const absl::Time now = clock_.Now();
  if (now - second_began_ >= absl::Seconds(1) || now < second_began_) {
    second_began_ = now;
    in_this_second_ = 0;
  }
  if (++in_this_second_ > kMaxRefusalsInASecond) {
    ++left_out_;
    return;
  }
  obs::LogWarning("audit", {{"caller", CallerName(call)},
                            {"peer", call.caller().peer},
                            {"action", call.method().name},
                            {"target", ""},
                            {"result", Result(status)},
                            {"left_out", std::exchange(left_out_, 0)}});
}

}  // namespace mailstead::stored
