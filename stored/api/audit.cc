#include "stored/api/audit.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/obs/log.h"
#include "stored/api/roles.h"

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

constexpr size_t kMaxTargetBytes = 512;

// Mail has as many changes as there is mail: they have a place of their own.
engine::AuditEntry EntryOf(const rpc::ServedCall& call, const absl::Status& status, absl::Time now) {
  engine::AuditEntry entry;
  entry.kind =
      (call.method().roles & kMailScopes) != 0 ? engine::AuditKind::kMail : engine::AuditKind::kChange;
  entry.time = now;
  entry.actor = std::string(CallerName(call));
  entry.peer = call.caller().peer;
  entry.action = call.method().name;
  entry.target = call.target().substr(0, kMaxTargetBytes);
  entry.result = Result(status);
  entry.session_id = call.session_id();
  return entry;
}

}  // namespace

void Audit::Ended(const rpc::ServedCall& call, const absl::Status& status) {
  if (trail_ != nullptr) trail_->Note(EntryOf(call, status, clock_.Now()));
  obs::LogInfo("audit", {{"caller", CallerName(call)},
                         {"peer", call.caller().peer},
                         {"action", call.method().name},
                         {"target", call.target()},
                         {"result", Result(status)},
                         {"session", call.session_id()},
                         {"trace", call.trace_id()}});
}

void Audit::Refused(const rpc::ServedCall& call, const absl::Status& status) {
  const absl::Time now = clock_.Now();
  if (trail_ != nullptr) {
    trail_->NoteRefusal(EntryOf(call, status, now), call.caller().roles != 0 || !call.caller().name.empty());
  }
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
