#include "stored/service/served_call.h"

#include "common/base/status.h"

namespace mailstead::store {

ServedCall::ServedCall(CallLoop& loop, absl::string_view method, Call::Kind kind)
    : presence_(loop), loop_(loop), call_(loop.environment(), context_, method, kind) {}

void ServedCall::Serve(std::unique_ptr<ServedCall> first) { first.release()->AwaitCaller(); }

void ServedCall::AwaitCaller() {
  // The caller's coming, its going, and Finish.
  under_way_ = 3;
  context_.AsyncNotifyWhenDone(&ended_tag_);
  RequestCaller(&begun_tag_);
}

void ServedCall::OnBegun(bool ok) {
  if (!ok) {
    // The server shuts down; without a call there is no end of one to hear of.
    delete this;
    return;
  }
  Serve(Another());
  if (const absl::Status admitted = call_.Admit(); admitted.ok()) {
    Begin();
  } else {
    Finish(admitted);
  }
  OperationDone();
}

void ServedCall::OnEnded(bool) {
  if (context_.IsCancelled()) {
    cancelled_ = true;
    OnCancel();
  }
  OperationDone();
}

void ServedCall::OperationDone() {
  if (under_way_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

absl::Status ServedCall::StillWanted() const {
  if (cancelled_) return absl::CancelledError("the caller has gone");
  return call_.InTime();
}

}  // namespace mailstead::store
