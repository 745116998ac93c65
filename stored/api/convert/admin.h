// The state of the store between the API and the engine.
#pragma once

#include "mailstead/store/v1/admin.pb.h"
#include "stored/core/throttle.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::EngineStatus& status, store::v1::GetStatusResponse& proto);
// Without the account's address and the lease's holder.
void ToProto(const engine::LockInfo& lock, store::v1::Session& proto);
void ToProto(const Lockout& lockout, store::v1::Lockout& proto);
void ToProto(const engine::VerifyStep::Damage& damage, store::v1::VerifyMessagesResponse::Damage& proto);

}  // namespace mailstead::stored
