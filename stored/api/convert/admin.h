// The state of the store between the API and the engine.
#pragma once

#include "mailstead/store/v1/admin.pb.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::EngineStatus& status, store::v1::GetStatusResponse& proto);

}  // namespace mailstead::stored
